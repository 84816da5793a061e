"""Exact search in a file of vectors, in flat memory: it may hold more than the memory does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import shorten
from veclab.similarities.nearest import Best, Nearest
from veclab.similarities.similarity import ROWS, Measure, Scores, comparable, scores_of
from veclab.space import require_same
from veclab.unit_length import normalize
from veclab.vectorfiles.source import VectorSource
from veclab.vectors import Vectors

_FEW = 4


class Picked(Sequence[str]):
    """The ids or texts of a few of n rows, by row; those of others were not read."""

    def __init__(self, rows: int, values: Mapping[int, str]) -> None:
        self._rows, self._values = rows, values

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        return self._values[row]


def nearest_in_file(
    queries: Vectors, source: VectorSource, k: int = 10, measure: Measure = "cosine"
) -> Nearest:
    """Find the k vectors of a file most similar to each query, as `nearest` does in memory.

    The vectors are gone through once, block by block; ids and texts are read of the winners only.
    `ids` and `texts` of what comes back hold those, by row.

    Raises:
        SpaceMismatch: queries and file come from different spaces.
        InputError: the file does not say its Space or is damaged, k is less than 1, the measure is
            unknown, or a vector cannot be compared.
    """
    about = source.about
    if k < 1:
        raise InputError(f"k must be 1 or more, not {k}")
    if about.space is None:
        raise InputError(f"{about.name} does not record the Space of its vectors")
    queries = _quantized(queries, source)
    require_same(about.space, queries.space, names=(about.name, "queries"))
    asked, k = comparable(queries, measure), min(k, about.rows)
    parts = [asked[start : start + ROWS] for start in range(0, len(asked), ROWS)]
    best = [Best(len(part), k) for part in parts]
    done = 0
    for block in source.blocks():
        ready = _comparable(block.array, source, done, measure)
        for part, found in zip(parts, best, strict=True):
            found.add(_scores(part, ready, measure), done)
        done += len(ready)
    if done != about.rows:
        raise InputError(f"{about.name} is damaged: {about.rows:,} rows promised, {done:,} there")
    positions = np.concatenate([np.zeros((0, k), np.intp), *(found.positions for found in best)])
    scores = np.concatenate([np.zeros((0, k), np.float32), *(found.scores for found in best)])
    rows = np.unique(positions).tolist()
    ids = Picked(about.rows, dict(zip(rows, source.names(rows), strict=True)))
    texts = dict(zip(rows, source.texts(rows), strict=True)) if about.has_texts else {}
    kept = {row: text or "" for row, text in texts.items()}
    told = Picked(about.rows, kept) if any(text is not None for text in texts.values()) else None
    return Nearest(positions, scores, ids, told)


def _quantized(queries: Vectors, source: VectorSource) -> Vectors:
    """Return queries rounded as the vectors of a file that is quantized are."""
    space, codes = source.about.space, getattr(source, "codes", None)
    if space is None or codes is None or queries.space.quantization is not None:
        return queries
    floats = replace(space, quantization=None)
    unit = replace(queries.space, normalized=True)  # what was rounded was of unit length
    require_same(floats, unit, names=(source.about.name, "queries"))
    rounded: Vectors = codes.like(queries, space)
    return rounded


def _scores(queries: Scores, block: Scores, measure: Measure) -> Scores:
    """Score queries against a block: float32 (n, m)."""
    if measure == "euclidean" or len(queries) > _FEW:
        return scores_of(queries, block, measure)
    # BLAS would share so little among threads, which wait for more by turning in circles, in the
    # way of those that read: three times the processor time.
    return np.stack([np.einsum("ij,j->i", block, query) for query in queries])


def _comparable(
    array: NDArray[np.float32], source: VectorSource, done: int, measure: Measure
) -> Scores:
    """Return a block prepared for a measure; `done` rows came before it."""
    # One pass tells of both faults: a square that is not finite, a sum of nothing.
    squares = np.einsum("ij,ij->i", array, array)
    if not (np.isfinite(squares) & (squares > 0)).all():
        _refuse(~np.isfinite(array).all(axis=1), source, done, "hold values that are not finite")
        if measure == "cosine":
            _refuse(~array.any(axis=1), source, done, "are zero and have no direction")
    assert source.about.space is not None
    return array if measure != "cosine" or source.about.space.normalized else normalize(array)


def _refuse(bad: Any, source: VectorSource, done: int, fault: str) -> None:
    if bad.any():
        names = source.names((done + np.flatnonzero(bad)).tolist())
        raise InputError(
            f"{len(names):,} vectors of {source.about.name} {fault}: {shorten(names)}; take them "
            "out or embed their texts again"
        )
