"""A text over the limit is cut into windows that are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab import InputError
from veclab.pipeline.windows import pool, split_text


def words(parts):
    """Two special tokens, and one token for every four letters of a word."""
    return [2 + sum((len(word) + 3) // 4 for word in part.split()) for part in parts]


def split(text, limit, count=words):
    return split_text(text, words([text])[0], limit, count)


@given(st.text("ab \n", max_size=400), st.integers(3, 20))
def test_windows_join_to_the_text_and_each_fits(text, limit):
    windows = split(text, limit, words)
    assert "".join(windows) == text
    assert all(tokens <= limit for tokens in words(windows))


@given(st.integers(1, 300), st.integers(3, 20))
def test_windows_are_as_long_as_they_can_be(n, limit):
    windows = split(" ".join(["word"] * n), limit, words)
    assert len(windows) == -(-n // (limit - 2))


def test_cuts_fall_between_words():
    assert split("one two six ten", 4, words) == ["one two ", "six ten"]


def test_a_word_over_the_limit_is_cut_inside():
    windows = split("x" * 100, 12, words)
    assert "".join(windows) == "x" * 100
    assert [len(window) for window in windows] == [40, 40, 20]


def test_few_counts_are_needed_for_a_long_text():
    counted = 0

    def count(parts):
        nonlocal counted
        counted += sum(map(len, parts))
        return words(parts)

    text = "some words of text " * 20_000
    split(text, 256, count)
    assert counted < 20 * len(text)


def test_a_limit_without_room_is_an_error():
    with pytest.raises(InputError, match="no room"):
        split("word", 2, words)


def test_pooling_gives_each_token_the_same_say():
    vectors = np.array([[3, 0], [0, 0.5]], np.float32)  # of any length: only directions count
    np.testing.assert_allclose(pool(vectors, [3, 4]), [0.6, 0.8], atol=1e-7)
    np.testing.assert_allclose(pool(vectors[:1], [7]), [1, 0])
