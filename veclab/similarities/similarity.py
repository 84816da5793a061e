"""Similarity between vectors of one Space: matrix, pairs, nearest, near-duplicates.

Three measures, all so that a larger number means more alike:

- `cosine`: of the angle between two vectors, -1 to 1.
- `dot`: the scalar product; the same as cosine where vectors have unit length.
- `euclidean`: the distance with a minus sign, as in sentence-transformers; at most 0.

Everything but `similarity`, which returns a whole matrix, works in blocks of bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import shorten
from veclab.space import require_same
from veclab.unit_length import normalize
from veclab.vectors import Vectors

Measure = Literal["cosine", "dot", "euclidean"]
Scores = NDArray[np.float32]

# Rows on either side of a block: large enough for BLAS to run at full speed, and a block of
# scores stays at 32 MB.
_ROWS, _COLUMNS = 2048, 4096
# `similarity` fills no matrix with more scores than this (4 GiB).
_MOST_SCORES = 2**30
# float32 gives two equal unit vectors a cosine of 1 - 2e-7 as easily as 1.
_ROUNDING = 1e-6


def similarity(a: Vectors, b: Vectors, measure: Measure = "cosine") -> Scores:
    """Score of each vector of a with each of b: float32 (len(a), len(b)), larger is more alike.

    Raises:
        SpaceMismatch: the two come from different spaces, so the numbers would mean nothing.
        InputError: the matrix would take more than 4 GiB, the measure is unknown, or a vector
            cannot be compared (see `comparable`).
    """
    require_same(a.space, b.space)
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
    a: Vectors, b: Vectors, measure: Measure = "cosine", rows: int = _ROWS
) -> Iterator[tuple[slice, Scores]]:
    """The matrix of `similarity` in pieces: (rows of a, float32 (at most `rows`, len(b)))."""
    require_same(a.space, b.space)
    left, right = comparable(a, measure), comparable(b, measure)
    for start in range(0, len(a), rows):
        part = slice(start, min(start + rows, len(a)))
        yield part, _scores(left[part], right, measure)


def pairwise(a: Vectors, b: Vectors, measure: Measure = "cosine") -> Scores:
    """Score of row i of a with row i of b: float32 (n,), larger is more alike.

    Raises:
        SpaceMismatch: the two come from different spaces.
        InputError: they are not as many, the measure is unknown, or a vector cannot be compared.
    """
    require_same(a.space, b.space)
    if len(a) != len(b):
        raise InputError(f"pairs need as many vectors on both sides, not {len(a)} and {len(b)}")
    left, right = comparable(a, measure), comparable(b, measure)
    if measure == "euclidean":
        scores = 0.0 - np.linalg.norm(left.astype(np.float64) - right, axis=1)
    else:
        scores = np.einsum("ij,ij->i", left, right, dtype=np.float64)
    return np.asarray(scores, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k best matches of each of n queries, best first.

    Attributes:
        positions: intp (n, k), rows of the vectors searched.
        scores: float32 (n, k), larger is more alike.
    """

    positions: NDArray[np.intp]
    scores: Scores


def nearest(
    queries: Vectors, vectors: Vectors, k: int = 10, measure: Measure = "cosine"
) -> Nearest:
    """Exact search: the k vectors most similar to each query, in blocks.

    Fewer than k come back where there are fewer vectors. Equal scores keep the order of rows.

    Raises:
        SpaceMismatch: queries and vectors come from different spaces.
        InputError: k is less than 1, the measure is unknown, or a vector cannot be compared.
    """
    require_same(vectors.space, queries.space, names=("vectors", "queries"))
    return _search(comparable(queries, measure), comparable(vectors, measure), k, measure, False)


def neighbors(vectors: Vectors, k: int = 10, measure: Measure = "cosine") -> Nearest:
    """The k vectors most similar to each vector among all the others, itself left out.

    Fewer than k come back where there are fewer others.

    Raises:
        InputError: k is less than 1, the measure is unknown, or a vector cannot be compared.
    """
    ready = comparable(vectors, measure)
    return _search(ready, ready, k, measure, True)


