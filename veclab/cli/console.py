"""What the commands share: options, progress bars, tables, JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.models.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from veclab.corpus import Source

model_option = click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    default=DEFAULT_MODEL,
    show_default=True,
    help="Name or folder of a Sentence Transformers model, or openai:MODEL, cohere:MODEL.",
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


# What a terminal obeys or hides instead of showing it: control characters (C0 but for tab and line
# feed, DEL, C1), marks that turn the direction of writing, characters of no width, and halves of
# surrogate pairs. Joiners stay: emoji and Persian need them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


class Markup(str):
    """Text with our own terminal codes around parts that are harmless already."""

    __slots__ = ()


def harmless(text: str) -> str:
    """Return what a terminal shows and does not obey: unsafe characters as escapes, `\\x1b`.

    Texts, ids, names of files and models, and messages of servers come from others: printed as
    they are, they could rewrite the screen, the clipboard or the window's title.
    """
    if isinstance(text, Markup):
        return text
    return _UNSAFE.sub(
        lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n")
    )


def styled(text: str, color: str) -> Markup:
    """Return a text in one of the terminal's colors, for `echo`."""
    return Markup(click.style(harmless(text), fg=color))


def linked(text: str, address: str | None) -> str:
    """Return a text that a terminal opens the address of, for `echo`; in a pipe only the text."""
    if address is None or not sys.stdout.isatty():
        return text
    return Markup(f"\x1b]8;;{harmless(address)}\x1b\\{harmless(text)}\x1b]8;;\x1b\\")


def echo(*pieces: str, err: bool = False) -> None:
    """Print a line for people, harmless; all that the command line prints goes through here."""
    click.echo("".join(map(harmless, pieces)), err=err)


def print_note(note: object) -> None:
    """Print on standard error what the user should know."""
    echo("note: " + str(note).replace("\n", "\n      "), err=True)


def ask_line(label: str) -> str:
    """Ask for a line on the terminal; click.Abort at its end."""
    return str(click.prompt(harmless(label), prompt_suffix=" ", default="", show_default=False))


def confirm(question: str, *, abort: bool = False) -> bool:
    """Ask for a yes or no on standard error."""
    return click.confirm(harmless(question), abort=abort, err=True)


def print_json(value: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Print one JSON document on standard output, for programs: nothing in it is changed."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8, indent=2, default=default)
    # A half of a surrogate pair has no UTF-8; JSON writes it as an escape.
    click.echo(re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text))


def print_facts(facts: Sequence[tuple[str, str]], *, err: bool = False) -> None:
    """Print aligned `label  value` lines; further lines of a value stand under its first."""
    width = max((len(label) for label, _ in facts), default=0)
    for label, value in facts:
        echo(f"{label:>{width}}  ", value.replace("\n", "\n" + " " * (width + 2)), err=err)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print a plain table; the first `left` columns are text, the others numbers set right."""
    lines = [[_cell(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for row in lines:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        echo("  ".join(cells).rstrip())


def _cell(text: str) -> str:
    """Return a text that stands in one line of a table."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


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

    columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False)]
    if total is None:
        columns += [SpinnerColumn(), TextColumn("{task.completed:,.0f} " + unit)]
    else:
        columns += [BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn()]
        columns += [TextColumn("left"), TimeRemainingColumn()]
    bar = Progress(
        *columns, console=Console(stderr=True), transient=total is None, speed_estimate_period=60
    )
    with bar:
        task = bar.add_task(harmless(label), total=total)
        yield lambda texts: bar.advance(task, texts)


def read_source(path: str | Sequence[str], reading: dict[str, Any]) -> Source:
    """Open an input, or several as one (see `veclab.corpus.open_source`), with its progress."""
    from veclab.corpus import open_source

    seen = 0
    with progress("reading", None) as advance:

        def scanned(rows: int) -> None:
            nonlocal seen
            advance(rows - seen)
            seen = rows

        return open_source(path, **reading, on_scan=scanned)
