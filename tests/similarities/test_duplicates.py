"""Groups of near-duplicates, against connected components by scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from tests.similarities.conftest import shrink_blocks
from tests.similarities.vectors import vectors_of
from veclab import (
    InputError,
    near_duplicates,
    similarity,
)


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
            shrink_blocks(patch)
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
