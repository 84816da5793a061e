"""Very long texts are counted in segments, and cut before a model sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from veclab.pipeline.long_texts import LONG_CHARS, beginning, count_long, segments, tokenize


def words(parts):
    return [2 + len(part.split()) for part in parts]


@given(st.text("ab \n", max_size=500), st.integers(1, 60))
def test_segments_join_to_the_text_and_cut_no_word_in_two(text, size):
    parts = segments(text, size)
    assert "".join(parts) == text
    # Only a word longer than a segment is cut inside.
    assert all(part[0].isspace() for part in parts[1:]) or max(map(len, text.split())) >= size


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=300))
def test_segments_of_words_hold_the_same_tokens(parts):
    text = " ".join(parts)
    assert 2 + sum(n - 2 for n in words(segments(text, 10))) == words([text])[0]


def test_a_long_text_is_counted_right_and_never_whole():
    longest = 0

    def count(parts):
        nonlocal longest
        longest = max(longest, *map(len, parts))
        return words(parts)

    text = "some words " * 200_000
    assert count_long(text, count) == 400_002
    assert longest < 500_000


@pytest.mark.parametrize("limit", [5, 50, 500])
def test_the_beginning_holds_all_that_a_model_reads(limit):
    text = " ".join(f"word{i}" for i in range(20_000))
    part = beginning(text, limit, words)
    assert text.startswith(part)
    assert part.split()[:limit] == text.split()[:limit]
    assert words([part])[0] > limit
    assert len(part) < 40 * limit


def test_a_single_endless_word_stays_whole():
    assert beginning("x" * 1000, 5, words) == "x" * 1000


def test_texts_come_in_order_and_long_texts_are_cut_to_what_is_read():
    long = "some words " * (LONG_CHARS // 10)
    texts = ["a b", long, "c", *["word " * 30_000] * 10, long, "d"]
    tokenized = tokenize(FakeProvider(), texts, None, 16)
    assert [one.tokens for one in tokenized] == [len(text.split()) + 2 for text in texts]
    for one, text in zip(tokenized, texts, strict=True):
        assert text.startswith(one.text)
        assert len(one.text) <= LONG_CHARS
        assert one.text.split()[:14] == text.split()[:14]


def test_without_a_limit_a_long_text_stays_whole():
    long = "some words " * (LONG_CHARS // 10)
    assert tokenize(FakeProvider(), [long], None, None)[0].text == long
