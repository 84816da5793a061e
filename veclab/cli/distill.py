"""`veclab distill`: a fast static model from a transformer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import click

from veclab.cli.console import (
    device_option,
    json_option,
    model_option,
    print_facts,
    print_json,
    progress,
)


@click.command()
@model_option
@click.option(
    "--output", "-o", metavar="DIR", type=click.Path(path_type=Path), help="Folder to create."
)
@click.option("--name", metavar="NAME", help="Save it under this name instead, for -m NAME.")
@click.option(
    "--dimensions",
    metavar="N",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Dimensions of the static model.",
)
@device_option
@json_option
def distill(
    model: str,
    output: Path | None,
    name: str | None,
    dimensions: int,
    device: str | None,
    as_json: bool,
) -> None:
    """Distill a model into a static one: far faster, less accurate.

    A static model holds one vector per token and averages them, so it ignores word order. It does
    not need torch. Use it like any other model: -m DIR, or -m NAME.
    """
    if (output is None) == (name is None):
        raise click.UsageError("give either -o DIR or --name NAME")
    from veclab.models.static.distill import distill as run
    from veclab.models.static.distill import named_folder

    folder = output if output is not None else named_folder(str(name))
    with ExitStack() as stack:
        bar: Callable[[int], None] | None = None
        seen = 0

        def counted(done: int, total: int) -> None:
            nonlocal bar, seen
            if bar is None:
                bar = stack.enter_context(progress("distilling", total, unit="tokens"))
            bar(done - seen)
            seen = done

        made = run(model, folder, dimensions=dimensions, device=device, on_tokens=counted)
    if as_json:
        print_json(
            {
                "model": made.folder.name,
                "path": str(made.folder.path),
                "weights": made.folder.weights,
                "dimensions": made.folder.dimensions,
                "tokens": made.tokens,
                "bytes": made.folder.bytes,
                "origin": made.origin.name,
                "origin_weights": made.origin.weights,
                "seconds": made.seconds,
            }
        )
        return
    print_facts(
        [
            ("from", f"{made.origin.name} ({made.origin.bytes / 1e6:,.0f} MB)"),
            ("tokens", f"{made.tokens:,}"),
            ("dimensions", f"{made.folder.dimensions} of {made.origin.dimensions or '?'}"),
            ("size", f"{made.folder.bytes / 1e6:,.1f} MB"),
            ("seconds", f"{made.seconds:,.1f}"),
            ("written", str(made.folder.path)),
            ("use it", f"-m {made.folder.name if name is not None else made.folder.path}"),
        ]
    )
