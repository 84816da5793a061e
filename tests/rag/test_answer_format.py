"""What is read out of an answer, in the form asked for and in the forms that models make of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.rag.answer_format import AnswerReader
from veclab.rag.citations import Claim, Quote


def read(text, size=5):
    reader = AnswerReader()
    claims = []
    for start in range(0, len(text), size):
        claims += reader.feed(text[start : start + size])
    return claims + reader.close(), reader


def one(text, source, quote):
    return [Claim(text, (Quote(source, quote),))]


@pytest.mark.parametrize(
    "answer",
    [
        'CLAIM: Cats sleep.\nQUOTE [2]: "Cats sleep all day"',
        'CLAIM: Cats sleep.\nQUOTE [2]: "Cats sleep all day"\n\n',
        "Claim: Cats sleep.\nQuote 2: “Cats sleep all day”",
        '**CLAIM:** Cats sleep.\n**QUOTE [2]:** "Cats sleep all day"',
        "1. CLAIM 1: Cats sleep.\n   QUOTE [2]: Cats sleep all day",
        '- claim: Cats sleep. [2]\n- quote: "Cats sleep all day"',
        'CLAIM: Cats sleep.\nSOURCE: 2\nQUOTE: "Cats sleep all day"',
        'CLAIM: Cats sleep.\nQUOTE: "Cats sleep all day"\nSOURCE: [2]',
        'CLAIM: Cats sleep.\nQUOTE: [2] "Cats sleep all day"',
        'CLAIM: Cats sleep.\nQUOTE: "Cats sleep all day" [2]',
        'CLAIM: Cats sleep.\r\nQUOTE [2]: "Cats sleep all day"\r\n',
        'CLAIM: Cats sleep.\nQUOTE [source 2]: "...Cats sleep all day..."',
        'Cats sleep. [2] "Cats sleep all day"',
        'Cats sleep. [2: "Cats sleep all day"]',
        '{"claims": [{"claim": "Cats sleep.", "source": 2, "quote": "Cats sleep all day"}]}',
        '```json\n[{"claim": "Cats sleep.", "quotes": [{"source": "2", "quote": '
        '"Cats sleep all day"}]}]\n```',
    ],
)
def test_one_claim_in_many_forms(answer):
    for size in (1, 7, 1000):
        assert read(answer, size)[0] == one("Cats sleep.", 2, "Cats sleep all day")


def test_a_quotation_over_several_lines():
    claims, _ = read('CLAIM: Cats sleep.\nQUOTE [2]: "Cats sleep\nall day"\n\nnext')
    assert claims == one("Cats sleep.", 2, "Cats sleep\nall day")


def test_claims_come_as_soon_as_the_next_begins():
    reader = AnswerReader()
    assert reader.feed('CLAIM: One.\nQUOTE [1]: "one"\n') == []
    assert reader.feed("CLAIM: Two.\n") == one("One.", 1, "one")
    assert reader.close() == [Claim("Two.", ())]


def test_several_quotations_for_a_claim():
    (claim,), _ = read('CLAIM: Both.\nQUOTE [1]: "a b"\nQUOTE [3]: "c d"')
    assert claim.quotes == (Quote(1, "a b"), Quote(3, "c d"))


def test_a_quotation_without_a_number_has_none():
    assert read('CLAIM: Cats sleep.\nQUOTE: "Cats"')[0] == one("Cats sleep.", None, "Cats")


@pytest.mark.parametrize(
    "answer",
    ["NOT IN THESE SOURCES", "Not in these sources.", "**NOT IN THESE SOURCES**\n",
     "CLAIM: Not in these sources."],
)  # fmt: skip
def test_a_model_may_say_that_the_sources_do_not_tell(answer):
    claims, reader = read(answer)
    assert claims == []
    assert reader.refused


def test_other_text_is_kept_aside():
    claims, reader = read("Sure! Here it is:\n\nCLAIM: A.\nQUOTE [1]: a\n\nHope that helps [1].")
    assert claims == one("A.", 1, "a")
    assert reader.stray == ["Sure! Here it is:", "Hope that helps [1]."]
    assert not reader.refused


@given(st.text(max_size=300), st.integers(1, 50))
def test_no_text_makes_it_fall_over(text, size):
    claims, _ = read(text, size)
    assert all(claim.text for claim in claims)


@given(
    st.lists(
        st.sampled_from(
            [
                "CLAIM: ",
                "QUOTE [1]: ",
                "SOURCE: 2",
                "\n",
                "words ",
                '"',
                "[",
                "]",
                "{",
                "}",
                "NOT IN",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_how_an_answer_is_cut_into_pieces_makes_no_difference(text):
    assert read(text, 1)[0] == read(text, 1000)[0]
