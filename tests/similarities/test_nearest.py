"""Exact search, against the sorted matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.similarities.conftest import shrink_blocks
from tests.similarities.vectors import MEASURES, expected, some_rows, vectors_of
from veclab import (
    InputError,
    Space,
    Vectors,
    nearest,
    neighbors,
)


class TestNearest:
    @pytest.mark.parametrize("measure", MEASURES)
    @settings(deadline=None, max_examples=60)
    @given(queries=some_rows, rows=some_rows, k=st.integers(1, 14))
    def test_is_the_sorted_matrix_whatever_the_blocks(self, measure, queries, rows, k):
        a, b = vectors_of(queries), vectors_of(rows)
        with pytest.MonkeyPatch.context() as patch:
            shrink_blocks(patch)
            found = nearest(a, b, k, measure)
        assert found.positions.shape == found.scores.shape == (len(a), min(k, len(b)))
        matrix = expected(a, b, measure)
        np.testing.assert_allclose(
            found.scores, -np.sort(-matrix, axis=1)[:, :k], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            np.take_along_axis(matrix, found.positions, axis=1), found.scores, rtol=1e-5, atol=1e-5
        )

    def test_equal_scores_keep_the_order_of_rows(self, small_blocks):
        vectors = vectors_of([[1, 0]] * 11, normalized=True)
        assert nearest(vectors[:1], vectors, 6).positions.tolist() == [[0, 1, 2, 3, 4, 5]]

    def test_needs_a_number(self):
        vectors = vectors_of([[1, 0]])
        with pytest.raises(InputError, match="k must be 1 or more"):
            nearest(vectors, vectors, 0)

    def test_of_nothing_is_nothing(self):
        none = vectors_of(np.zeros((0, 2)))
        one = vectors_of([[1, 0]])
        assert nearest(one, none).positions.shape == (1, 0)
        assert nearest(none, one).positions.shape == (0, 1)


class TestNeighbors:
    @settings(deadline=None, max_examples=60)
    @given(rows=some_rows, k=st.integers(1, 14))
    def test_a_row_never_finds_itself(self, rows, k):
        vectors = vectors_of(rows)
        with pytest.MonkeyPatch.context() as patch:
            shrink_blocks(patch)
            found = neighbors(vectors, k)
        assert found.positions.shape == (len(rows), min(k, len(rows) - 1))
        for row, positions in enumerate(found.positions):
            assert row not in positions
            assert len(set(positions)) == len(positions)
        others = expected(vectors, vectors, "cosine")
        np.fill_diagonal(others, -np.inf)
        best = -np.sort(-others, axis=1)[:, : found.scores.shape[1]]
        np.testing.assert_allclose(found.scores, best, atol=1e-5)

    def test_an_equal_row_elsewhere_is_found(self):
        found = neighbors(vectors_of([[1, 0], [0, 1], [2, 0]]), 1)
        assert found.positions[:, 0].tolist() == [2, 0, 0]


class TestReading:
    """Nearest is a list with a list of matches for each query."""

    def test_names_what_was_found(self):
        rows = Vectors(
            [[1, 0], [0, 1], [0.6, 0.8]], Space("test", "m", 2), ["a", "b", "c"], ["A", "B", "C"]
        )
        found = nearest(rows[1:2], rows, 2)
        assert [[match[:2] for match in matches] for matches in found] == [[("b", "B"), ("c", "C")]]
        assert found[0][0].score == pytest.approx(1)
        assert rows.array[found[0][0].position].tolist() == rows[1].embedding.tolist()
        assert len(found) == 1 and found[:1] == [found[0]]
        with pytest.raises(IndexError):
            found[1]

    def test_is_a_table_in_which_texts_are_text(self):
        rows = Vectors(np.eye(2), Space("test", "m", 2), texts=["<b>", "plain"])
        found = nearest(rows, rows, 1)
        assert "1.000  1  plain" in str(found)
        assert "&lt;b&gt;" in found._repr_html_() and "<b>" not in found._repr_html_()
        assert repr(found) == "<Nearest: 1 of 2 vectors for each of 2 queries>"
