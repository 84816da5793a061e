"""The cache's two keys: what is found again, under which limits and policies."""

from dataclasses import replace

import numpy as np
import pytest

from veclab.pipeline.lookup import find_vectors, keep_vectors
from veclab.pipeline.prepare import text_digests
from veclab.space import Recipe, Space

RECIPE = Recipe(Space("fake", "m", 4), max_tokens=10)
SHORT, LONG = text_digests(["short", "long"])


@pytest.fixture
def kept(cache):
    """A text within the limit of 10 tokens, and one of 30 that was cut there."""
    vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
    tokens, cut = np.array([3, 30], np.int32), np.array([False, True])
    keep_vectors(cache, RECIPE, [SHORT, LONG], vectors, tokens, cut)
    return cache


def test_both_are_found_by_the_same_recipe(kept):
    found = find_vectors(kept, RECIPE, [LONG, *text_digests(["never seen"]), SHORT])
    assert found.hit.tolist() == [True, False, True]
    assert found.tokens.tolist() == [30, 0, 3]
    assert found.truncated.tolist() == [True, False, False]
    np.testing.assert_array_equal(found.vectors[[0, 2]], [[0, 1, 0, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize(
    ("changes", "hit"),
    [
        ({"max_tokens": 20}, [True, False]),
        ({"on_long": "split"}, [True, False]),
        ({"max_tokens": None}, [True, False]),
        ({"max_tokens": 3}, [True, False]),
        ({"max_tokens": 2}, [False, False]),  # now it is a text over the limit
        ({"role": "query"}, [False, False]),
    ],
)
def test_limit_and_policy_matter_only_to_texts_over_the_limit(kept, changes, hit):
    assert find_vectors(kept, replace(RECIPE, **changes), [SHORT, LONG]).hit.tolist() == hit


def test_nothing_asked_is_nothing_found(cache):
    assert find_vectors(cache, RECIPE, []).vectors.shape == (0, 4)
