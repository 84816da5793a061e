"""How far a map is to be believed: which of the true neighbors are neighbors on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.maps.neighbors import K, nearest_on_map, shared

_RANKED = 1000  # points whose neighbors on the map are ranked among all vectors


@dataclass(frozen=True, slots=True)
class Honesty:
    """What a projection kept of n points.

    Attributes:
        k: neighbors judged: 15, or half of the others where they are few, since all of them are
            neighbors on any map.
        kept: float32 (n,), of each point the share of its k true neighbors that are among its k
            neighbors on the map; NaN where there are none to judge.
        trustworthiness: Venna and Kaski 2001, 0 to 1: how far those who look like neighbors on the
            map are neighbors, by rank; None for fewer than three points.
        rows: points that trustworthiness was measured on.
    """

    k: int
    kept: NDArray[np.float32]
    trustworthiness: float | None
    rows: int

    @property
    def mean_kept(self) -> float | None:
        """The share of all true neighbors that are neighbors on the map; None where k is 0."""
        return float(self.kept.mean(dtype=np.float64)) if self.k else None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kept": None if self.mean_kept is None else round(self.mean_kept, 4),
            "trustworthiness": None
            if self.trustworthiness is None
            else round(self.trustworthiness, 4),
            "k": self.k,
            "rows": self.rows,
            "exact": self.rows == len(self.kept),
        }


def judge(
    unit: NDArray[np.float32],
    xy: NDArray[np.float32],
    positions: NDArray[np.int32],
    seed: int = 42,
) -> Honesty:
    """Compare the neighbors of n different vectors with those of their points.

    Args:
        unit: float32 (n, dim), unit vectors.
        xy: float32 (n, 2).
        positions: int32 (n, 15 or more), the true neighbors, nearest first.
        seed: which points are ranked where there are more than 1,000.
    """
    n = len(unit)
    # Neither measure is defined, or says anything, for half of the points and more.
    k = min(K, positions.shape[1], max(n - 1, 0) // 2)
    if not k:
        return Honesty(0, np.full(n, np.nan, dtype=np.float32), None, n)
    on_map = nearest_on_map(xy, k)
    kept = shared(positions[:, :k], on_map)
    rows = np.arange(n)
    if n > _RANKED:
        rows = np.sort(np.random.default_rng(seed).choice(n, _RANKED, replace=False))
    trust = _trustworthiness(unit, on_map, rows)
    return Honesty(k, kept, trust, len(rows))


def _trustworthiness(
    unit: NDArray[np.float32], on_map: NDArray[np.int32], rows: NDArray[np.intp]
) -> float:
    n, k = len(unit), on_map.shape[1]
    excess = 0.0
    for start in range(0, len(rows), 64):
        own = rows[start : start + 64]
        scores = unit[own] @ unit.T
        scores[np.arange(len(own)), own] = -np.inf
        of_map = np.take_along_axis(scores, on_map[own], axis=1)
        for j in range(k):
            rank = 1 + (scores > of_map[:, j : j + 1]).sum(axis=1)
            excess += float(np.maximum(rank - k, 0).sum())
    return float(1 - 2 * excess / (len(rows) * k * (2 * n - 3 * k - 1)))
