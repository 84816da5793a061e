"""Fusion: one order out of two, what vectors say and what words say."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fusion = Literal["minmax", "rrf"]
FUSIONS: tuple[Fusion, ...] = ("minmax", "rrf")
_RRF = 60  # Cormack, Clarke, Büttcher 2009


def fuse(
    vector: NDArray[np.float32], keyword: NDArray[np.float32], how: Fusion, weight: float
) -> NDArray[np.float32]:
    """Scores of n candidates, from 0 to 1 for `minmax`.

    Args:
        vector: (n,) cosines.
        keyword: (n,) BM25, 0 where no word is there.
        how: `minmax`: both scaled to [0, 1] among the candidates and averaged. `rrf`: reciprocal
            ranks, which forget how far apart scores are.
        weight: of the vectors, from 0 to 1; the words have the rest.
    """
    if how == "rrf":
        parts = [
            1 / (_RRF + _ranks(vector)),
            np.where(keyword > 0, 1 / (_RRF + _ranks(keyword)), 0),
        ]
    else:
        parts = [_scaled(vector), _scaled(keyword)]
    return np.asarray(weight * parts[0] + (1 - weight) * parts[1], dtype=np.float32)


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """To [0, 1]; scores that are all equal say nothing and become 0."""
    low, high = scores.min(), scores.max()
    return np.zeros_like(scores) if high <= low else (scores - low) / (high - low)


def _ranks(scores: NDArray[np.float32]) -> NDArray[Any]:
    """Ranks from 1; equal scores share the better one."""
    ordered = np.sort(-scores)
    return 1.0 + np.searchsorted(ordered, -scores)


def diversify(
    relevance: NDArray[np.float32], vectors: NDArray[np.float32], weight: float, limit: int
) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): positions in their new order.

    Args:
        relevance: (n,) scores.
        vectors: float32 (n, dim) at unit length.
        weight: 1 for relevance alone, 0 for being unlike what was chosen alone.
        limit: how many to choose.
    """
    gain = _scaled(relevance).astype(np.float64)
    nearest = np.full(len(gain), -np.inf)
    chosen: list[int] = []
    left = np.ones(len(gain), dtype=np.bool_)
    while left.any() and len(chosen) < limit:
        likeness = np.where(np.isinf(nearest), 0.0, nearest)
        value = np.where(left, weight * gain - (1 - weight) * likeness, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return chosen
