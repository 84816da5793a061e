"""Collecting what became of block after block into one Vectors."""

from __future__ import annotations

from collections.abc import Sequence
from operator import length_hint
from typing import cast

import numpy as np
from numpy.typing import NDArray

from veclab.pipeline.prepare import repair_surrogates
from veclab.pipeline.run import Embedded
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

    def add(
        self, part: Embedded, ids: list[str], texts: Sequence[str | None], *, repair: bool
    ) -> None:
        """Add a block with its `ids` and `texts` as given; `repair` mends their surrogates."""
        start = len(self._ids)
        whole = len(part.kept) == len(ids)
        self._ids += ids if whole else [ids[i] for i in part.kept]
        kept = cast(list[str], texts if whole else [texts[i] for i in part.kept])
        self._texts += [repair_surrogates(text) for text in kept] if repair else kept
        self._room(len(self._ids))[start:] = part.vectors
        self._tokens.append(part.tokens)
        self._truncated.append(part.truncated)

    def _room(self, n: int) -> NDArray[np.float32]:
        """The first n rows of the array, which grows if it must."""
        if n > len(self._array):
            # Nothing else refers to the array: it grows where it is, without a copy.
            rows = max(n, len(self._array) * 3 // 2)
            self._array.resize((rows, self._array.shape[1]), refcheck=False)
        return self._array[:n]

    def vectors(self, report: Report) -> Vectors:
        """All that was added, in order."""
        self._array.resize((len(self._ids), self._array.shape[1]), refcheck=False)
        return Vectors(
            array=self._array,
            space=self._space,
            ids=self._ids,
            texts=self._texts,
            tokens=np.concatenate(self._tokens),
            truncated=np.concatenate(self._truncated),
            report=report,
        )
