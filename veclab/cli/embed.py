"""`veclab embed`: texts in, a file of vectors out."""

from __future__ import annotations

import glob
import sys
from pathlib import Path
from typing import Any, cast

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
    quantize_option,
    reading_options,
)
from veclab.cli.shards import embed_and_tell, is_folder, shard_options
from veclab.hints import typed
from veclab.report import group_notes, one_line


@click.command()
@click.argument("inputs", metavar="[INPUT]...", nargs=-1, shell_complete=complete_files)
@click.option(
    "--output",
    "-o",
    metavar="OUT.parquet|FOLDER",
    help="File to write; for shards a folder, or s3://, gs://, az://.",
)
@model_option
@click.option("--text", multiple=True, help="Embed this text instead of a file; repeatable.")
@reading_options
@policy_options
@chunks_option
@quantize_option
@max_tokens_option
@max_cost_option
@loading_options
@shard_options
@json_option
def embed(
    inputs: tuple[str, ...],
    output: str | None,
    model: str,
    text: tuple[str, ...],
    reading: dict[str, Any],
    policies: dict[str, Any],
    chunks: bool,
    quantize: Any,
    max_tokens: int | None,
    max_cost: float | None,
    loading: dict[str, Any],
    sharding: dict[str, Any],
    as_json: bool,
) -> None:
    """Turn texts into vectors.

    INPUT is a .txt (one text per line), .jsonl, .json, .csv or .tsv file, or one of these as .gz; a
    .parquet, .arrow or .xlsx file; a .md file, which is one text; a folder of text files; a
    pattern; an address (https://, hf://datasets/OWNER/NAME/PATH); or - for standard input. Several
    are embedded into one file.

    Where -o is a folder, INPUT is shards: a folder, a 'glob' or an address (s3://, gs://, az://) of
    .jsonl, .csv, .tsv and .parquet files. Each becomes a file of vectors of the same name, and what
    is there already is not made again.

    OUT ends in .parquet, .npz, .npy, .jsonl or .csv. The last three have no place for the Space:
    OUT.veclab.parquet is written beside them.

    Texts embedded before come from the cache. To resume an interrupted run, give the same command
    again.
    """
    if bool(inputs) == bool(text):
        raise click.UsageError("give either INPUT or --text TEXT")
    if inputs and output is None:
        raise click.UsageError(_no_output(inputs, reading))
    loading, policies = loading | {"max_tokens": max_tokens}, policies | {"max_cost": max_cost}
    file = None if output is None else Path(output)
    if text:
        if chunks or quantize:
            option = "--chunks" if chunks else "--quantize"
            raise click.UsageError(f"{option} goes with INPUT: omit --text")
        _embed_texts(list(text), file, model, loading, policies | {"on_empty": "error"}, as_json)
        return
    assert output is not None and file is not None
    if is_folder(output):
        given = {"model": model, "loading": loading, "reading": reading, **policies}
        given |= {"chunks": chunks, "quantize": quantize}
        embed_and_tell(inputs, output, sharding, as_json, **given)
        return
    if any(sharding.values()):
        raise click.UsageError("--ray, --workers and --overwrite are for shards: -o FOLDER/")
    policies |= {"chunks": chunks, "quantize": quantize}
    _embed_file(inputs, file, model, reading, loading, policies, as_json)


def _no_output(inputs: tuple[str, ...], reading: dict[str, Any]) -> str:
    """Return what to type for a file to write; raises InputError where there is none to read."""
    input = inputs[0]
    if len(inputs) > 1 or input == "-" or "://" in input or glob.has_magic(input):
        return "give the file to write: -o OUT.parquet"
    if not Path(input).exists():
        if any(sign.isspace() for sign in input) and not Path(input).suffix[1:].isalnum():
            return f"{input!r} is no file; to embed this text: {typed('embed', '--text', input)}"
        read_source(input, reading)  # says that it does not exist, and what is near
    name = f"{Path(input).name.split('.')[0] or 'vectors'}.parquet"
    if Path(name).exists():  # the input itself, perhaps
        name = "vectors.parquet"
    return f"give the file to write: {typed('embed', input, '-o', name)}"


def _embed_file(
    inputs: tuple[str, ...],
    output: Path,
    name: str,
    reading: dict[str, Any],
    loading: dict[str, Any],
    policies: dict[str, Any],
    as_json: bool,
) -> None:
    from veclab.atomic import check_output
    from veclab.corpus.embed_file import embed_file
    from veclab.model import load

    check_output(output)
    source = read_source(inputs, reading)
    with progress("loading the model", None):
        model = load(name, **loading)
    with progress("embedding", None if policies["chunks"] else source.rows) as advance:
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

    if output is not None:
        from veclab.atomic import check_output

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
                ("text", one_line(row.text or "", 60)),
                ("vector", f"{head} …"),
                ("dimensions", str(vectors.dimensions)),
                ("norm", f"{np.linalg.norm(row.embedding):.4f}"),
                ("tokens", f"{row.tokens}{limit}" + (", truncated" if row.truncated else "")),
                ("model", model.space.model),
                ("space", model.space.id),
            ]
        )
    for note in group_notes(cast(Any, vectors.report).notes):
        print_note(note)
