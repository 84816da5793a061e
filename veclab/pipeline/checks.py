"""Is this a vector at all?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors
from veclab.report import shorten


def check_vectors(
    raw: NDArray[np.float32], n: int, dim: int, names: Sequence[str]
) -> NDArray[np.float32]:
    """Check that every row is a usable vector; return the array, float32 (n, dim).

    Raises:
        BadVectors: another shape, a value that is not finite, or a zero vector.
    """
    vectors: NDArray[np.float32] = np.asarray(raw, dtype=np.float32)
    if vectors.shape != (n, dim):
        raise BadVectors(f"the model gave an array of shape {vectors.shape}, not {(n, dim)}")
    for fault, bad in (
        ("values that are not finite", ~np.isfinite(vectors).all(axis=1)),
        ("a vector of zeros", ~vectors.any(axis=1)),
    ):
        if bad.any():
            named = [names[int(i)] for i in np.flatnonzero(bad)]
            raise BadVectors(f"the model gave {fault} for {len(named)} text(s): {shorten(named)}")
    return vectors
