"""One order out of two, and passages unlike each other."""

from __future__ import annotations

import numpy as np
import pytest

from veclab.store.fusion import diversify, fuse

VECTOR = np.array([0.9, 0.5, 0.1], np.float32)
KEYWORD = np.array([0.0, 10.0, 5.0], np.float32)


def test_min_max_averages_what_both_say():
    assert fuse(VECTOR, KEYWORD, "minmax", 0.5) == pytest.approx([0.5, 0.75, 0.25])
    assert fuse(VECTOR, KEYWORD, "minmax", 1.0) == pytest.approx([1.0, 0.5, 0.0])


def test_scores_that_are_all_equal_say_nothing():
    assert fuse(VECTOR, np.zeros(3, np.float32), "minmax", 0.5) == pytest.approx([0.5, 0.25, 0.0])


def test_reciprocal_ranks_leave_out_where_no_word_is():
    scores = fuse(VECTOR, KEYWORD, "rrf", 0.5)
    assert scores == pytest.approx([0.5 / 61, 0.5 / 62 + 0.5 / 61, 0.5 / 63 + 0.5 / 62])


def test_diversify_prefers_what_is_unlike_what_was_chosen():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([1.0, 0.99, 0.5], np.float32)
    assert diversify(scores, vectors, 0.5, 3) == [0, 2, 1]
    assert diversify(scores, vectors, 1.0, 2) == [0, 1]
