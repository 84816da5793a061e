"""The report of a comparison: one HTML file with pictures, no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from veclab.atomic import atomic
from veclab.errors import InputError, MissingExtra
from veclab.evaluation.leaderboard import Board, Comparison, Row
from veclab.evaluation.timing import PASSES, SAMPLE_TEXTS

_TEMPLATE = Path(__file__).with_name("page.html")

_MEANING = {
    "sts": "A figure near 1 says: the pair stands as high by similarity as by its score.",
    "pairs": "A figure near 1 says: the pair stands on the right side of the ranking.",
    "retrieval": "The figure is nDCG@10 of the query.",
    "self-retrieval": "The figure is nDCG@10 of the query.",
    "labels": "The figure is 1 where the nearest neighbors have the text's class, else 0.",
}


def require_page() -> None:
    """Raise MissingExtra unless a report can be made: Jinja2 and matplotlib are installed."""
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("compare", "the report") from None


def write_page(found: Comparison, path: str | Path) -> Path:
    """Write the report, whole or not at all; raises OutputError where that cannot be done."""
    path = Path(path)
    with atomic(path) as temporary:
        temporary.write_text(page(found), encoding="utf-8")
    return path


def page(found: Comparison) -> str:
    """The report as HTML. Raises MissingExtra where Jinja2 or matplotlib is not installed."""
    require_page()
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title="Which model is best on " + ", ".join(board.name for board in found.boards) + "?",
        found=found,
        parts=[_part(board) for board in found.boards],
        sample_texts=SAMPLE_TEXTS,
        passes=PASSES,
    )


def _part(board: Board) -> dict[str, Any]:
    """What the page shows of one data set."""
    from veclab.pictures.quality import color_of

    header, rows = _table(board)
    return {
        "board": board,
        "pictures": list(_pictures(board)),
        "colors": {row.label: color_of(number) for number, row in enumerate(board.rows)},
        "header": header,
        "rows": rows,
        "meaning": _MEANING[board.task],
    }


def _pictures(board: Board) -> Iterator[tuple[Any, str]]:
    """Quality against what there are figures of, as SVG, each with a hint how to read it."""
    from markupsafe import Markup

    from veclab.pictures.quality import Against, comparison

    hints: dict[Against, str] = {
        "speed": "further right is faster",
        "size": "further left is smaller",
        "cost": "further left is cheaper",
    }
    for against, hint in hints.items():
        try:
            picture = comparison(board, against)
        except InputError:  # nothing to draw
            continue
        yield Markup(picture.svg()), hint  # matplotlib escapes the labels


def _table(board: Board) -> tuple[list[str], list[tuple[Row, list[str]]]]:
    """The header, without the models' own column, and each row with its cells."""
    first, *others = board.metrics or [""]
    timed = any(row.texts_per_second for row in board.rows)
    started = any(row.start_seconds for row in board.rows)
    paid = any(row.dollars is not None for row in board.rows)
    header = [first, "95% interval", "p against the best", *others, "dims", "MB per million"]
    header += ["texts/s", "tokens/s"] if timed else []
    header += ["cold start", "peak memory"] if started else []
    header += ["texts cut", "tokens lost"] + (["$ per million"] if paid else [])
    alone = sum(row.error is None for row in board.rows) < 2
    rows = [
        (row, [] if row.error is not None else _cells(row, others, timed, started, paid, alone))
        for row in board.rows
    ]
    return header, rows


def _cells(
    row: Row, others: Sequence[str], timed: bool, started: bool, paid: bool, alone: bool
) -> list[str]:
    main = row.main
    cells = [
        f"{main.value:.4f}",
        "" if main.low is None else f"{main.low:.3f} to {main.high:.3f}",
        ("" if alone else "best") if row.best else "" if row.p is None else f"{row.p:.3f}",
        *(f"{row.figures[name].value:.4f}" for name in others),
        f"{row.dimensions:,}",
        f"{(row.bytes_per_million or 0) / 1e6:,.0f}",
    ]
    if timed:
        cells += [_number(row.texts_per_second), _number(row.tokens_per_second)]
    if started:
        cells.append("" if row.start_seconds is None else f"{row.start_seconds:.1f} s")
        cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f} MB")
    cells += [f"{row.truncated or 0:.1%}", f"{row.lost or 0:.1%}"]
    return cells + (["" if row.dollars is None else f"{row.dollars:,.2f}"] if paid else [])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
