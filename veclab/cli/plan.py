"""`veclab plan`: what would embedding this do and cost?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.completing import complete_files
from veclab.cli.console import (
    json_option,
    model_option,
    print_facts,
    print_json,
    print_note,
    progress,
    read_source,
)
from veclab.cli.options import (
    chunks_option,
    loading_options,
    max_cost_option,
    max_tokens_option,
    policy_options,
    reading_options,
)
from veclab.cli.shards import is_folder, shard_options


@click.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, shell_complete=complete_files)
@click.option(
    "--output",
    "-o",
    metavar="OUT.parquet",
    help="As for embed: checked, and not written.",
)
@model_option
@click.option("--text", multiple=True, help="Plan for this text instead of a file; repeatable.")
@reading_options
@policy_options
@chunks_option
@max_tokens_option
@max_cost_option
@loading_options
@shard_options
@json_option
def plan(
    inputs: tuple[str, ...],
    output: str | None,
    model: str,
    text: tuple[str, ...],
    reading: dict[str, Any],
    policies: dict[str, Any],
    chunks: bool,
    max_tokens: int | None,
    max_cost: float | None,
    loading: dict[str, Any],
    sharding: dict[str, Any],
    as_json: bool,
) -> None:
    """Show what `veclab embed` would do with the same options, and its cost.

    Nothing is sent or bought, and no key is needed.
    """
    from veclab.atomic import check_output
    from veclab.corpus.plan import plan_file, plan_texts
    from veclab.model import load

    if bool(inputs) == bool(text):
        raise click.UsageError("give either INPUT or --text TEXT")
    if any(sharding.values()) or (output is not None and is_folder(output)):
        print_note("all shards are counted, those that are there already, too")
    elif output is not None:
        check_output(Path(output))
    source = read_source(inputs, reading) if inputs else None
    with progress("loading the model", None):
        loaded = load(model, **loading, max_tokens=max_tokens)
    policies["max_cost"] = max_cost
    if source is None:
        planned = plan_texts(loaded, text, **policies | {"on_empty": "error"})
    else:
        with progress("planning", source.rows) as advance:
            planned = plan_file(loaded, source, chunks=chunks, **policies, on_done=advance)
    if as_json:
        print_json(planned.to_dict())
        return
    print_facts(planned.lines())
