"""Vectors for the tests of this room, and their scores by scipy."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from veclab import Space, Vectors

MEASURES = ("cosine", "dot", "euclidean")


def vectors_of(array, model="m", normalized=False):
    array = np.asarray(array, dtype=np.float32)
    space = Space("test", model, array.shape[1], normalized=normalized)
    return Vectors(array, space, [f"row{i}" for i in range(len(array))])


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
