"""Which claims stand: an honest one, and all the ways in which one can be wrong."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from veclab.rag.citations import Claim, Quote, locate, verify, verify_quotations

PASSAGES = (
    "By default, the server listens on port 8080. It doesn't cache results unless told so "
    "(see foo.conf). The exam-\nple costs 10² dollars—or −5.",
    "Debian was founded by Ian Murdock in 1993. It is not a company. Does it sell software? "
    "Apt replaces dselect.",
    "Version 1.5.2 needs 512 MB of memory. Users must not run it as root.",
)


def check(text, *quotes, passages=PASSAGES):
    return verify(Claim(text, tuple(Quote(source, quote) for source, quote in quotes)), passages)


@pytest.mark.parametrize(
    ("claim", "source", "quote"),
    [
        ("By default, the server listens on port 8080.", 1, "the server listens on port 8080"),
        ("by default the server listens on port 8080", 1, "By default, the server listens"),
        ("It does not cache results unless told so (see foo.conf)", 1, "cache results unless"),
        ("The example costs 10² dollars - or -5.", 1, "The example costs 10² dollars"),
        ("Debian was founded by Ian Murdock in 1993", 2, "founded by Ian Murdock in 1993"),
        ("However, it is not a company.", 2, "It is not a company."),
        ("Users must not run it as root.", 3, "Users must not run it as root"),
    ],
)
def test_a_claim_that_says_what_a_sentence_says_is_supported(claim, source, quote):
    verdict = check(claim, (source, quote))
    assert (verdict.status, verdict.reasons) == ("supported", ())
    (citation,) = verdict.citations
    assert citation.source == source
    assert PASSAGES[source - 1][citation.start : citation.end] == citation.text


def test_a_claim_of_two_sentences_needs_a_quotation_for_each():
    text = "It is not a company. Version 1.5.2 needs 512 MB of memory."
    both = (2, "It is not a company"), (3, "needs 512 MB of memory")
    assert check(text, *both).status == "supported"
    assert check(text, both[0]).status == "unverified"


@pytest.mark.parametrize(
    ("source", "quote", "reason"),
    [
        (9, "Debian was founded", "it cites [9], and there are 3 sources"),
        (0, "Debian was founded", "it cites [0], and there are 3 sources"),
        (None, "Debian was founded", "does not say which source"),
        (1, "Debian was founded by Ian", "does not stand in [1], but in [2]"),
        (1, "the server listens on port 8081", "does not stand in [1]"),
        (1, "By default, the server doesn't cache results", "joins parts that stand apart"),
        (1, "By default ... unless told so", "joins parts that stand apart"),
        (1, "By default […] unless told so", "joins parts that stand apart"),
        (1, "default, the serv", "does not stand in [1]"),
        (1, "102 dollars", "does not stand in [1]"),
        (1, "dollars or 5", "does not stand in [1]"),
        (3, "Version 1.5 needs", "does not stand in [3]"),
        (3, "Users must run it as root", "does not stand in [3]"),
        (2, "in 1993 It is not a company", "does not stand in [2]"),  # a full stop left out
        (1, "", "quotes no words"),
        (1, "...", "quotes no words"),
        (1, "“”", "quotes no words"),
    ],
)
def test_a_false_quotation_drops_the_claim(source, quote, reason):
    verdict = check("By default, the server listens on port 8080.", (source, quote))
    assert (verdict.status, verdict.citations) == ("dropped", ())
    assert reason in verdict.reasons[0]


def test_one_false_quotation_among_true_ones_drops_the_claim():
    verdict = check("It is not a company.", (2, "It is not a company."), (9, "really"))
    assert verdict.status == "dropped"


def test_a_claim_without_a_quotation_is_dropped():
    assert check("It is not a company.").reasons == ("it quotes no source",)


@pytest.mark.parametrize(
    ("claim", "quote", "reason"),
    [
        ("The server listens on port 8081.", (1, "listens on port 8080"), "numbers.*8081"),
        ("Debian was founded by Linus Torvalds", (2, "Debian was founded"), "names.*torvalds"),
        ("It is a company.", (2, "It is not a company"), "claim does not: not"),
        ("It caches results", (1, "cache results"), "claim does not: .*not"),
        ("Users must run it as root", (3, "run it as root"), "claim does not: not"),
        ("Users must never run it as root", (3, "run it as root"), "does not say: never"),
        ("The client listens on port 8080", (1, "listens on port 8080"), "words.*client"),
        ("Dselect replaces apt.", (2, "Apt replaces dselect."), "in this order"),
        ("The server listens on port 8080.", (1, "server listens on port 8080"), "one sentence"),
        ("It cost 5 dollars.", (1, "It"), "numbers.*5"),
        ("It needs 512 GB of memory.", (3, "needs 512 MB of memory"), "names.*gb"),
        ("It does sell software", (2, "it sell software"), ""),
        ("Does it sell software?", (2, "Does it sell software?"), "it is a question"),
        ("It cannot be.", (2, "It is not a company"), "can"),
        ("!!!", (2, "It is not a company"), "nothing that could be checked"),
        ("The", (2, "It is not a company"), "nothing that could be checked"),
    ],
)
def test_a_true_quotation_under_another_claim_does_not_show_it(claim, quote, reason):
    verdict = check(claim, quote)
    assert verdict.status == "unverified"
    assert len(verdict.citations) == 1
    import re

    assert re.search(reason, "; ".join(verdict.reasons)), verdict.reasons


def test_the_words_around_a_quotation_count():
    passages = ["It is a myth that the earth is flat.", "If it rains, the street is wet."]
    assert check("the earth is flat", (1, "the earth is flat"), passages=passages).status == (
        "unverified"
    )
    assert check("The street is wet", (2, "the street is wet"), passages=passages).status == (
        "unverified"
    )


def test_a_sentence_cut_off_at_the_beginning_of_a_passage_shows_nothing():
    passages = ["the server caches results. It is fast."]  # "It is not true that" came before
    first = Claim("The server caches results.", (Quote(1, "the server caches results"),))
    second = Claim("It is fast.", (Quote(1, "It is fast"),))
    assert verify(first, passages).status == "supported"
    assert verify(first, passages, cut={1}).status == "unverified"
    assert verify(second, passages, cut={1}).status == "supported"


def test_a_quotation_shown_as_one_need_only_be_true():
    claim = Claim("port 8080", (Quote(1, "port 8080"),))
    assert verify_quotations(claim, PASSAGES).status == "supported"
    assert verify_quotations(Claim("x", (Quote(1, "port 8081"),)), PASSAGES).status == "dropped"
    assert verify_quotations(Claim("x", ()), PASSAGES).status == "dropped"


SENTENCES = st.lists(
    st.lists(
        st.sampled_from(
            ["alpha", "beta", "gamma", "delta", "12", "345", "not", "never", "6.5", "-7"]
        ),
        min_size=1,
    )
    .map(" ".join)
    .map(lambda text: text + "."),
    min_size=1,
    max_size=5,
)


@given(SENTENCES, st.data())
def test_what_is_copied_is_found_at_its_place(sentences, data):
    passage = " ".join(sentences)
    first = data.draw(st.integers(0, len(passage.split()) - 1))
    last = data.draw(st.integers(first + 1, len(passage.split())))
    quote = " ".join(passage.split()[first:last])
    found = locate(Quote(1, quote), [passage])
    assert found is not None
    assert passage[found.start : found.end].rstrip(".") == quote.rstrip(".")


@given(SENTENCES, st.data())
def test_one_digit_changed_is_never_found(sentences, data):
    passage = " ".join(sentences)
    digits = [i for i, letter in enumerate(passage) if letter.isdigit()]
    assume(digits)
    place = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([d for d in "123456789" if d != passage[place]]))
    changed = passage[:place] + other + passage[place + 1 :]
    assert locate(Quote(1, changed), [passage]) is None


@given(st.text(max_size=80), st.integers(-3, 9), st.text(max_size=80), st.lists(st.text()))
def test_no_answer_makes_it_fall_over(claim, source, quote, passages):
    verdict = verify(Claim(claim, (Quote(source, quote),)), passages)
    for citation in verdict.citations:
        assert passages[citation.source - 1][citation.start : citation.end] == citation.text
    assert (verdict.status == "dropped") == (not verdict.citations)


@given(SENTENCES, st.sampled_from(["not", "never"]))
def test_a_claim_that_leaves_a_negation_out_is_not_supported(sentences, negation):
    said = [sentence.split() for sentence in sentences]
    for sentence in sentences:
        words = sentence.replace(".", " .").split()
        claim = [word for word in words if word != negation]
        text = " ".join(claim).replace(" .", ".")
        if claim != words and text.split() not in said:
            assert check(text, (1, sentence), passages=[" ".join(sentences)]).status != "supported"
