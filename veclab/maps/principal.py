"""Principal components of many vectors, in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 8192


def principal(unit: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """The first principal components of n vectors, float32 (n, dimensions), in blocks.

    Of each axis the direction is chosen so that its largest loading is positive.
    """
    n, dim = unit.shape
    out = np.zeros((n, dimensions), dtype=np.float32)
    if n < 2:
        return out
    mean = unit.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dim, dim))
    for start in range(0, n, _ROWS):
        block = unit[start : start + _ROWS] - mean.astype(np.float32)
        covariance += block.T @ block
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :dimensions]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    short = axes.astype(np.float32)
    for start in range(0, n, _ROWS):
        part = slice(start, start + _ROWS)
        out[part, : axes.shape[1]] = (unit[part] - mean.astype(np.float32)) @ short
    return out
