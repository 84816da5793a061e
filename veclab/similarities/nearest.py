"""Exact search: the most similar vectors of each query, in blocks of bounded memory."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Never, overload

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.hints import refuse_unknown
from veclab.similarities.similarity import (
    COLUMNS,
    ROWS,
    Measure,
    Scores,
    check_pair,
    comparable,
    scores_of,
)
from veclab.vectors import Vectors


class Match(NamedTuple):
    """One vector that was found: its id and text, how alike it is, and its row."""

    id: str
    text: str | None
    score: float
    position: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Nearest(Sequence[list[Match]]):
    """The k best matches of each of n queries, best first.

    It reads like a list with a list of `Match` for each query:

        for match in veclab.nearest(queries, vectors)[0]:
            print(match.score, match.text)

    Attributes:
        positions: intp (n, k), rows of the vectors searched.
        scores: float32 (n, k), larger is more alike.
        ids: of all vectors searched.
        texts: of all vectors searched, None where they were not kept.
    """

    positions: NDArray[np.intp]
    scores: Scores
    ids: Sequence[str]
    texts: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, query: int) -> list[Match]: ...
    @overload
    def __getitem__(self, query: slice) -> list[list[Match]]: ...
    def __getitem__(self, query: int | slice) -> list[Match] | list[list[Match]]:
        """Return the matches of a query, best first."""
        if isinstance(query, slice):
            return [self[i] for i in range(len(self))[query]]
        found = zip(self.positions[query].tolist(), self.scores[query].tolist(), strict=True)
        return [
            Match(self.ids[i], None if self.texts is None else self.texts[i], score, i)
            for i, score in found
        ]

    def __repr__(self) -> str:
        n, k = self.positions.shape
        return f"<Nearest: {k} of {len(self.ids):,} vectors for each of {n:,} queries>"

    def __str__(self) -> str:
        lines = [
            f"{number:>5}  {match.score:6.3f}  {match.id}  {(match.text or '')[:60]}".rstrip()
            for number, matches in self._shown()
            for match in matches
        ]
        return "\n".join([repr(self), "query   score  id  text", *lines])

    def _repr_html_(self) -> str:
        """Return a table for notebooks; ids and texts are escaped, never markup."""
        body = "".join(
            f"<tr><td>{number}</td><td>{match.score:.3f}</td><td>{html.escape(match.id)}</td>"
            f"<td>{html.escape((match.text or '')[:80])}</td></tr>"
            for number, matches in self._shown()
            for match in matches
        )
        return (
            f"<p>{html.escape(repr(self))}</p><table><thead><tr><th>query</th><th>score</th>"
            f"<th>id</th><th>text</th></tr></thead><tbody>{body}</tbody></table>"
        )

    def _shown(self, queries: int = 5) -> Iterator[tuple[int, list[Match]]]:
        return ((i, self[i]) for i in range(min(len(self), queries)))


def nearest(
    queries: Vectors,
    vectors: Vectors,
    k: int = 10,
    measure: Measure = "cosine",
    **unknown: Never,
) -> Nearest:
    """Find the k vectors most similar to each query: exact search, in blocks.

    Fewer than k come back where there are fewer vectors. Equal scores keep the order of rows.

    Raises:
        SpaceMismatch: queries and vectors come from different spaces.
        InputError: k is less than 1, the measure is unknown, or a vector cannot be compared.
    """
    refuse_unknown("nearest", unknown)
    check_pair(vectors, queries, names=("vectors", "queries"))
    found = _search(comparable(queries, measure), comparable(vectors, measure), k, measure, False)
    return Nearest(*found, vectors.ids, vectors.texts)


def neighbors(vectors: Vectors, k: int = 10, measure: Measure = "cosine") -> Nearest:
    """Find the k vectors most similar to each vector among all the others, itself left out.

    Fewer than k come back where there are fewer others.

    Raises:
        InputError: k is less than 1, the measure is unknown, or a vector cannot be compared.
    """
    ready = comparable(vectors, measure)
    return Nearest(*_search(ready, ready, k, measure, True), vectors.ids, vectors.texts)


def _search(
    queries: Scores, vectors: Scores, k: int, measure: Measure, skip_self: bool
) -> tuple[NDArray[np.intp], Scores]:
    if k < 1:
        raise InputError(f"k must be 1 or more, not {k}")
    k = min(k, max(0, len(vectors) - skip_self))
    best = np.zeros((len(queries), k), dtype=np.intp)
    scores = np.zeros((len(queries), k), dtype=np.float32)
    for start in range(0, len(queries), ROWS):
        part = slice(start, start + ROWS)
        own = start if skip_self else None
        best[part], scores[part] = _best_of(queries[part], vectors, k, measure, own)
    return best, scores


def _best_of(
    queries: Scores, vectors: Scores, k: int, measure: Measure, own: int | None
) -> tuple[NDArray[np.intp], Scores]:
    """Return the k best of each query, going through the vectors block by block.

    With `own`, query i is row `own + i` of the vectors and does not find itself.
    """
    best = Best(len(queries), k)
    for start in range(0, len(vectors) if k else 0, COLUMNS):
        block = scores_of(queries, vectors[start : start + COLUMNS], measure)
        if own is not None:
            here = np.arange(max(own, start), min(own + len(queries), start + block.shape[1]))
            block[here - own, here - start] = -np.inf
        best.add(block, start)
    return best.positions, best.scores


class Best:
    """The k best so far of each of n queries, among all blocks of scores that were added."""

    def __init__(self, n: int, k: int) -> None:
        self._n, self._k = n, k
        self._row, self._position = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
        self._score = np.zeros(0, dtype=np.float32)
        self._floor = np.full(n, -np.inf, dtype=np.float32)  # of each query: its k-th best so far

    def add(self, block: Scores, start: int) -> None:
        """Add the scores of m further vectors, float32 (n, m); `start` came before them."""
        n, k = self._n, self._k
        if not k:
            return
        # A later row with an equal score comes after, so only what is above the floor counts.
        # The first block has no floor yet and makes its own.
        if start == 0 and k < block.shape[1]:
            at_least = np.partition(block, -k, axis=1)[:, -k]
            hits = block >= at_least[:, None]
        else:
            hits = block > self._floor[:, None]
        hit_row, hit = np.nonzero(hits)
        row = np.concatenate([self._row, hit_row])
        position = np.concatenate([self._position, hit + start])
        score = np.concatenate([self._score, block[hit_row, hit]])
        order = np.lexsort((position, -score, row))
        rank = np.arange(len(row)) - np.searchsorted(row[order], row[order])
        kept = order[rank < k]
        self._row, self._position, self._score = row[kept], position[kept], score[kept]
        counts = np.bincount(self._row, minlength=n)
        full, last = counts == k, np.cumsum(counts) - 1
        self._floor[full] = self._score[last[full]]

    @property
    def positions(self) -> NDArray[np.intp]:
        """intp (n, k), best first, once k vectors or more were added."""
        return self._position.reshape(self._n, self._k)

    @property
    def scores(self) -> Scores:
        """float32 (n, k), in the same order."""
        return self._score.reshape(self._n, self._k)
