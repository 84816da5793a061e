"""A block's vectors: whole texts go to their places, windows are pooled into their text's."""

import numpy as np
import pytest

from veclab.pipeline.batching import BatchItem, Window
from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.lookup import nothing_found
from veclab.pipeline.windows import pool
from veclab.provider import TokenizedText
from veclab.space import Recipe, Space

RECIPE = Recipe(Space("fake", "m", 2), max_tokens=10)


@pytest.fixture
def block():
    """Room for four texts."""
    return BlockVectors(nothing_found(4, RECIPE), RECIPE)


def whole(text, tokens):
    return BatchItem(text, TokenizedText("", tokens))


def windows(text, *tokens):
    """The items of a text of so many windows."""
    return [
        BatchItem(text, TokenizedText("", n), Window(i, len(tokens), sum(tokens)))
        for i, n in enumerate(tokens)
    ]


def test_whole_texts_are_complete_at_once_and_of_unit_length(block):
    vectors = np.array([[3, 4], [0, 2]], np.float32)
    assert block.add([whole(2, 12), whole(0, 5)], vectors) == [2, 0]
    np.testing.assert_allclose(block.array[[2, 0]], [[0.6, 0.8], [0, 1]], atol=1e-7)
    assert block.tokens.tolist() == [5, 0, 12, 0]
    assert block.truncated.tolist() == [False, False, True, False]
    assert block.ready.tolist() == [True, False, True, False]


def test_windows_are_pooled_when_the_last_is_there_in_whatever_order(block):
    rows = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    first, second, third = windows(1, 10, 9, 4)
    assert block.add([third, whole(0, 3)], rows[[2, 0]]) == [0]
    assert block.add([second], rows[[1]]) == []
    assert block.add([first], rows[[0]]) == [1]
    np.testing.assert_allclose(block.array[1], pool(rows, [10, 9, 4]), atol=1e-6)
    assert block.tokens[1] == 23
    assert not block.truncated[1]


def test_a_text_of_which_one_window_was_refused_gets_no_vector(block):
    first, second = windows(1, 10, 9)
    assert block.add([first], np.ones((1, 2), np.float32)) == []
    assert block.refuse([1, 1]) == [1]
    assert block.add([second], np.ones((1, 2), np.float32)) == []
    assert block.refuse([1]) == []  # it is known
    assert not block.ready.any()


def test_what_a_lookup_left_where_it_found_nothing_does_not_count():
    found = nothing_found(2, RECIPE)
    found.hit[:] = [True, False]
    found.tokens[:], found.truncated[:] = 99, True
    block = BlockVectors(found, RECIPE)
    assert block.tokens.tolist() == [99, 0]
    assert block.truncated.tolist() == [True, False]
