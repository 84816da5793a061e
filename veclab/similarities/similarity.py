"""Similarity between vectors of one Space: of all with all, and pair by pair.

Three measures, all so that a larger number means more alike:

- `cosine`: of the angle between two vectors, -1 to 1.
- `dot`: the scalar product; the same as cosine where vectors have unit length.
- `euclidean`: the distance with a minus sign, as in sentence-transformers; at most 0.

Everything but `similarity`, which returns a whole matrix, works in blocks of bounded memory. The
best matches of each vector are in `nearest`, groups of near-duplicates in `duplicates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import shorten
from veclab.space import require_same
from veclab.unit_length import normalize
from veclab.vectors import Vectors, require_vectors

Measure = Literal["cosine", "dot", "euclidean"]
Scores = NDArray[np.float32]

# Rows on either side of a block: large enough for BLAS to run at full speed, and a block of
# scores stays at 32 MB.
ROWS, COLUMNS = 2048, 4096
# `similarity` fills no matrix with more scores than this (4 GiB).
_MOST_SCORES = 2**30


def similarity(a: Vectors, b: Vectors, measure: Measure = "cosine") -> Scores:
    """Score of each vector of a with each of b: float32 (len(a), len(b)), larger is more alike.

    Raises:
        SpaceMismatch: the two come from different spaces, so the numbers would mean nothing.
        InputError: the matrix would take more than 4 GiB, the measure is unknown, or a vector
            cannot be compared (see `comparable`).
    """
    check_pair(a, b)
    if len(a) * len(b) > _MOST_SCORES:
        raise InputError(
            f"a matrix of {len(a):,} x {len(b):,} scores does not fit in memory; take `nearest` or "
            "`neighbors` for the best of each row, `pairwise` for pairs, `near_duplicates` for "
            "groups, or `similarity_blocks` for one piece at a time"
        )
    scores = np.empty((len(a), len(b)), dtype=np.float32)
    for rows, block in similarity_blocks(a, b, measure):
        scores[rows] = block
    return scores


def similarity_blocks(
    a: Vectors, b: Vectors, measure: Measure = "cosine", rows: int = ROWS
) -> Iterator[tuple[slice, Scores]]:
    """Yield the matrix of `similarity` in blocks: (rows of a, float32 (at most `rows`, len(b)))."""
    check_pair(a, b)
    left, right = comparable(a, measure), comparable(b, measure)
    for start in range(0, len(a), rows):
        part = slice(start, min(start + rows, len(a)))
        yield part, scores_of(left[part], right, measure)


def pairwise(a: Vectors, b: Vectors, measure: Measure = "cosine") -> Scores:
    """Score of row i of a with row i of b: float32 (n,), larger is more alike.

    Raises:
        SpaceMismatch: the two come from different spaces.
        InputError: they are not as many, the measure is unknown, or a vector cannot be compared.
    """
    check_pair(a, b)
    if len(a) != len(b):
        raise InputError(f"pairs need as many vectors on both sides, not {len(a)} and {len(b)}")
    left, right = comparable(a, measure), comparable(b, measure)
    if measure == "euclidean":
        scores = 0.0 - np.linalg.norm(left.astype(np.float64) - right, axis=1)
    else:
        scores = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    return np.asarray(scores, dtype=np.float32)


def check_pair(a: object, b: object, *, names: tuple[str, str] = ("first", "second")) -> None:
    """Do nothing when both are Vectors of one Space.

    Raises:
        InputError: one of them is something else, which has no Space.
        SpaceMismatch: they come from different spaces.
    """
    require_same(
        require_vectors(a, names[0]).space, require_vectors(b, names[1]).space, names=names
    )


def comparable(vectors: Vectors, measure: Measure = "cosine") -> Scores:
    """Return the numbers prepared for a measure: for cosine at unit length; float32 (n, dim).

    Raises:
        InputError: the measure is unknown, a value is not finite, or, for cosine, a vector is
            zero and so has no direction.
    """
    require_vectors(vectors, "what to compare")
    if measure not in get_args(Measure):
        raise InputError(f"unknown measure {measure!r}; known are {', '.join(get_args(Measure))}")
    array = vectors.array
    _require(vectors, np.isfinite(array).all(axis=1), "hold values that are not finite")
    if measure != "cosine":
        return array
    _require(vectors, array.any(axis=1), "are zero and have no direction")
    return array if vectors.space.normalized else normalize(array)


def _require(vectors: Vectors, good: Any, fault: str) -> None:
    if not good.all():
        ids = [vectors.ids[int(i)] for i in np.flatnonzero(~good)]
        raise InputError(
            f"{len(ids):,} of {len(vectors):,} vectors {fault}: {shorten(ids)}; take them out or "
            "embed their texts again"
        )


def scores_of(a: Scores, b: Scores, measure: Measure) -> Scores:
    """Score two sets of comparable vectors against each other: float32 (len(a), len(b))."""
    if measure != "euclidean":
        product: Scores = a @ b.T
        return product
    # |x - y|^2 = |x|^2 + |y|^2 - 2 xy cancels for close vectors: in float32 the distance of a
    # vector from itself would come out as 0.0003.
    left, right = a.astype(np.float64), b.astype(np.float64)
    squares: NDArray[Any] = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    squares -= 2 * (left @ right.T)
    return np.asarray(0.0 - np.sqrt(np.maximum(squares, 0)), dtype=np.float32)
