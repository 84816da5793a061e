"""Collecting what became of block after block into one Vectors."""

from __future__ import annotations

from operator import length_hint

import numpy as np
from numpy.typing import NDArray

from veclab.pipeline.run import EmbeddedBlock
from veclab.report import Report
from veclab.space import Space
from veclab.vectors import Vectors


class Gathered:
    """Vectors of one run, gathered in place: memory holds each once, not twice at the end."""

    def __init__(self, space: Space, texts: object) -> None:
        """
        Args:
            space: of the vectors.
            texts: those of the run, for their number where it is known.
        """
        self._space = space
        # Pages of memory that are never written to are never taken.
        self._array = np.empty((length_hint(texts), space.dimensions), np.float32)
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._tokens = [np.zeros(0, np.int32)]
        self._truncated = [np.zeros(0, np.bool_)]

    def add(self, block: EmbeddedBlock) -> None:
        """Add what became of the next block."""
        start = len(self._ids)
        self._ids += block.ids
        self._texts += block.texts
        self._room(len(self._ids))[start:] = block.vectors
        self._tokens.append(block.tokens)
        self._truncated.append(block.truncated)

    def _room(self, n: int) -> NDArray[np.float32]:
        """Return the first n rows of the array, which grows if it must."""
        if n > len(self._array):
            # Nothing else refers to the array: it grows where it is, without a copy.
            rows = max(n, len(self._array) * 3 // 2)
            self._array.resize((rows, self._array.shape[1]), refcheck=False)
        return self._array[:n]

    def vectors(self, report: Report, space: Space) -> Vectors:
        """Return all that was added, in order, with the Space as it is known by now."""
        self._array.resize((len(self._ids), self._array.shape[1]), refcheck=False)
        return Vectors(
            array=self._array,
            space=space,
            ids=self._ids,
            texts=self._texts,
            tokens=np.concatenate(self._tokens),
            truncated=np.concatenate(self._truncated),
            report=report,
        )
