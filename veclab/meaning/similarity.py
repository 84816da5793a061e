"""Similarity between vectors of one Space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.checks import normalise
from veclab.errors import InputError
from veclab.space import require_same
from veclab.vectors import Vectors

# Rows compared at once: with 4,096 queries of float32 scores a block stays within 64 MB.
_BLOCK = 4096


def similarity(a: Vectors, b: Vectors) -> NDArray[np.float32]:
    """Cosine similarity of each vector of a with each of b: float32 (len(a), len(b)).

    Raises:
        SpaceMismatch: the two come from different spaces, so the numbers would mean nothing.
    """
    require_same(a.space, b.space)
    scores: NDArray[np.float32] = _unit(a) @ _unit(b).T
    return scores


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    return vectors.array if vectors.space.normalized else normalise(vectors.array)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k best matches of each of n queries, best first.

    Attributes:
        positions: intp (n, k), rows of the vectors searched.
        scores: float32 (n, k), cosine similarities.
    """

    positions: NDArray[np.intp]
    scores: NDArray[np.float32]


def nearest(queries: Vectors, vectors: Vectors, k: int = 10) -> Nearest:
    """Exact search: the k vectors most similar to each query, in blocks.

    Fewer than k come back where there are fewer vectors. Equal scores keep the order of rows.

    Raises:
        SpaceMismatch: queries and vectors come from different spaces.
        InputError: k is less than 1.
    """
    require_same(vectors.space, queries.space, names=("vectors", "queries"))
    if k < 1:
        raise InputError(f"k must be 1 or more, not {k}")
    k = min(k, len(vectors))
    unit_queries, unit = _unit(queries), _unit(vectors)
    best = np.zeros((len(queries), k), dtype=np.intp)
    scores = np.zeros((len(queries), k), dtype=np.float32)
    for start in range(0, len(queries), _BLOCK):
        part = slice(start, start + _BLOCK)
        best[part], scores[part] = _nearest_block(unit_queries[part], unit, k)
    return Nearest(best, scores)


def _nearest_block(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Keep the k best so far while going through the vectors block by block."""
    positions = np.zeros((len(queries), 0), dtype=np.intp)
    scores = np.zeros((len(queries), 0), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = queries @ vectors[start : start + _BLOCK].T
        here = np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)
        positions = np.concatenate([positions, here], axis=1)
        scores = np.concatenate([scores, block], axis=1)
        if scores.shape[1] > k:
            keep = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            keep.sort(axis=1)
            positions = np.take_along_axis(positions, keep, axis=1)
            scores = np.take_along_axis(scores, keep, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(positions, order, axis=1), np.take_along_axis(scores, order, axis=1)
