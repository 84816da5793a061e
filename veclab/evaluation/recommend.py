"""What to choose, given the tables of a comparison, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from veclab.evaluation.leaderboard import Board, Row

SIGNIFICANT = 0.05


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
    ran = [label for label in labels if all(board.row(label) for board in boards)]
    lost = [label for label in labels if label not in ran]
    if lost and len(ran) < 2:
        only = f"only {ran[0]} gave figures" if ran else "no row gave figures on all data"
        return None, f"No recommendation: {only}, so nothing was compared{_failed(lost)}."
    near = [label for label in labels if all(_near(board, top, label) for board, top in bests)]
    equal = [label for label in near if all(_no_loss(board, label) for board, _ in bests)]
    if not equal:
        named = "; ".join(f"{top.label} on {board.name}" for board, top in bests)
        return None, f"No one row keeps up with the best on all data. The best: {named}."
    chosen = min(equal, key=lambda label: _cost(boards[0], label))
    smaller = [label for label in near if _cost(boards[0], label)[0] < _cost(boards[0], chosen)[0]]
    reason = _because(chosen, bests, lost) + _smaller(smaller, bests)
    return chosen, reason + (f" Not compared{_failed(lost)}." if lost else "")


def _failed(labels: Sequence[str]) -> str:
    return f" (failed: {', '.join(labels)})"


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


def _because(chosen: str, bests: Sequence[tuple[Board, Row]], lost: Sequence[str]) -> str:
    """Return the reason, and what the choice saves."""
    sizes = [(board.row(chosen) or top, top) for board, top in bests]
    saved = max(((top.bytes_per_million or 0), (row.bytes_per_million or 0)) for row, top in sizes)
    if all(row.best for row, _ in sizes):
        best = "the best of those that ran" if lost else "the best"
        reason = f"it is {best}, and no smaller row keeps up with it."
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
