"""Similarity: every measure, in blocks, against the plain formula."""

from dataclasses import replace

import numpy as np
import pytest

from tests.similarities.vectors import MEASURES, expected, vectors_of
from veclab import (
    InputError,
    SpaceMismatch,
    near_duplicates,
    nearest,
    neighbors,
    pairwise,
    similarity,
)
from veclab.similarities import similarity as module
from veclab.similarities.similarity import similarity_blocks


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


def test_vectors_said_to_be_unit_are_taken_at_their_word():
    vectors = vectors_of([[0.6, 0.8], [1, 0]], normalized=True)
    assert similarity(vectors, vectors)[0, 1] == np.float32(0.6)
    plain = replace(vectors.space, normalized=False)
    assert similarity(replace(vectors, space=plain), replace(vectors, space=plain))[0, 1] == (
        pytest.approx(0.6)
    )


class TestWhatHasNoSpace:
    """An array, a text or a list in place of Vectors is answered with the way out."""

    @pytest.mark.parametrize("compare", [similarity, nearest, pairwise])
    @pytest.mark.parametrize(
        ("given", "way_out"),
        [
            (np.eye(2, dtype=np.float32), "model.space"),
            ([[1.0, 0.0]], "model.space"),
            ("a cat", "embed texts first"),
            (["a cat", "a dog"], "embed texts first"),
        ],
    )
    def test_is_refused(self, compare, given, way_out):
        vectors = vectors_of(np.eye(2))
        with pytest.raises(InputError, match=way_out):
            compare(vectors, given)
        with pytest.raises(InputError, match=way_out):
            compare(given, vectors)
