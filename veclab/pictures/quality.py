"""The picture of a model comparison: quality against speed, size or cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from veclab.errors import InputError
from veclab.evaluation.leaderboard import Board, Comparison, Row
from veclab.pictures.style import COLORS, GRAY, label_of, require_matplotlib

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture

Against = Literal["speed", "size", "cost"]
_UNITS: dict[Against, str] = {
    "speed": "texts a second",
    "size": "MB for a million vectors",
    "cost": "dollars for a million texts",
}
_MARKERS = "osD^vP*"


def comparison(found: Comparison | Board, against: Against = "speed") -> Picture:
    """Draw each model's quality, with its 95% interval, against speed, size or cost.

    Args:
        found: of `veclab.compare`; each data set gets a panel.
        against: `speed` (texts a second, of models that were timed), `size` (MB a million
            vectors) or `cost` (dollars a million texts, of models that are paid for). Rows
            without that figure, or that failed, are named below the panel.

    Raises:
        InputError: no row has both figures, or `against` is something else.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    if against not in _UNITS:
        raise InputError(f"a comparison is drawn against speed, size or cost, not {against!r}")
    boards = found.boards if isinstance(found, Comparison) else (found,)
    if not any(_place(row, against) is not None for board in boards for row in board.rows):
        raise InputError(f"no model has both a quality and a {against}: there is nothing to draw")
    with in_style():
        picture, axes = new_picture(5.2, 3.9 * len(boards), rows=len(boards))
        for board, panel in zip(boards, np.atleast_1d(axes), strict=True):
            _panel(panel, board, against)
    return picture


def color_of(number: int) -> str:
    """The color of row `number` of a board, in its picture and wherever else it is shown."""
    return COLORS[number] if number < len(COLORS) else GRAY


def _place(row: Row, against: Against) -> float | None:
    """Where a row stands on the logarithmic axis; None where it has no place there."""
    if not row.figures or math.isnan(row.main.value):
        return None
    if against == "size":
        return (row.bytes_per_million or 0) / 1e6 or None
    return (row.texts_per_second if against == "speed" else row.dollars) or None


def _panel(axes: Any, board: Board, against: Against) -> None:
    places = {row.label: place for row in board.rows if (place := _place(row, against)) is not None}
    step = _step(places)
    left_out = [row.label for row in board.rows if row.label not in places]
    for number, row in enumerate(board.rows):
        if row.label not in places:
            continue
        place, figure = places[row.label], row.main
        # Each stands at its own figure. Of rows whose marks would lie on each other, later ones are
        # smaller, so that none covers another.
        after = [places[other.label] for other in board.rows[number + 1 :] if other.label in places]
        later = min(3, sum(1 / step < other / place < step for other in after))
        color = color_of(number)
        if figure.low is not None and figure.high is not None:
            axes.plot(
                [place, place], [figure.low, figure.high], color=color, linewidth=2 + 2 * later
            )
        axes.plot(
            place,
            figure.value,
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=8 + 3 * later,
            color=color,
            linestyle="none",
            label=label_of(row.label, 40) + (" (best)" if row.best else ""),
        )
    axes.set_xscale("log")
    axes.margins(x=0.12, y=0.12)
    _round_ticks(axes)
    axes.grid(True)
    axes.set_ylabel(f"{board.metrics[0]}, 95% interval" if board.metrics else "")
    without = f"\nwithout figures: {', '.join(label_of(x, 24) for x in left_out)}"
    axes.set_xlabel(_UNITS[against] + (without if left_out else ""))
    axes.set_title(label_of(f"{board.name}: {board.n:,} {board.units}", 44))
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.02, -0.24 if left_out else -0.18), handletextpad=0.3
    )


def _round_ticks(axes: Any) -> None:
    """1, 2, 5, 10, ... as plain numbers on the logarithmic axis."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axes.get_xlim()
    if high / low < 4:  # too close for powers of ten
        low, high = low / 2, high * 2
        axes.set_xlim(low, high)
    subs = (1.0, 2.0, 5.0) if high / low < 50 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _step(places: Mapping[str, float]) -> float:
    """Return how much faster a row must be for its mark to stand clear of another's."""
    values = sorted(places.values())
    return max((values[-1] / values[0]) ** 0.03, 1.06) if values else 1.0
