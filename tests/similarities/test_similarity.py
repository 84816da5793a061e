"""Similarity: every measure, in blocks, against the plain formula."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from veclab import InputError, Space, SpaceMismatch, Vectors, nearest, similarity
from veclab.similarities import similarity as module
from veclab.similarities.similarity import near_duplicates, neighbors, pairwise, similarity_blocks

MEASURES = ("cosine", "dot", "euclidean")


def vectors_of(array, model="m", normalized=False):
    array = np.asarray(array, dtype=np.float32)
    space = Space("test", model, array.shape[1], normalized=normalized)
    return Vectors(array, space, [f"row{i}" for i in range(len(array))])


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks so small that a few rows are many blocks."""
    monkeypatch.setattr(module, "_ROWS", 3)
    monkeypatch.setattr(module, "_COLUMNS", 4)


def expected(a, b, measure):
    """The scores by scipy, in float64."""
    a, b = np.asarray(a.array, np.float64), np.asarray(b.array, np.float64)
    if measure == "dot":
        return a @ b.T
    distance = cdist(a, b, measure)
    return 1 - distance if measure == "cosine" else -distance


# Few different numbers, so that equal scores are common.
some_rows = arrays(
    np.float32, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(1, 3).map(float)
)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_matrix_is_what_scipy_says(measure):
    random = np.random.default_rng(0)
    a, b = (vectors_of(random.normal(size=(n, 8))) for n in (5, 7))
    scores = similarity(a, b, measure)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected(a, b, measure), atol=1e-5)
    blocks = [block for _, block in similarity_blocks(a, b, measure, rows=2)]
    np.testing.assert_allclose(np.concatenate(blocks), scores, atol=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_pairs_are_the_diagonal_of_the_matrix(measure):
    random = np.random.default_rng(1)
    a, b = (vectors_of(random.normal(size=(6, 8))) for _ in range(2))
    np.testing.assert_allclose(
        pairwise(a, b, measure), np.diag(similarity(a, b, measure)), atol=1e-6
    )


def test_a_vector_has_no_distance_from_itself():
    vectors = vectors_of(np.random.default_rng(2).normal(size=(50, 384)))
    assert np.abs(np.diag(similarity(vectors, vectors, "euclidean"))).max() < 1e-5
    assert np.abs(pairwise(vectors, vectors, "euclidean")).max() == 0


def test_pairs_need_as_many_on_both_sides():
    with pytest.raises(InputError, match="not 2 and 1"):
        pairwise(vectors_of([[1, 0], [0, 1]]), vectors_of([[1, 0]]))


@pytest.mark.parametrize("function", [similarity, pairwise, nearest])
def test_two_spaces_are_never_compared(function):
    one, other = vectors_of([[1, 0]]), vectors_of([[1, 0]], model="other")
    with pytest.raises(SpaceMismatch, match="other"):
        function(one, other)


def test_a_matrix_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_SCORES", 3)
    vectors = vectors_of([[1, 0], [0, 1]])
    with pytest.raises(InputError, match="nearest"):
        similarity(vectors, vectors)


@pytest.mark.parametrize(
    ("row", "complaint"), [([0, 0], "zero.*: row1"), ([np.nan, 1], "not finite: row1")]
)
def test_what_has_no_direction_is_named(row, complaint):
    vectors = vectors_of([[1, 0], row])
    for function in (near_duplicates, neighbors):
        with pytest.raises(InputError, match=complaint):
            function(vectors)


def test_an_unknown_measure_names_the_known_ones():
    vectors = vectors_of([[1, 0]])
    with pytest.raises(InputError, match="cosine, dot, euclidean"):
        similarity(vectors, vectors, "manhattan")


class TestNearest:
    @pytest.mark.parametrize("measure", MEASURES)
    @settings(deadline=None, max_examples=60)
    @given(queries=some_rows, rows=some_rows, k=st.integers(1, 14))
    def test_is_the_sorted_matrix_whatever_the_blocks(self, measure, queries, rows, k):
        a, b = vectors_of(queries), vectors_of(rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_ROWS", 3)
            patch.setattr(module, "_COLUMNS", 4)
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
            patch.setattr(module, "_ROWS", 3)
            patch.setattr(module, "_COLUMNS", 4)
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


class TestNearDuplicates:
    @settings(deadline=None, max_examples=80)
    @given(
        rows=arrays(
            np.float32,
            st.tuples(st.integers(1, 25), st.just(2)),
            elements=st.integers(-4, 4).map(float),
        ),
        threshold=st.sampled_from([0.5, 0.9, 0.99, 1.0]),
    )
    def test_groups_are_the_connected_components(self, rows, threshold):
        vectors = vectors_of(rows[rows.any(axis=1)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_ROWS", 3)
            groups = near_duplicates(vectors, threshold)
        if not len(vectors):
            assert groups == []
            return
        linked = similarity(vectors, vectors) >= threshold - 1e-6
        count, labels = connected_components(csr_matrix(linked), directed=False)
        reference = {tuple(np.flatnonzero(labels == i)) for i in range(count)}
        assert {tuple(g) for g in groups} == {g for g in reference if len(g) > 1}
        assert [len(g) for g in groups] == sorted((len(g) for g in groups), reverse=True)

    def test_a_chain_is_one_group(self, small_blocks):
        angles = np.radians(np.arange(0, 90, 10))
        chain = vectors_of(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        (group,) = near_duplicates(chain, 0.98)
        assert group.tolist() == list(range(9))

    def test_copies_reach_a_threshold_of_one(self, small_blocks):
        row = np.random.default_rng(3).normal(size=384)
        other = np.random.default_rng(4).normal(size=384)
        groups = near_duplicates(vectors_of([row, other, 3 * row, row, row, row]), 1.0)
        assert [g.tolist() for g in groups] == [[0, 2, 3, 4, 5]]

    def test_what_is_alone_is_in_no_group(self):
        assert near_duplicates(vectors_of(np.eye(5)), 0.5) == []
        assert near_duplicates(vectors_of(np.zeros((0, 3)))) == []

    @pytest.mark.parametrize("threshold", [0, -0.1, 1.01, float("nan")])
    def test_the_threshold_is_a_cosine(self, threshold):
        with pytest.raises(InputError, match="threshold"):
            near_duplicates(vectors_of([[1, 0]]), threshold)


def test_vectors_said_to_be_unit_are_taken_at_their_word():
    vectors = vectors_of([[0.6, 0.8], [1, 0]], normalized=True)
    assert similarity(vectors, vectors)[0, 1] == np.float32(0.6)
    plain = replace(vectors.space, normalized=False)
    assert similarity(replace(vectors, space=plain), replace(vectors, space=plain))[0, 1] == (
        pytest.approx(0.6)
    )
