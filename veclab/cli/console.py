"""What the commands share: options, progress bars, tables, JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from veclab.models.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from veclab.corpus import Source

model_option = click.option(
    "--model",
    "-m",
    metavar="NAME",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Name or folder of a Sentence Transformers model, or openai:MODEL.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
device_option = click.option(
    "--device",
    metavar="DEVICE",
    help="cpu, cuda or mps. Default: a GPU if available, otherwise cpu.",
)
no_cache_option = click.option(
    "--no-cache", is_flag=True, help="Do not read or write the vector cache."
)


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_facts(facts: Sequence[tuple[str, str]], *, err: bool = False) -> None:
    """Print aligned `label  value` lines."""
    width = max((len(label) for label, _ in facts), default=0)
    for label, value in facts:
        click.echo(f"{label:>{width}}  {value}", err=err)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a plain table; the first `left` columns are text, the others numbers set right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def shorten(text: str, width: int = 60) -> str:
    """Return one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def printable(text: str) -> str:
    """Return one line without control characters: a document must not steer the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


@contextmanager
def progress(label: str, total: int | None, unit: str = "texts") -> Iterator[Callable[[int], None]]:
    """Show a bar with texts/s and time left on a terminal, nothing in a pipe.

    Yields a function that takes the number of texts (or other units) finished since the last call.
    """
    if not sys.stderr.isatty():
        yield lambda texts: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f} {unit}/s")

    columns: list[ProgressColumn] = [TextColumn("{task.description}")]
    if total is None:
        columns += [SpinnerColumn(), TextColumn("{task.completed:,.0f} " + unit)]
    else:
        columns += [BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn()]
    bar = Progress(
        *columns, console=Console(stderr=True), transient=total is None, speed_estimate_period=60
    )
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda texts: bar.advance(task, texts)


def read_source(path: str, reading: dict[str, Any]) -> Source:
    """Open an input (see `veclab.corpus.open_source`), with its progress."""
    from veclab.corpus import open_source

    seen = 0
    with progress("reading", None) as advance:

        def scanned(rows: int) -> None:
            nonlocal seen
            advance(rows - seen)
            seen = rows

        return open_source(path, **reading, on_scan=scanned)
