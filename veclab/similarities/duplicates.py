"""Groups of vectors that are almost the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.similarities.similarity import ROWS, comparable
from veclab.vectors import Vectors

# float32 gives two equal unit vectors a cosine of 1 - 2e-7 as easily as 1.
_ROUNDING = 1e-6


def near_duplicates(vectors: Vectors, threshold: float = 0.95) -> list[NDArray[np.intp]]:
    """Find groups of rows that are linked by a cosine of `threshold` or more.

    All pairs are compared, in blocks. Two rows are in one group when a chain of such pairs leads
    from one to the other (single linkage), so the ends of a long chain may be less alike than the
    threshold says. Rows on their own are in no group.

    Args:
        vectors: n vectors.
        threshold: a cosine, over 0 and up to 1; 1 finds equal directions (to 1e-6).

    Returns:
        One ascending intp array of two or more positions for each group; large groups first, then
        by their first row.

    Raises:
        InputError: the threshold is out of range, or a vector cannot be compared.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"the threshold must be over 0 and at most 1, not {threshold}")
    unit = comparable(vectors, "cosine")
    group = np.arange(len(unit))
    for top in range(0, len(unit), ROWS):
        rows = unit[top : top + ROWS]
        # The matrix is symmetric: what lies left of this block was seen from the other side.
        for left in range(top, len(unit), ROWS):
            alike = rows @ unit[left : left + ROWS].T >= threshold - _ROUNDING
            if alike.any():
                a, b = np.nonzero(alike)
                link(group, a + top, b + left)
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), g[0]))


def link(group: NDArray[np.intp], a: NDArray[np.intp], b: NDArray[np.intp]) -> None:
    """Give rows a[i] and b[i], and all that is joined to either, one number: their lowest row."""
    while True:
        of_a, of_b = group[a], group[b]
        apart = of_a != of_b
        if not apart.any():
            return
        a, b = a[apart], b[apart]
        low, high = np.minimum(of_a[apart], of_b[apart]), np.maximum(of_a[apart], of_b[apart])
        np.minimum.at(group, high, low)
        # Follow the numbers down to rows that stand for themselves.
        while not np.array_equal(further := group[group], group):
            group[:] = further
