"""More vectors than can be laid out at once: a sample is fitted, the others are put beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veclab.maps.neighbors import Neighbors, find_neighbors, nearest_among
from veclab.maps.projection import Method, Projection, neighbors_needed, place, project

# Of more than that the layout falls apart: of 894,000 different summaries laid out at once the map
# kept 1% of the neighbors (points that were thrown far out span the FFT's grid too wide), with half
# a million of them laid out and the others put beside 23%.
FITTED = 500_000
# Of the neighbors of a point that was not fitted, so many that were place it.
_PLACED_BY = 5


def project_sampled(
    unit: NDArray[np.float32],
    plane: NDArray[np.float32],
    found: Neighbors,
    method: Method,
    seed: int,
    fitted: int = FITTED,
) -> Projection:
    """Lay a random sample out, and put each of the others among its nearest in the sample.

    Args:
        unit: float32 (n, dim), different unit vectors.
        plane: float32 (n, 2), their first two principal components.
        found: their nearest neighbors among all n.
        method, seed: as for `project`.
        fitted: size of the sample.
    """
    n = len(unit)
    chosen = np.sort(np.random.default_rng(seed).choice(n, fitted, replace=False))
    among = find_neighbors(lambda: unit[chosen], neighbors_needed(fitted, method), seed)
    projection = project(plane[chosen], among, method, seed)
    number = np.full(n, -1, dtype=np.int32)  # of each in the sample
    number[chosen] = np.arange(fitted, dtype=np.int32)
    xy = np.empty((n, 2), dtype=np.float32)
    xy[chosen] = projection.xy
    rest = np.flatnonzero(number < 0)
    for start in range(0, len(rest), 4096):
        rows = rest[start : start + 4096]
        near, scores = _in_sample(number[found.positions[rows]], found.scores[rows])
        alone = np.flatnonzero(near[:, 0] < 0)  # none of its neighbors was fitted
        if len(alone):
            near[alone], scores[alone] = nearest_among(
                unit[rows[alone]], unit[chosen], near.shape[1]
            )
        xy[rows] = place(scores, np.maximum(near, 0), projection.xy)
    said = f"{fitted:,} chosen at random; the others put beside their nearest among those"
    return Projection(xy, [*projection.facts, ("fitted", said)])


def _in_sample(
    near: NDArray[np.int32], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Of each row the first five neighbors in the sample; -1 without score where it has fewer."""
    order = np.argsort(near < 0, axis=1, kind="stable")[:, :_PLACED_BY]
    near = np.take_along_axis(near, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    return near, np.where(near < 0, np.float32(-np.inf), scores)
