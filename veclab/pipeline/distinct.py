"""Counting distinct texts over a corpus of any size, in 8 bytes a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Seen:
    """A set of digests that only tells which of those added are new.

    Of each digest it keeps 64 bits in sorted numpy arrays, merged like the levels of a
    log-structured tree: 20 million texts cost 160 MB and a chance of 1 in 100,000 that the count
    is one short.
    """

    def __init__(self) -> None:
        self._levels: list[NDArray[np.uint64]] = []

    def add(self, digests: Sequence[bytes]) -> NDArray[np.bool_]:
        """Add n digests of 8 bytes or more, distinct among themselves; (n,) which are new."""
        values = np.frombuffer(b"".join([d[:8] for d in digests]), dtype=np.uint64)
        # In order, so that the search walks through each level instead of jumping about in it.
        order = np.argsort(values)
        values = values[order]
        new = np.ones(len(values), dtype=np.bool_)
        for level in self._levels:
            place = np.minimum(np.searchsorted(level, values), len(level) - 1)
            new &= level[place] != values
        fresh = np.empty(len(values), dtype=np.bool_)
        fresh[order] = new
        if new.any():
            self._levels.append(values[new])
        while len(self._levels) > 1 and len(self._levels[-2]) < 2 * len(self._levels[-1]):
            last = self._levels.pop()
            # Sorting is quicker here than np.unique, and two levels share nothing.
            self._levels[-1] = np.sort(np.concatenate([self._levels[-1], last]))
        return fresh
