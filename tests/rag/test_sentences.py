"""Where sentences end, and where they do not."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.rag.sentences import split_sentences


def split(text, **options):
    return [text[a:b] for a, b in split_sentences(text, **options)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!  Three?", ["One.", "Two!", "Three?"]),
        ("See e.g. Smith, i.e. him. Next.", ["See e.g. Smith, i.e. him.", "Next."]),
        ("Dr. Who and J. Doe met. Then left.", ["Dr. Who and J. Doe met.", "Then left."]),
        ("Version 1.5.2 is out. It works.", ["Version 1.5.2 is out.", "It works."]),
        ("It ends ... and goes on.", ["It ends ... and goes on."]),
        ("A line\nof a sentence. Done.", ["A line\nof a sentence.", "Done."]),
        ("A heading\n\nA text", ["A heading", "A text"]),
        ("Items:\n- one\n- two\n1. three", ["Items:", "- one", "- two", "1. three"]),
        ("He said “go.” She went.", ["He said “go.”", "She went."]),
        ("这是一句。这是两句！", ["这是一句。", "这是两句！"]),
        ("", []),
        (" \n ", []),
        ("no end", ["no end"]),
    ],
)
def test_sentences(text, sentences):
    assert split(text) == sentences


def test_long_ones_are_split_at_line_ends_on_request():
    text = "first line\nsecond line\nthird line"
    assert split(text) == [text]
    assert split(text, longest=20) == ["first line", "second line", "third line"]


@given(st.text(max_size=300))
def test_spans_are_in_order_and_lose_only_white_space(text):
    spans = split_sentences(text)
    assert all(a < b for a, b in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    kept = "".join(text[a:b] for a, b in spans)
    assert "".join(kept.split()) == "".join(text.split())
