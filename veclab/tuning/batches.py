"""What each step of training sees: batches without false negatives, of texts of like length.

In a batch every document that belongs to another query counts as wrong for a query, so a batch
never holds two documents of one query, nor one document twice as right. Texts of like length
share a batch, so that little is padded. All batches of a run are laid down before its first step,
from the seed alone: a run that was killed goes on with the very batch that it stopped at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veclab.tuning.data import TrainingData

# Batches' worth of pairs that are sorted by length at a time: the others meet by chance.
_WINDOW = 16


@dataclass(frozen=True, slots=True)
class Batches:
    """Every batch of a run, in order.

    Attributes:
        rows: intp (n, 2 + negatives): positions of a query, of its document, of wrong documents.
        order: for each step the rows of its batch.
        epochs: how often each pair is in them.
        drawn: rows whose wrong documents were drawn by chance, for lack of hard ones.
        alone: rows left out because no other fits beside them.
    """

    rows: NDArray[np.intp]
    order: Sequence[Sequence[int]]
    epochs: int
    drawn: int
    alone: int


def plan_batches(
    data: TrainingData,
    lengths: NDArray[np.intp],
    *,
    size: int,
    epochs: int,
    negatives: int,
    seed: int,
) -> Batches:
    """Lay down the batches of a run.

    Args:
        data: what is trained on.
        lengths: tokens of each document, (m,).
        size: pairs in a batch, 2 or more.
        epochs: how often each pair is seen.
        negatives: wrong documents beside each pair; those that the data names take turns.
        seed: of all that is drawn.
    """
    random = np.random.default_rng(seed)
    positives = [frozenset(found) for found in data.positives]
    rows: list[list[int]] = []
    order: list[Sequence[int]] = []
    drawn = alone = 0
    for epoch in range(epochs):
        start = len(rows)
        for query, documents in enumerate(data.positives):
            hard = data.negatives[query]
            drawn += len(documents) if len(hard) < negatives else 0
            for document in documents:
                wrong = _wrong(hard, positives[query], len(lengths), negatives, epoch, random)
                rows.append([query, document, *wrong])
        batches = list(_fill(rows, start, positives, lengths, size, random))
        # One alone tells nothing apart, unless it has a wrong document of its own.
        kept = [batch for batch in batches if len(batch) > 1 or len(rows[batch[0]]) > 2]
        alone += len(batches) - len(kept)
        order += [kept[i] for i in random.permutation(len(kept))]
    table = np.array(rows, dtype=np.intp).reshape(len(rows), -1)
    return Batches(table, order, epochs, drawn, alone)


def _wrong(
    hard: Sequence[int],
    right: frozenset[int],
    documents: int,
    wanted: int,
    epoch: int,
    random: np.random.Generator,
) -> list[int]:
    """Return wrong documents for a pair: the hard ones by turns, then any that are not right."""
    chosen = [hard[(epoch * wanted + i) % len(hard)] for i in range(min(wanted, len(hard)))]
    while len(chosen) < wanted:
        any_one = int(random.integers(documents))
        if any_one not in right or len(right) == documents:
            chosen.append(any_one)
    return chosen


@dataclass(slots=True)
class _Batch:
    """A batch that is being filled."""

    rows: list[int] = field(default_factory=list)
    queries: set[int] = field(default_factory=set)
    documents: set[int] = field(default_factory=set)
    right: set[int] = field(default_factory=set)

    def take(self, row: int, query: int, documents: Sequence[int], right: frozenset[int]) -> bool:
        """Take a row in, unless it would make a right document of some query count as wrong."""
        if (
            query in self.queries
            or not self.documents.isdisjoint(right)
            or not self.right.isdisjoint(documents)
        ):
            return False
        self.rows.append(row)
        self.queries.add(query)
        self.documents.update(documents)
        self.right |= right
        return True


def _fill(
    rows: Sequence[Sequence[int]],
    start: int,
    positives: Sequence[frozenset[int]],
    lengths: NDArray[np.intp],
    size: int,
    random: np.random.Generator,
) -> Iterator[list[int]]:
    """Yield batches of all rows from `start` on, each in one."""
    left: list[int] = (start + random.permutation(len(rows) - start)).tolist()
    over: list[int] = []
    while left or over:
        window, left = left[: size * _WINDOW], left[size * _WINDOW :]
        last = not window
        if last:  # what filled no batch before: now batches may be small
            window, over = over, []
        window.sort(key=lambda row: int(lengths[rows[row][1:]].max()))
        while window:
            batch, passed = _first_batch(window, rows, positives, size)
            if len(batch) < size and not last:
                over += window
                break
            yield batch
            window = passed


def _first_batch(
    window: Sequence[int],
    rows: Sequence[Sequence[int]],
    positives: Sequence[frozenset[int]],
    size: int,
) -> tuple[list[int], list[int]]:
    """Return a batch of the first rows that go together, and the rows that are left."""
    batch, passed = _Batch(), list[int]()
    for place, row in enumerate(window):
        if len(batch.rows) == size:
            passed += window[place:]
            break
        query, *documents = rows[row]
        if not batch.take(row, query, documents, positives[query]):
            passed.append(row)
    return batch.rows, passed
