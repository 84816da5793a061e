"""`veclab embed`: texts in, a file of vectors out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import click

from veclab.cli.console import (
    device_option,
    json_option,
    model_option,
    no_cache_option,
    print_facts,
    print_json,
    progress,
    shorten,
)
from veclab.text import OPTIONAL_STEPS


@click.command()
@click.argument("input", metavar="[INPUT]", required=False)
@click.option(
    "--output", "-o", metavar="OUT.parquet", type=click.Path(path_type=Path), help="File to write."
)
@model_option
@click.option("--text", multiple=True, help="Embed this text instead of a file; repeatable.")
@click.option("--column", "-c", metavar="NAME", help="The column that holds the texts.")
@click.option(
    "--id-column", metavar="NAME", help="The column that names the rows; # for row numbers."
)
@click.option("--drop", metavar="NAME", multiple=True, help="Leave a column out; repeatable.")
@click.option(
    "--role", type=click.Choice(["query", "document"]), help="Use the model's prompt for this role."
)
@click.option(
    "--on-long",
    type=click.Choice(["truncate", "error", "split"]),
    default="truncate",
    show_default=True,
    help="For texts over the model's limit: read the beginning, stop, or embed in windows.",
)
@click.option(
    "--on-empty",
    type=click.Choice(["skip", "error"]),
    default="skip",
    show_default=True,
    help="For texts that are missing or blank: leave them out, or stop.",
)
@click.option(
    "--prepare",
    type=click.Choice(OPTIONAL_STEPS),
    multiple=True,
    help="A further step of text preparation; repeatable.",
)
@click.option(
    "--max-tokens", type=click.IntRange(min=3), help="Read fewer tokens of each text than could be."
)
@click.option(
    "--format",
    type=click.Choice(["txt", "jsonl", "csv", "tsv", "parquet"]),
    help="Of the input, where its name does not tell.",
)
@click.option(
    "--header/--no-header", default=True, help="Whether a .csv or .tsv begins with column names."
)
@device_option
@no_cache_option
@json_option
def embed(
    input: str | None,
    output: Path | None,
    model: str,
    text: tuple[str, ...],
    column: str | None,
    id_column: str | None,
    drop: tuple[str, ...],
    role: str | None,
    on_long: str,
    on_empty: str,
    prepare: tuple[str, ...],
    max_tokens: int | None,
    format: str | None,
    header: bool,
    device: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Turn texts into vectors.

    INPUT is a .txt (a text a line), .jsonl, .csv or .tsv file, each also as .gz, a .parquet file, a
    folder of text files, or - for standard input.

    Texts embedded before come from the cache. A run that is interrupted goes on where it was when
    the same command is given again.
    """
    if (input is None) == (not text):
        raise click.UsageError("give an INPUT, or --text TEXT, and not both")
    if not text and output is None:
        raise click.UsageError("give the file to write: -o OUT.parquet")
    policies: dict[str, Any] = {
        "role": role,
        "on_long": on_long,
        "on_empty": on_empty,
        "prepare": prepare,
    }
    loading = {"device": device, "max_tokens": max_tokens, "cache": not no_cache}
    if text:
        _embed_texts(list(text), output, model, loading, {**policies, "on_empty": "error"}, as_json)
        return
    reading = {
        "column": column,
        "id_column": id_column,
        "drop": drop,
        "format": format,
        "header": header,
    }
    _embed_file(cast(str, input), cast(Path, output), model, reading, loading, policies, as_json)


def _embed_file(
    input: str,
    output: Path,
    name: str,
    reading: dict[str, Any],
    loading: dict[str, Any],
    policies: dict[str, Any],
    as_json: bool,
) -> None:
    from veclab.corpus import embed_file
    from veclab.files import open_source
    from veclab.model import load
    from veclab.vectorfile import check_output

    check_output(output)
    with progress("reading", None) as advance:
        seen = 0

        def scanned(rows: int) -> None:
            nonlocal seen
            advance(rows - seen)
            seen = rows

        source = open_source(input, **reading, on_scan=scanned)
    with progress("loading the model", None):
        model = load(name, **loading)
    with progress("embedding", source.rows) as advance:
        report = embed_file(model, source, output, **policies, on_done=advance)
    if as_json:
        print_json(
            {
                "output": str(output),
                "space": model.space.to_dict(),
                "space_id": model.space.id,
                "report": report.to_dict(),
            }
        )
        return
    err = sys.stderr.isatty() and not sys.stdout.isatty()
    print_facts([*report.lines(), ("written", f"{output} ({_size(output)})")], err=err)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"


def _embed_texts(
    texts: list[str],
    output: Path | None,
    name: str,
    loading: dict[str, Any],
    policies: dict[str, Any],
    as_json: bool,
) -> None:
    import numpy as np

    from veclab.model import load
    from veclab.vectorfile import check_output

    if output is not None:
        check_output(output)
    model = load(name, **loading)
    vectors = model.embed(texts, **policies)
    if output is not None:
        vectors.save(output)
    if as_json:
        rows = [
            {"text": row.text, "tokens": row.tokens, "truncated": row.truncated}
            | {"embedding": row.embedding.tolist()}
            for row in vectors
        ]
        print_json({"space": model.space.to_dict(), "space_id": model.space.id, "vectors": rows})
        return
    limit = "" if model.max_tokens is None else f" of at most {model.max_tokens}"
    for row in vectors:
        head = " ".join(f"{x:+.4f}" for x in row.embedding[:8])
        print_facts(
            [
                ("text", shorten(row.text or "")),
                ("vector", f"{head} …"),
                ("dimensions", str(vectors.dimensions)),
                ("norm", f"{np.linalg.norm(row.embedding):.4f}"),
                ("tokens", f"{row.tokens}{limit}" + (", cut" if row.truncated else "")),
                ("model", model.space.model),
                ("space", model.space.id),
            ]
        )
    for note in cast(Any, vectors.report).notes:
        click.echo(f"note: {note}", err=True)
