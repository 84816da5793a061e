"""Groups of options that several commands share, each declared once.

A group arrives in the command as one dictionary, ready for the library call.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import device_option
from veclab.pipeline.prepare import OPTIONAL_STEPS

if TYPE_CHECKING:
    from veclab.rag.chat import ChatModel

Command = Callable[..., Any]

max_cost_option = click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="DOLLARS",
    help="Spend at most this much on embeddings; stop before exceeding it.",
)

store_option = click.option(
    "--store",
    "-s",
    metavar="PATH",
    required=True,
    help="Store folder, or postgresql://... for PostgreSQL.",
)

store_model_option = click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    help="Default: the store's own model.",
)


def group(name: str, *options: Command) -> Callable[[Command], Command]:
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


# The chat model that answers questions: see `chat_model`.
chat_options = group(
    "llm",
    click.option(
        "--llm",
        metavar="openai:MODEL",
        help="Chat model that writes the answer; without one, the best sentences are quoted.",
    ),
    click.option("--base-url", metavar="URL", help="OpenAI-compatible endpoint for --llm."),
    click.option(
        "--window", type=int, metavar="TOKENS", help="Context window of --llm: prompt and answer."
    ),
    click.option(
        "--max-cost",
        type=click.FloatRange(min=0),
        metavar="DOLLARS",
        help="Spend at most this much on --llm; stop before exceeding it.",
    ),
)


def chat_model(given: dict[str, Any]) -> ChatModel | None:
    """Return the model that `chat_options` name, one for all questions and their cost limit."""
    if given["llm"] is None:
        for name, value in given.items():
            if value is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} requires --llm")
        return None
    from veclab.rag.chat import ChatModel

    others = {name: value for name, value in given.items() if name != "llm"}
    return ChatModel(given["llm"], **others)


picture_option = click.option(
    "--output",
    "-o",
    metavar="PICTURE",
    type=click.Path(path_type=Path),
    help="Also draw a picture: .png, .svg or .pdf.",
)

# How a model is loaded: arguments of `veclab.load`.
loading_options = group(
    "loading",
    click.option(
        "--dimensions",
        type=click.IntRange(min=1),
        help="Truncate vectors to this many dimensions.",
    ),
    click.option(
        "--base-url",
        metavar="URL",
        help="OpenAI-compatible endpoint for openai:MODEL. Default: OpenAI's own.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["openvino", "torch"]),
        help="Inference engine. Default: torch with a GPU, otherwise OpenVINO if installed.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["f32", "bf16", "f16", "int8"]),
        help="Numeric precision. Default: bf16 if the hardware supports it, otherwise f32.",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Number of CPU threads. Default: all cores available to this process.",
    ),
    device_option,
    click.option(
        "--no-cache",
        "cache",
        is_flag=True,
        flag_value=False,
        default=True,
        help="Do not read or write the vector cache.",
    ),
)
chunks_option = click.option(
    "--chunks",
    is_flag=True,
    help="Embed passages of at most --max-tokens, a vector for each, with its span.",
)
quantize_option = click.option(
    "--quantize",
    type=click.Choice(["int8", "binary"]),
    help="Write a byte or a bit per dimension instead of four bytes; .parquet only.",
)
max_tokens_option = click.option(
    "--max-tokens",
    type=click.IntRange(min=3),
    help="Token limit per text, if lower than the model's.",
)


def _unescaped(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return what a shell can hardly write: a line end for \\n, a tab for \\t."""
    return None if value is None else value.replace("\\n", "\n").replace("\\t", "\t")


join_option = click.option(
    "--join",
    metavar="TEXT",
    callback=_unescaped,
    help="Between the texts of several columns.  [default: a blank line]",
)

# Of `veclab.corpus.find`, which `veclab --help` does not load.
FORMATS = ("txt", "jsonl", "json", "csv", "tsv", "parquet", "arrow", "excel", "file")

# How an input is read: arguments of `veclab.corpus.open_source`.
reading_options = group(
    "reading",
    click.option(
        "--column",
        "-c",
        metavar="NAME",
        multiple=True,
        help="The column that holds the texts; given several times, the columns are joined.",
    ),
    join_option,
    click.option(
        "--id-column", metavar="NAME", help="The column that holds the ids; # for row numbers."
    ),
    click.option("--drop", metavar="NAME", multiple=True, help="Ignore this column; repeatable."),
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        help="Input format, if the file name does not show it; file: all of it is one text.",
    ),
    click.option(
        "--header/--no-header",
        default=None,
        help="Whether a .csv or .tsv file starts with column names.  [default: it does]",
    ),
    click.option(
        "--delimiter",
        metavar="CHARACTER",
        help="Between the fields of a .csv file: , ; | or tab. Default: found in the file.",
    ),
    click.option(
        "--quotes/--no-quotes",
        default=None,
        help="Whether quotes around fields of .csv and .tsv are not part of them. Default: found "
        "in the file.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding of a text file: cp1252, say. Default: UTF-8, or UTF-16 if it begins so.",
    ),
    click.option("--sheet", metavar="NAME", help="Sheet of a spreadsheet. Default: the first."),
)

# What becomes of texts: arguments of `Model.embed`.
policy_options = group(
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
        help="For texts over the token limit: truncate, stop, or embed in windows.",
    ),
    click.option(
        "--on-empty",
        type=click.Choice(["skip", "error"]),
        default="skip",
        show_default=True,
        help="For missing or blank texts: skip them, or stop.",
    ),
    click.option(
        "--prepare",
        type=click.Choice(OPTIONAL_STEPS),
        multiple=True,
        help="Additional text preparation step; repeatable.",
    ),
)


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a group that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}


def words_of(options: dict[str, Any]) -> list[str]:
    """Return the words of a command line that give these options again."""
    words: list[str] = []
    for name, value in chosen(options).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [f"--{option}", str(one)]
    return words
