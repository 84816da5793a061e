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
from veclab.evaluation.results import Result
from veclab.evaluation.scoring import per_unit, statistics
from veclab.evaluation.timing import Machine, this_machine

MOST_DIFFERENT = 10
SIGNIFICANT = 0.05


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
    """A unit on which rows differ: (label, figure between 0 and 1, what it answered) of each."""

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
        differences=_differences(dataset, usable),
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


def _differences(
    dataset: Dataset, usable: Sequence[tuple[Outcome, Result]]
) -> tuple[Difference, ...]:
    """Return the units on which the rows are furthest apart."""
    if len(usable) < 2:
        return ()
    evidence = [(o.label, result.rows[o.variant]) for o, result in usable]
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


def recommend(boards: Sequence[Board]) -> tuple[str | None, str]:
    """Recommend the smallest row that loses nothing these data can show, and say why.

    Its interval overlaps the best's, and the paired test finds no difference to the best, on every
    data set. (Intervals alone overlap long before models are equal: the paired test, which
    compares unit by unit, is the sharper of the two.) Smallest by bytes of a vector; of equals
    the faster. A smaller row whose interval overlaps too is named with what it gives up. None
    where nothing can be recommended.
    """
    tops = [(board, board.best) for board in boards]
    if any(top is None for _, top in tops):
        return None, "No recommendation: on some data no model gave a figure."
    bests = [(board, top) for board, top in tops if top is not None]
    if few := [board for board, top in bests if top.main.low is None]:
        return None, (
            f"No recommendation: {few[0].name} has {few[0].n} {few[0].units}, too few to tell "
            "models apart."
        )
    labels = [row.label for row in boards[0].rows]
    if len(labels) == 1:
        return labels[0], f"{labels[0]} is the only row: there is nothing to choose from."
    near = [label for label in labels if all(_near(board, top, label) for board, top in bests)]
    equal = [label for label in near if all(_no_loss(board, label) for board, _ in bests)]
    if not equal:
        named = "; ".join(f"{top.label} on {board.name}" for board, top in bests)
        return None, f"No one row keeps up with the best on all data. The best: {named}."
    chosen = min(equal, key=lambda label: _cost(boards[0], label))
    smaller = [label for label in near if _cost(boards[0], label)[0] < _cost(boards[0], chosen)[0]]
    return chosen, _because(chosen, bests) + _smaller(smaller, bests)


def _near(board: Board, top: Row, label: str) -> bool:
    row = board.row(label)
    return row is not None and row.main.overlaps(top.main)


def _no_loss(board: Board, label: str) -> bool:
    row = board.row(label)
    return row is not None and (row.best or (row.p is not None and row.p >= SIGNIFICANT))


def _cost(board: Board, label: str) -> tuple[float, float]:
    row = board.row(label)
    assert row is not None
    return row.bytes_per_million or 0, -(row.texts_per_second or 0)


def _because(chosen: str, bests: Sequence[tuple[Board, Row]]) -> str:
    """Return the reason, and what the choice saves."""
    sizes = [(board.row(chosen) or top, top) for board, top in bests]
    saved = max(((top.bytes_per_million or 0), (row.bytes_per_million or 0)) for row, top in sizes)
    if all(row.best for row, _ in sizes):
        reason = "it is the best, and no smaller row keeps up with it."
    else:
        whose = "the best's" if len(bests) == 1 else "the best's on every data set"
        reason = f"the smallest whose interval overlaps {whose}, with no loss these data can show."
    size = ""
    if saved[1] < saved[0]:
        size = f" A million vectors take {megabytes(saved[1])} MB instead of {megabytes(saved[0])}."
    return f"{chosen}: {reason} {_figures(chosen, bests)}.{size}"


def _smaller(labels: Sequence[str], bests: Sequence[tuple[Board, Row]]) -> str:
    """Return the smallest of the rows that are near the best but lose something, and what."""
    if not labels:
        return ""
    label = min(labels, key=lambda name: _cost(bests[0][0], name))
    row = bests[0][0].row(label)
    size = megabytes(row.bytes_per_million if row is not None else None)
    return (
        f" Smaller still ({size} MB), {label} is near the best by its interval but does lose: "
        f"{_figures(label, bests)}."
    )


def _figures(label: str, bests: Sequence[tuple[Board, Row]]) -> str:
    """Return what a row reaches on each data set, beside the best."""
    parts = []
    for board, top in bests:
        row = board.row(label)
        assert row is not None
        reached = f"{board.metrics[0]} {row.main.value:.4f} on {board.name}"
        lost = f"{top.label} {top.main.value:.4f}, p = {row.p:.3f}" if row.p is not None else ""
        parts.append(f"{reached} ({lost or 'the best'})")
    return "; ".join(parts)


def megabytes(count: int | None) -> str:
    """Return the bytes as whole megabytes (10^6)."""
    return "" if count is None else f"{count / 1e6:,.0f}"
