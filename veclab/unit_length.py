"""Scale vectors to unit length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def normalize(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; float32 (n, dim). Rows must not be zero."""
    # Norms in float64: float32 squares overflow above 1.8e19 and lose digits in long sums.
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    unit: NDArray[np.float32] = (vectors / norms[:, None]).astype(np.float32)
    return unit
