"""Tuning: how far an approximate index has to look for the recall that the user asked for.

Nobody can know how many probes that takes: it depends on the vectors and on the questions. So it
is measured against exact search, on the user's questions where there are some, else on sentences
of passages, embedded as questions, with their own passage left out: a stored vector would be too
easy a query.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra, ModelUnavailable, ProviderError
from veclab.store.rows import vectors_of

if TYPE_CHECKING:
    from veclab.store.backend import Table

DEFAULT_RECALL = 0.99
TOP = 10  # recall is that of the first ten
QUERIES = 100
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_EQUAL = 1e-5  # scores this close are one: rows with equal texts are all right answers


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was found.

    Attributes:
        target: the recall asked for.
        recall: the recall of the first ten that was measured, equal scores all counted as right.
        lowest: of 95% of the uncertainty of that mean, the lower end.
        queries: how many were asked.
        queries_from: where they came from, in words.
        rows: passages there were.
        search: options of `Table.nearest` that reach it.
        median_ms: of a search with them, the vector search alone.
    """

    target: float
    recall: float
    lowest: float
    queries: int
    queries_from: str
    rows: int
    search: dict[str, Any]
    median_ms: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """Queries with what is left out for each.

    Attributes:
        vectors: float32 (m, dim).
        own: int64 (m,), the key of the row that a query came from; -1 for none.
        source: where they came from, in words.
    """

    vectors: NDArray[np.float32]
    own: NDArray[np.int64]
    source: str


def sentence_of(text: str, seed: int) -> str:
    """One sentence of a passage; the passage where it is one sentence."""
    sentences = [part for part in _SENTENCE.split(text.strip()) if len(part.split()) >= 4]
    return sentences[seed % len(sentences)] if sentences else text


def sample_queries(
    table: Table, embed: Callable[[Sequence[str]], NDArray[np.float32]], count: int = QUERIES
) -> Sample:
    """Sentences of passages as queries, spread over the whole table."""
    keys, rows = table.sample(count, ["text"])
    texts = [sentence_of(text, i) for i, text in enumerate(rows["text"].to_pylist())]
    source = "sentences from passages, excluding their own passage"
    return Sample(embed(texts), keys, source)


def find_tuning(table: Table, sample: Sample, target: float = DEFAULT_RECALL) -> Tuning:
    """The cheapest options that reach a recall, by bisection of the table's ladder of efforts.

    The mean must be over the target by its own standard error, so that chance alone does not pass
    an effort that is too small. Where the last rung fails too, it is what is returned: the
    recall beside it says so.
    """
    tenth = table.kth_best(sample.vectors, sample.own, TOP)
    ladder = table.efforts()
    low, high = 0, len(ladder) - 1
    measured: dict[int, tuple[NDArray[np.float64], float]] = {}
    while low < high:
        middle = (low + high) // 2
        measured[middle] = _measure(table, sample, tenth, ladder[middle])
        recalls = measured[middle][0]
        if recalls.mean() - _error(recalls) >= target:
            high = middle
        else:
            low = middle + 1
    recalls, median = measured.get(low) or _measure(table, sample, tenth, ladder[low])
    return Tuning(
        target=target,
        recall=round(float(recalls.mean()), 4),
        lowest=round(float(recalls.mean() - 1.96 * _error(recalls)), 4),
        queries=len(recalls),
        queries_from=sample.source,
        rows=table.count(),
        search=ladder[low],
        median_ms=round(median * 1000, 2),
    )


def tune(
    table: Table,
    before: dict[str, Any] | None,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    questions: Sequence[str] | None = None,
    recall: float | None = None,
) -> Tuning | None:
    """Find a table's tuning where it has none, has grown by a quarter, or it is asked for."""
    grown = before is None or table.count() > 1.25 * before["rows"]
    if not grown and questions is None and recall is None:
        return None
    target = recall or (before["target"] if before else DEFAULT_RECALL)
    if questions:
        vectors = embed(questions)
        nothing = np.full(len(vectors), -1, np.int64)
        sample = Sample(vectors, nothing, f"{len(vectors)} given questions")
        return find_tuning(table, sample, target)
    try:
        sample = sample_queries(table, embed)
    except (MissingExtra, ModelUnavailable, ProviderError) as error:
        keys, rows = table.sample(QUERIES, ["embedding"])
        why = (
            f"stored vectors, which are easier than questions: the model is not available ({error})"
        )
        sample = Sample(vectors_of(rows), keys, why)
    return find_tuning(table, sample, target)


def _error(recalls: NDArray[np.float64]) -> float:
    return float(recalls.std(ddof=1) / np.sqrt(len(recalls))) if len(recalls) > 1 else 0.0


def _measure(
    table: Table, sample: Sample, tenth: NDArray[np.float32], options: dict[str, Any]
) -> tuple[NDArray[np.float64], float]:
    """Recall of each query, and the median seconds of one."""
    recalls, seconds = [], []
    for query, own, least in zip(sample.vectors, sample.own, tenth, strict=True):
        start = time.perf_counter()
        found = table.nearest(query, TOP + 1, **options)
        seconds.append(time.perf_counter() - start)
        scores = found.scores[found.keys != own][:TOP]
        recalls.append(float((scores >= least - _EQUAL).sum()) / TOP)
    return np.array(recalls), float(np.median(seconds))
