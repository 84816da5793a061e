"""The true nearest neighbors of every vector: all compared up to a size, searched for above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.maps.principal import principal

# Up to here every pair is compared: a few seconds. Above, nearest-neighbor descent (Dong et al.
# 2011), whose misses are measured.
ALL_PAIRS = 20_000
# From here on the descent reads the first 128 principal components, and what it finds is sorted by
# the whole vectors: half the time and a third of the memory. It finds more than is asked for, since
# the nearest in 128 dimensions are not quite the nearest: of 60,000 short texts by a static model
# of 256 dimensions, 20 found held 76% of the true 15 nearest, 30 held 86%, in the same time.
_REDUCED, _DIMENSIONS, _FOUND = 200_000, 128, 30
_SCORES = 2**25  # of a block: 128 MB
# The neighborhood that figures are about, as in most work on projections.
K = 15
_CHECKED = 1000  # rows whose neighbors are found a second time, by comparing all


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The k nearest others of each of n vectors, nearest first.

    Attributes:
        positions: int32 (n, k).
        scores: float32 (n, k), their cosine similarity.
        recall: share of the true 15 (or k) that are the first 15 of them, measured on 1,000 rows; 1
            where all pairs were compared.
    """

    positions: NDArray[np.int32]
    scores: NDArray[np.float32]
    recall: float = 1.0


def find_neighbors(read: Callable[[], NDArray[np.float32]], k: int, seed: int = 42) -> Neighbors:
    """The k nearest others of each of n unit vectors; of fewer all.

    Without manifolds-rs all pairs are compared whatever their number.

    Args:
        read: gives the vectors, float32 (n, dim). It is called a second time where keeping them
            would cost memory that the search needs.
        k: neighbors of each.
        seed: of the search.
    """
    unit = read()
    n = len(unit)
    k = max(0, min(k, n - 1))
    rust = manifolds()
    if n <= ALL_PAIRS or rust is None:
        return Neighbors(*nearest_of(unit, np.arange(n), k))
    reduced = n >= _REDUCED
    seen = principal(unit, min(_DIMENSIONS, unit.shape[1])) if reduced else unit
    sought = min(max(k, _FOUND), n - 1) if reduced else k
    del unit
    positions = rust.knn_graph(seen, sought, ann="nndescent", seed=seed)[0].astype(np.int32)
    del seen
    unit = read()
    positions, scores = _sorted(unit, positions)
    positions, scores = positions[:, :k].copy(), scores[:, :k].copy()
    checked = np.sort(np.random.default_rng(seed).choice(n, _CHECKED, replace=False))
    true, _ = nearest_of(unit, checked, min(k, K))
    recall = float(shared(true, positions[checked, :K]).mean(dtype=np.float64))
    return Neighbors(positions, scores, recall)


def _sorted(
    unit: NDArray[np.float32], positions: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Neighbors with their cosines, nearest first: int32 and float32 (n, k)."""
    scores = np.empty(positions.shape, dtype=np.float32)
    for start in range(0, len(unit), 1024):
        part = slice(start, start + 1024)
        found = positions[part]
        score = np.einsum("ijd,id->ij", unit[found], unit[part])
        order = np.lexsort((found, -score), axis=1)
        positions[part] = np.take_along_axis(found, order, axis=1)
        scores[part] = np.take_along_axis(score, order, axis=1)
    return positions, scores


def nearest_of(
    unit: NDArray[np.float32], rows: NDArray[np.intp], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The k nearest others of some rows, compared with all: int32 and float32 (rows, k)."""
    positions = np.zeros((len(rows), k), dtype=np.int32)
    scores = np.zeros((len(rows), k), dtype=np.float32)
    step = max(1, _SCORES // max(len(unit), 1))
    for start in range(0, len(rows) if k else 0, step):
        part = slice(start, start + step)
        own = rows[part]
        block = unit[own] @ unit.T
        block[np.arange(len(own)), own] = -np.inf
        positions[part], scores[part] = _best(block, k)
    return positions, scores


def nearest_among(
    queries: NDArray[np.float32], unit: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The k nearest of n unit vectors to each query, nearest first: int32, float32 (queries, k)."""
    positions = np.zeros((len(queries), k), dtype=np.int32)
    scores = np.zeros((len(queries), k), dtype=np.float32)
    step = max(1, _SCORES // max(len(unit), 1))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        positions[part], scores[part] = _best(queries[part] @ unit.T, k)
    return positions, scores


def _best(block: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Columns and values of the k largest of each row, largest first."""
    best = np.argpartition(block, -k, axis=1)[:, -k:]
    score = np.take_along_axis(block, best, axis=1)
    order = np.lexsort((best, -score), axis=1)
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(score, order, axis=1)


def nearest_on_map(xy: NDArray[np.float32], k: int) -> NDArray[np.int32]:
    """The k nearest others of each point of a map, int32 (n, k).

    By manifolds-rs's tree of balls, told to visit all that it must; where it has no wheel, by
    scipy, which openTSNE brings.
    """
    n = len(xy)
    k = max(0, min(k, n - 1))
    if not k:
        return np.zeros((n, 0), dtype=np.int32)
    if (rust := manifolds()) is not None:
        every = rust.NeighbourParams(bt_budget=1.0)
        positions = rust.knn_graph(xy, k, ann="balltree", nn_params=every)[0]
        return np.asarray(positions, dtype=np.int32)
    from scipy.spatial import cKDTree

    _, found = cKDTree(xy).query(xy, k=k + 1, workers=-1)
    # A point comes first among its own neighbors, unless others lie in the very same place.
    own = found == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    others: NDArray[np.int32] = found[~own].reshape(n, k).astype(np.int32)
    return others


def nearest_places(
    xy: NDArray[np.float32], places: NDArray[np.float32], k: int
) -> NDArray[np.int32]:
    """The k points of a map nearest to each of some places, nearest first: int32 (places, k)."""
    found = np.zeros((len(places), k), dtype=np.int32)
    step = max(1, _SCORES // max(len(xy), 1))
    for start in range(0, len(places), step):
        offset = places[start : start + step, None] - xy
        distance = np.einsum("ijk,ijk->ij", offset, offset)
        found[start : start + step] = _best(-distance, k)[0]
    return found


def shared(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float32]:
    """Of each row, the share of a's entries that b has too: float32 (n,)."""
    k = max(a.shape[1], 1)
    counts = np.zeros(len(a), dtype=np.float32)
    for column in a.T:  # k comparisons of (n, k) and not one of (n, k, k)
        counts += (b == column[:, None]).any(axis=1)
    return counts / np.float32(k)


def manifolds() -> Any:
    """The package manifolds_rs, or None where it has no wheel."""
    try:
        import manifolds_rs
    except ImportError:
        return None
    return manifolds_rs