def near_duplicates(vectors: Vectors, threshold: float = 0.95) -> list[NDArray[np.intp]]:
    """Groups of rows that are linked by a cosine of `threshold` or more.

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
    for top in range(0, len(unit), _ROWS):
        rows = unit[top : top + _ROWS]
        # The matrix is symmetric: what lies left of this block was seen from the other side.
        for left in range(top, len(unit), _ROWS):
            alike = rows @ unit[left : left + _ROWS].T >= threshold - _ROUNDING
            if alike.any():
                a, b = np.nonzero(alike)
                _join(group, a + top, b + left)
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), g[0]))


def _join(group: NDArray[np.intp], a: NDArray[np.intp], b: NDArray[np.intp]) -> None:
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


def comparable(vectors: Vectors, measure: Measure = "cosine") -> Scores:
    """The numbers as a measure wants them: for cosine at unit length; float32 (n, dim).

    Raises:
        InputError: the measure is unknown, a value is not finite, or, for cosine, a vector is
            zero and so has no direction.
    """
    if measure not in get_args(Measure):
        raise InputError(
            f"there is no measure {measure!r}; there are {', '.join(get_args(Measure))}"
        )
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


def _scores(a: Scores, b: Scores, measure: Measure) -> Scores:
    """All scores of two sets of comparable vectors: float32 (len(a), len(b))."""
    if measure != "euclidean":
        product: Scores = a @ b.T
        return product
    # |x - y|^2 = |x|^2 + |y|^2 - 2 xy cancels for close vectors: in float32 the distance of a
    # vector from itself would come out as 0.0003.
    left, right = a.astype(np.float64), b.astype(np.float64)
    squares: NDArray[Any] = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    squares -= 2 * (left @ right.T)
    return np.asarray(0.0 - np.sqrt(np.maximum(squares, 0)), dtype=np.float32)


def _search(queries: Scores, vectors: Scores, k: int, measure: Measure, skip_self: bool) -> Nearest:
    if k < 1:
        raise InputError(f"k must be 1 or more, not {k}")
    k = min(k, max(0, len(vectors) - skip_self))
    best = np.zeros((len(queries), k), dtype=np.intp)
    scores = np.zeros((len(queries), k), dtype=np.float32)
    for start in range(0, len(queries), _ROWS):
        part = slice(start, start + _ROWS)
        own = start if skip_self else None
        best[part], scores[part] = _best_of(queries[part], vectors, k, measure, own)
    return Nearest(best, scores)


def _best_of(
    queries: Scores, vectors: Scores, k: int, measure: Measure, own: int | None
) -> tuple[NDArray[np.intp], Scores]:
    """The k best of each query, going through the vectors block by block.

    With `own`, query i is row `own + i` of the vectors and does not find itself.
    """
    n = len(queries)
    row, position = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    score = np.zeros(0, dtype=np.float32)
    floor = np.full(n, -np.inf, dtype=np.float32)  # of each query: its k-th best so far
    for start in range(0, len(vectors) if k else 0, _COLUMNS):
        block = _scores(queries, vectors[start : start + _COLUMNS], measure)
        if own is not None:
            here = np.arange(max(own, start), min(own + n, start + block.shape[1]))
            block[here - own, here - start] = -np.inf
        # A later row with an equal score comes after, so only what is above the floor counts.
        # The first block has no floor yet and makes its own.
        if start == 0 and k < block.shape[1]:
            at_least = np.partition(block, -k, axis=1)[:, -k]
            hits = block >= at_least[:, None]
        else:
            hits = block > floor[:, None]
        hit_row, hit = np.nonzero(hits)
        row = np.concatenate([row, hit_row])
        position = np.concatenate([position, hit + start])
        score = np.concatenate([score, block[hit_row, hit]])
        order = np.lexsort((position, -score, row))
        rank = np.arange(len(row)) - np.searchsorted(row[order], row[order])
        kept = order[rank < k]
        row, position, score = row[kept], position[kept], score[kept]
        full = np.bincount(row, minlength=n) == k
        last = np.cumsum(np.bincount(row, minlength=n)) - 1
        floor[full] = score[last[full]]
    return position.reshape(n, k), score.reshape(n, k)
