"""The table of one data set, the units on which models differ, and what to choose."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from veclab.evaluation.bootstrap import FEWEST, Estimate, distributions, estimate, paired_p
from veclab.evaluation.datasets import Dataset
from veclab.evaluation.metrics import value_of
from veclab.evaluation.recommend import recommend
from veclab.evaluation.results import Result
from veclab.evaluation.scoring import per_unit, statistics
from veclab.evaluation.timing import Machine, this_machine

MOST_DIFFERENT = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """One variant of one model on one data set: its result, or why there is none."""

    label: str
    variant: str
    result: Result | None = None
    dimensions: int = 0
    bytes_per_vector: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        label: the model's name and what was done to its vectors.
        figures: metric -> figure with interval; the metric that decides first. Empty after an
            error.
        p: p-value of the difference to the best row; None for the best itself, and where there
            are too few units.
        texts_per_second, tokens_per_second, start_seconds, peak_bytes: None if not measured.
        truncated, lost: shares of texts that were cut and of tokens that were never read.
        dollars: for a million such texts; None where nothing is paid.
        error: why there are no figures.
    """

    label: str
    figures: dict[str, Estimate] = field(default_factory=dict)
    best: bool = False
    p: float | None = None
    dimensions: int | None = None
    bytes_per_million: int | None = None
    texts_per_second: float | None = None
    tokens_per_second: float | None = None
    start_seconds: float | None = None
    peak_bytes: int | None = None
    truncated: float | None = None
    lost: float | None = None
    dollars: float | None = None
    error: str | None = None

    @property
    def main(self) -> Estimate:
        """The figure that decides."""
        return next(iter(self.figures.values()))


@dataclass(frozen=True, slots=True)
class Difference:
    """A unit on which the two best differ: (label, figure from 0 to 1, its answer) of each."""

    text: str
    answer: str
    rows: tuple[tuple[str, float, str], ...]


@dataclass(frozen=True, slots=True)
class Board:
    """All rows on one data set."""

    name: str
    task: str
    reason: str
    units: str
    n: int
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def best(self) -> Row | None:
        """The row with the highest figure; None where every model failed."""
        return next((row for row in self.rows if row.best), None)

    @property
    def metrics(self) -> list[str]:
        """Names of the figures, the one that decides first."""
        return next((list(row.figures) for row in self.rows if row.figures), [])

    def row(self, label: str) -> Row | None:
        """Return the row of that name that has figures."""
        return next((r for r in self.rows if r.label == label and r.figures), None)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What `compare` found: a leaderboard per data set, and what follows."""

    boards: tuple[Board, ...]
    choice: str | None
    recommendation: str
    machine: Machine
    when: str

    def __str__(self) -> str:
        lines = []
        for board in self.boards:
            lines.append(f"{board.name}: {board.n:,} {board.units}, task {board.task}")
            lines += [f"  {' '.join(cells)}" for cells in _cells(board)]
        return "\n".join([*lines, self.recommendation])

    def __repr__(self) -> str:
        names = ", ".join(board.name for board in self.boards)
        return f"<Comparison on {names}: {self.recommendation}>"

    def _repr_html_(self) -> str:
        """Return tables for notebooks; names are escaped, never markup."""
        parts = []
        for board in self.boards:
            header = "".join(f"<th>{html.escape(name)}</th>" for name in ("", *board.metrics))
            rows = "".join(
                "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
                for cells in _cells(board)
            )
            parts.append(
                f"<p>{html.escape(board.name)}: {board.n:,} {board.units}</p>"
                f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"
            )
        return "".join(parts) + f"<p>{html.escape(self.recommendation)}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; a figure that is not defined is null."""
        return {
            "recommended": self.choice,
            "recommendation": self.recommendation,
            "data": [_board_dict(board) for board in self.boards],
            "machine": self.machine.to_dict(),
            "when": self.when,
        }


def _cells(board: Board) -> list[list[str]]:
    """Return a model's label and its figures, or why it has none; a list for each row."""
    return [
        [row.label, f"failed: {row.error}"]
        if row.error
        else [row.label, *(f"{row.figures[name].value:.4f}" for name in board.metrics)]
        for row in board.rows
    ]


def _board_dict(board: Board) -> dict[str, Any]:
    best = board.best
    plain = {name: getattr(board, name) for name in ("name", "task", "reason", "units", "n")}
    return plain | {
        "metric": next(iter(board.metrics), None),
        "best": best and best.label,
        "rows": [_row_dict(row) for row in board.rows],
        "differences": [
            {
                "text": d.text,
                "answer": d.answer,
                "rows": [{"label": a, "figure": round(b, 4), "said": c} for a, b, c in d.rows],
            }
            for d in board.differences
        ],
        "notes": list(board.notes),
    }


def _row_dict(row: Row) -> dict[str, Any]:
    names = [n for n in Row.__slots__ if n != "figures"]
    figures = {
        name: {"value": _finite(e.value), "low": _finite(e.low), "high": _finite(e.high)}
        for name, e in row.figures.items()
    }
    return {"label": row.label, "figures": figures} | {n: getattr(row, n) for n in names}


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 6)


