"""`veclab compare`: which model is best on your data?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import (
    device_option,
    echo,
    json_option,
    no_cache_option,
    print_json,
    print_table,
    progress,
)
from veclab.cli.options import join_option, max_cost_option
from veclab.report import group_notes, one_line

if TYPE_CHECKING:
    from veclab.evaluation.leaderboard import Board, Comparison, Row

_PAGES, _CHARTS = (".html", ".htm"), (".png", ".svg")
_TASKS = ["sts", "pairs", "retrieval", "labels", "self-retrieval"]


@click.command()
@click.option(
    "--model",
    "-m",
    "models",
    shell_complete=complete_models,
    metavar="NAME",
    multiple=True,
    required=True,
    help="Name or folder of a model; NAME@128 truncates its vectors, NAME+int8 and NAME+binary "
    "quantize them, NAME@128+binary does both. Repeatable, or separated by commas.",
)
@click.option(
    "--data",
    "-d",
    metavar="PATH",
    multiple=True,
    required=True,
    help="File of texts, with or without scores, yes/no labels or classes; or a folder in BEIR "
    "format. Repeatable.",
)
@click.option("--task", type=click.Choice(_TASKS), help="Task, if it is not inferred correctly.")
@click.option(
    "--column",
    "-c",
    metavar="NAME",
    multiple=True,
    help="Text column; of two, each text of one is compared with that of the other. Those of "
    "labeled texts are joined.",
)
@join_option
@click.option("--gold", metavar="NAME", help="The column of scores, yes/no labels or classes.")
@click.option(
    "--header/--no-header",
    default=None,
    help="Whether a .csv or .tsv file starts with column names. Default: detected.",
)
@click.option("--sample", type=click.IntRange(min=1), help="Sample this many rows or queries.")
@click.option(
    "--output",
    "-o",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="Report to write: .html, a self-contained page; or only its chart: .png, .svg.",
)
@click.option(
    "--results",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder for the results of each model. Default: in veclab's own directory.",
)
@click.option(
    "--on-long",
    type=click.Choice(["truncate", "split"]),
    default="truncate",
    show_default=True,
    help="For texts over a model's token limit: truncate, or embed in windows.",
)
@click.option(
    "--role",
    type=click.Choice(["query", "document"]),
    help="Prompt for symmetric tasks; queries and documents always get theirs.",
)
@click.option("--timing/--no-timing", default=True, help="Measure speed, start-up time and memory.")
@max_cost_option
@device_option
@no_cache_option
@json_option
def compare(
    models: tuple[str, ...],
    data: tuple[str, ...],
    task: Any,
    column: tuple[str, ...],
    join: str | None,
    gold: str | None,
    header: bool | None,
    sample: int | None,
    output: Path | None,
    results: Path | None,
    on_long: Any,
    role: Any,
    timing: bool,
    max_cost: float | None,
    device: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Compare models on your data: quality, speed, memory and size, side by side.

    The task is inferred from the data. Every figure comes with its 95% confidence interval, and
    every difference from the best model with its p-value. Results are kept: the same command with
    one more model measures only that one.
    """
    from veclab.atomic import check_output
    from veclab.evaluation.compare import compare as run
    from veclab.evaluation.page import require_page, write_page
    from veclab.evaluation.recognize import Choice, read_dataset
    from veclab.evaluation.variants import Variant
    from veclab.pictures.style import check_picture

    if output is not None:
        ending = output.suffix.lower()
        if ending not in (*_PAGES, *_CHARTS):
            raise click.BadParameter(
                f"{output}: the report is a page, {' or '.join(_PAGES)}; its chart alone is "
                f"{' or '.join(_CHARTS)}",
                param_hint="-o",
            )
        check_output(output)
        picture = ending in _CHARTS
        if picture:
            check_picture(output)
        else:
            require_page()
    models = tuple(name for given in models for name in _each(given))
    choice = Choice(task, column, gold, header, None, sample, join)
    datasets = [read_dataset(path, choice) for path in data]
    names = {Variant.parse(model)[0] for model in models}
    total = len(names) * sum(len(side) for dataset in datasets for side in dataset.sides)
    with progress("comparing", total) as advance:
        found = run(
            models,
            datasets,
            results=results,
            on_long=on_long,
            role=role,
            timing=timing,
            loading={"device": device, "cache": not no_cache},
            on_done=advance,
            max_cost=max_cost,
        )
    if output is not None and picture:
        from veclab.pictures import comparison

        comparison(found, "speed" if timing else "size").write(output)
    elif output is not None:
        write_page(found, output)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found, output)
    if all(row.error for board in found.boards for row in board.rows):
        raise click.exceptions.Exit(1)


def _each(given: str) -> list[str]:
    """Return the names in one --model: `a,b` are two, unless a folder is called so."""
    if Path(given).exists():
        return [given]
    return [name for part in given.split(",") if (name := part.strip())] or [given]


def _print(found: Comparison, output: Path | None) -> None:
    for board in found.boards:
        echo(f"{board.name}: {board.n:,} {board.units}, task {board.task}")
        echo(f"  because: {board.reason}\n")
        good = [row for row in board.rows if row.figures]
        if good:
            print_table(*quality_table(board, good))
            echo()
            print_table(*cost_table(good))
            echo()
        for row in board.rows:
            if row.error:
                echo(f"failed  {row.label}: {row.error}")
        for note in group_notes(board.notes):
            echo(f"note  {note}")
        echo()
    echo(found.recommendation)
    if output is not None:
        echo(f"\nreport: {output}")


def quality_table(board: Board, rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the header and cells: figures, interval, p-value."""
    first, *others = board.metrics
    header = ["model", first, "95% interval", "p", *others]
    cells = []
    for row in rows:
        main = row.main
        interval = "" if main.low is None else f"{main.low:.3f} to {main.high:.3f}"
        p = "best" if row.best and len(rows) > 1 else "" if row.p is None else f"{row.p:.3f}"
        cells.append(
            [
                one_line(row.label, 40),
                f"{main.value:.4f}",
                interval,
                p,
                *(f"{row.figures[name].value:.4f}" for name in others),
            ]
        )
    return header, cells


def cost_table(rows: list[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the header and cells: speed, start, memory, size; empty columns are dropped."""
    header = [
        "model",
        "texts/s",
        "tokens/s",
        "start",
        "memory",
        "dims",
        "MB/million",
        "truncated",
        "lost",
    ]
    header += ["$/million"]
    cells = [
        [
            one_line(row.label, 40),
            _number(row.texts_per_second),
            _number(row.tokens_per_second),
            "" if row.start_seconds is None else f"{row.start_seconds:.1f} s",
            "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f} MB",
            str(row.dimensions),
            _number(None if row.bytes_per_million is None else row.bytes_per_million / 1e6),
            f"{row.truncated or 0:.1%}",
            f"{row.lost or 0:.1%}",
            "" if row.dollars is None else f"{row.dollars:,.2f}",
        ]
        for row in rows
    ]
    kept = [i for i in range(len(header)) if any(row[i] for row in cells)]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in cells]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
