"""Files of text pairs, scored, with or without a score by people to compare with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.corpus.column_roles import listed
from veclab.corpus.file import File
from veclab.corpus.find import Reading, find
from veclab.errors import InputError
from veclab.evaluation import metrics
from veclab.model import Model
from veclab.report import Report
from veclab.similarities.embed_all import embed_all
from veclab.similarities.similarity import Measure, Scores, pairwise

_ROWS, _CHARS = 8192, 16_000_000


@dataclass(frozen=True, slots=True)
class Pairs:
    """n pairs of texts.

    Attributes:
        first, second: n texts each.
        gold: float64 (n,), scores by people, None where there are none.
        columns: where they were found: two columns of texts, and that of the scores.
    """

    first: list[str]
    second: list[str]
    gold: NDArray[np.float64] | None
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class PairScores:
    """What a model says of n pairs.

    Attributes:
        scores: float32 (n,), larger is more alike.
        spearman, pearson: correlation with the scores by people; None where there are none, or
            where all are equal on one side, which leaves it undefined.
        report: of embedding the texts.
    """

    scores: Scores
    spearman: float | None
    pearson: float | None
    report: Report


def read_pairs(
    path: str | Path,
    *,
    columns: Sequence[str] = (),
    gold: str | None = None,
    header: bool | None = None,
    format: str | None = None,
    delimiter: str | None = None,
) -> Pairs:
    """Read pairs of texts from a .csv, .tsv, .jsonl (also .gz) or .parquet file.

    Args:
        path: of the file.
        columns: the two columns of texts; by default the only two that are not numbers or ids.
        gold: the column of scores; by default the only column of numbers, if there is one.
        header: whether a .csv or .tsv begins with column names; None to look whether its first
            row holds a number.
        format: of the file, where its name does not tell.
        delimiter: between the fields of a .csv; else it is found in the file.

    Raises:
        InputError: the columns cannot be told, a text is missing, or a score is no number.
    """
    if len(columns) not in (0, 2):
        raise InputError(f"pairs need two columns of texts, not {len(columns)}: {list(columns)}")
    file = find(path, Reading(format, header is not False, delimiter))
    table, where = _read(file if _has_header(file, header) else replace(file, header=False))
    first, second, scores = _roles(str(path), table, columns, gold)
    texts = []
    for name in (first, second):
        for row, value in enumerate(table[name]):
            if not isinstance(value, str) or not value.strip():
                raise InputError(f"{where(row)}: column {name!r} holds no text")
        texts.append(table[name])
    found = None if scores is None else _numbers(table[scores], scores, where)
    used = (first, second) if scores is None else (first, second, scores)
    return Pairs(texts[0], texts[1], found, used)


def score_pairs(
    model: Model,
    pairs: Pairs,
    measure: Measure = "cosine",
    on_done: Callable[[int], None] | None = None,
) -> PairScores:
    """Embed the texts of all pairs and score each pair.

    Raises:
        InputError and what `Model.embed` raises.
    """
    n = len(pairs)
    ids = [f"pair {i + 1} ({side})" for side in pairs.columns[:2] for i in range(n)]
    both = embed_all(model, [*pairs.first, *pairs.second], ids, on_done)
    assert both.report is not None
    scores = pairwise(both[:n], both[n:], measure)
    if pairs.gold is None:
        return PairScores(scores, None, None, both.report)
    return PairScores(
        scores, spearman(scores, pairs.gold), pearson(scores, pairs.gold), both.report
    )


def pearson(a: NDArray[Any], b: NDArray[Any]) -> float | None:
    """Compute Pearson's correlation of two (n,) arrays; None where one of them is constant."""
    return _correlation(metrics.pearson, a, b)


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float | None:
    """Compute Spearman's rank correlation, mean ranks for ties; None where one is constant."""
    return _correlation(metrics.spearman, a, b)


def _correlation(
    kind: Callable[[NDArray[Any], NDArray[Any]], metrics.Statistic],
    a: NDArray[Any],
    b: NDArray[Any],
) -> float | None:
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    one, other = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return metrics.value_of(kind(one, other), len(a))


def _has_header(file: File, said: bool | None) -> bool:
    """Return whether the first row holds names: as given, else if no cell is a number."""
    if said is not None or file.format not in ("csv", "tsv"):
        return file.header
    chunk = next(iter(replace(file, header=False).chunks(1, _CHARS)), None)
    return chunk is None or not any(_number(values[0]) for values in chunk.columns.values())


def _read(file: File) -> tuple[dict[str, list[Any]], Callable[[int], str]]:
    """Read all columns; also return how to name a row in a message."""
    table: dict[str, list[Any]] = {}
    lines: list[int] = []
    for chunk in file.chunks(_ROWS, _CHARS):
        for name in chunk.columns:
            table.setdefault(name, [None] * len(lines))
        for name, column in table.items():
            values = chunk.columns.get(name, [None] * len(chunk.lines))
            column += values if isinstance(values, list) else values.to_pylist()
        lines += chunk.lines
    if not lines:
        raise InputError(f"{file.name} holds no pairs")
    return table, lambda row: file.where(lines[row])


def _roles(
    path: str, table: dict[str, list[Any]], columns: Sequence[str], gold: str | None
) -> tuple[str, str, str | None]:
    """Return the two columns of texts and the column of scores."""
    if unknown := [name for name in (*columns, gold) if name is not None and name not in table]:
        raise InputError(f"{path} has no column {listed(unknown)}; its columns are {listed(table)}")
    free = [n for n in table if n not in (*columns, gold) and n.lower() not in ("id", "_id")]
    numeric = [n for n in free if all(_number(value) for value in table[n])]
    texts = list(columns) or [
        n for n in free if n not in numeric and any(isinstance(v, str) for v in table[n])
    ]
    if len(texts) != 2 or (gold is None and not columns and len(numeric) > 1):
        raise InputError(
            f"{path}: which two columns hold the texts, and which the scores? Say --column NAME "
            f"twice, and --gold NAME if there are scores; its columns are {listed(table)}"
        )
    if gold is None and len(numeric) == 1:
        gold = numeric[0]
    return texts[0], texts[1], gold


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def _numbers(values: list[Any], name: str, where: Callable[[int], str]) -> NDArray[np.float64]:
    for row, value in enumerate(values):
        if not _number(value):
            raise InputError(f"{where(row)}: column {name!r} holds no number: {value!r:.60}")
    return np.array([float(value) for value in values])