def make_board(dataset: Dataset, outcomes: Sequence[Outcome]) -> Board:
    """Compute figures, intervals and p-values, on the same resamples for every row."""
    n = len(dataset)
    usable = [(o, o.result) for o in outcomes if o.result is not None]
    found = [statistics(dataset, result.rows[o.variant]) for o, result in usable]
    sampled = [
        distributions(list(metrics.values()), n) if n >= FEWEST else None for metrics in found
    ]
    figures = [
        {
            name: estimate(statistic, n, None if drawn is None else drawn[place])
            for place, (name, statistic) in enumerate(metrics.items())
        }
        for metrics, drawn in zip(found, sampled, strict=True)
    ]
    mains = [value_of(next(iter(metrics.values())), n) for metrics in found]
    best = None if np.isnan(mains).all() else int(np.nanargmax(mains))
    rows: dict[str, Row] = {}
    for place, (outcome, result) in enumerate(usable):
        drawn, top = sampled[place], None if best is None else sampled[best]
        p = None
        if drawn is not None and top is not None and place != best:
            p = paired_p(mains[place] - mains[best or 0], drawn[0] - top[0])
        rows[outcome.label] = _row(outcome, result, figures[place], place == best, p)
    every = tuple(rows.get(o.label) or Row(o.label, error=o.error) for o in outcomes)
    notes = [*dataset.notes, *_row_notes(usable)]
    if n < FEWEST:
        notes.append(
            f"{n} {dataset.units} are too few: an interval would be meaningless, so there is none "
            f"(it takes {FEWEST} or more)"
        )
    for outcome, value in zip([o for o, _ in usable], mains, strict=True):
        if math.isnan(value):
            notes.append(
                f"{outcome.label}: it gives every unit the same score, so there is no ranking"
            )
    return Board(
        name=dataset.name,
        task=dataset.task,
        reason=dataset.reason,
        units=dataset.units,
        n=n,
        rows=every,
        differences=_differences(dataset, usable, mains),
        notes=tuple(dict.fromkeys(notes)),
    )


def _row(
    outcome: Outcome, result: Result, figures: dict[str, Estimate], best: bool, p: float | None
) -> Row:
    speed, start = result.speed, result.cold_start
    return Row(
        label=outcome.label,
        figures=figures,
        best=best,
        p=p,
        dimensions=outcome.dimensions,
        bytes_per_million=outcome.bytes_per_vector * 1_000_000,
        texts_per_second=None if speed is None else speed.texts_per_second,
        tokens_per_second=None if speed is None else speed.tokens_per_second,
        start_seconds=None if start is None else start.seconds,
        peak_bytes=None if start is None else start.peak_bytes,
        truncated=result.truncated / max(1, result.texts),
        lost=result.tokens_lost / max(1, result.tokens),
        dollars=result.dollars,
    )


def _row_notes(usable: Sequence[tuple[Outcome, Result]]) -> list[str]:
    here = this_machine()
    notes = []
    for outcome, result in usable:
        own = [*result.notes, *result.rows[outcome.variant].notes]
        notes += [f"{result.model}: {note}" for note in own]
        if result.speed is not None and not result.timed_on(here):
            notes.append(f"{result.model}: timed on another machine ({result.machine})")
    return notes


def _best_two(
    usable: Sequence[tuple[Outcome, Result]], mains: Sequence[float]
) -> list[tuple[Outcome, Result]]:
    """Return the best row and the best of another model, or of the same where it is alone."""
    ranked = sorted(range(len(usable)), key=lambda place: -np.nan_to_num(mains[place], nan=-1.0))
    best = ranked[0]
    others = [place for place in ranked if usable[place][1].model != usable[best][1].model]
    return [usable[best], usable[(others or ranked[1:])[0]]]


def _differences(
    dataset: Dataset, usable: Sequence[tuple[Outcome, Result]], mains: Sequence[float]
) -> tuple[Difference, ...]:
    """Return the units on which the two best rows are furthest apart."""
    if len(usable) < 2:
        return ()
    evidence = [(o.label, result.rows[o.variant]) for o, result in _best_two(usable, mains)]
    values = np.stack([per_unit(dataset, e) for _, e in evidence])
    spread = values.max(axis=0) - values.min(axis=0)
    order = [int(unit) for unit in np.argsort(-spread, kind="stable")[:MOST_DIFFERENT]]
    return tuple(
        Difference(
            text=dataset.unit_text(unit),
            answer=dataset.unit_answer(unit),
            rows=tuple(
                (label, float(values[place, unit]), e.said[unit])
                for place, (label, e) in enumerate(evidence)
            ),
        )
        for unit in order
        if spread[unit] > 0
    )


def make_comparison(boards: Sequence[Board]) -> Comparison:
    """Join boards with what follows from them."""
    choice, reason = recommend(boards)
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Comparison(tuple(boards), choice, reason, this_machine(), when)
