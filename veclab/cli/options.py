"""Groups of options that several commands share, each declared once.

A group arrives in the command as one dictionary, ready for the library call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from veclab.cli.console import device_option
from veclab.pipeline.prepare import OPTIONAL_STEPS

Command = Callable[..., Any]

max_cost_option = click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="DOLLARS",
    help="Refuse to buy vectors for more than this.",
)

store_option = click.option(
    "--store",
    "-s",
    metavar="PATH",
    required=True,
    help="Folder of the store, or postgresql://...",
)


def _group(name: str, *options: Command) -> Callable[[Command], Command]:
    """Return a decorator that declares options and hands their values over as argument `name`."""

    def declare(command: Command) -> Command:
        @functools.wraps(command)
        def gathered(**values: Any) -> Any:
            values[name] = {key: values.pop(key) for key in keys}
            return command(**values)

        keys = []
        wrapped: Command = gathered
        for option in reversed(options):
            wrapped = option(wrapped)
            keys.append(wrapped.__click_params__[-1].name)  # type: ignore[attr-defined]
        return wrapped

    return declare


picture_option = click.option(
    "--output",
    "-o",
    metavar="PICTURE",
    type=click.Path(path_type=Path),
    help="Draw it, too: .png, .svg or .pdf.",
)

# How a model is loaded: arguments of `veclab.load`.
loading_options = _group(
    "loading",
    click.option(
        "--dimensions",
        type=click.IntRange(min=1),
        help="Shorter vectors than the model's own.",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        help="An OpenAI-compatible endpoint, for openai:MODEL; by default OpenAI's own.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["openvino", "torch"]),
        help="What computes; by default an accelerator by torch, else OpenVINO if installed.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["f32", "bf16", "f16", "int8"]),
        help="Of the arithmetic; by default bf16 where the hardware has it, else f32.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Processor cores to use; by default all this process may use.",
    ),
    device_option,
    click.option(
        "--no-cache",
        "cache",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Neither read nor write the cache of vectors.",
    ),
)
max_tokens_option = click.option(
    "--max-tokens", type=click.IntRange(min=3), help="Read fewer tokens of each text than could be."
)

# How an input is read: arguments of `veclab.corpus.open_source`.
reading_options = _group(
    "reading",
    click.option("--column", "-c", metavar="NAME", help="The column that holds the texts."),
    click.option(
        "--id-column", metavar="NAME", help="The column that names the rows; # for row numbers."
    ),
    click.option("--drop", metavar="NAME", multiple=True, help="Leave a column out; repeatable."),
    click.option(
        "--format",
        type=click.Choice(["txt", "jsonl", "csv", "tsv", "parquet"]),
        help="Of the input, where its name does not tell.",
    ),
    click.option(
        "--header/--no-header",
        default=True,
        help="Whether a .csv or .tsv begins with column names.",
    ),
)

# What becomes of texts: arguments of `Model.embed`.
policy_options = _group(
    "policies",
    click.option(
        "--role",
        type=click.Choice(["query", "document"]),
        help="Use the model's prompt for this role.",
    ),
    click.option(
        "--on-long",
        type=click.Choice(["truncate", "error", "split"]),
        default="truncate",
        show_default=True,
        help="For texts over the model's limit: read the beginning, stop, or embed in windows.",
    ),
    click.option(
        "--on-empty",
        type=click.Choice(["skip", "error"]),
        default="skip",
        show_default=True,
        help="For texts that are missing or blank: leave them out, or stop.",
    ),
    click.option(
        "--prepare",
        type=click.Choice(OPTIONAL_STEPS),
        multiple=True,
        help="A further step of text preparation; repeatable.",
    ),
)
