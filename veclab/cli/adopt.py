"""`veclab adopt`: vectors of others, checked against a model, become a file with a Space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.completing import complete_files, complete_models
from veclab.cli.console import echo, json_option, print_facts, print_json, progress, read_source
from veclab.cli.options import chosen, loading_options, max_tokens_option, reading_options
from veclab.hints import typed


@click.command()
@click.argument("file", metavar="VECTORS", shell_complete=complete_files)
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    required=True,
    shell_complete=complete_models,
    help="Model that made the vectors.",
)
@click.option(
    "--output",
    "-o",
    metavar="OUT.parquet",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write.",
)
@click.option(
    "--vectors",
    "vector_column",
    metavar="NAME",
    help="The column, array or named vector that holds the vectors, if there are several.",
)
@click.option(
    "--texts",
    metavar="FILE",
    help="File of the texts of its rows, in their order, if VECTORS holds none.",
)
@click.option(
    "--role",
    type=click.Choice(["query", "document"]),
    help="Prompt that the texts got. Default: each is tried.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=8),
    default=64,
    show_default=True,
    help="Number of texts to embed again.",
)
@reading_options
@max_tokens_option
@loading_options
@json_option
def adopt(
    file: str,
    model: str,
    output: Path,
    vector_column: str | None,
    texts: str | None,
    role: Any,
    sample: int,
    reading: dict[str, Any],
    max_tokens: int | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Declare which model made the vectors of another tool, and prove it.

    VECTORS is what `veclab audit` reads: a .parquet, .arrow, .npz, .npy or .safetensors file; a
    FAISS index; the folder of a Chroma or a local Qdrant; qdrant://HOST:PORT or postgresql://...
    (#NAME after it names a collection or table). It is only read.

    A sample of its texts is embedded again. Only if the vectors agree, OUT.parquet is written, with
    their Space. --column names the column of texts.
    """
    from veclab.atomic import check_output
    from veclab.auditing.adopt import adopt as check_and_write

    check_output(output)
    loading = {name: value for name, value in loading.items() if name != "cache"}
    if texts is None and (others := chosen(reading | {"column": ()})):
        raise click.UsageError(f"--{next(iter(others)).replace('_', '-')} goes with --texts")
    given = None if texts is None else read_source(texts, reading)
    with progress("embedding a sample", None):
        adopted = check_and_write(
            file,
            model,
            output,
            column=vector_column,
            text_column=reading["column"] if texts is None else None,
            texts=given,
            role=role,
            max_tokens=max_tokens,
            sample=sample,
            **loading,
        )
    report = adopted.report()
    if as_json:
        found = adopted.agreement
        facts: dict[str, Any] = {
            "texts": found.texts,
            "lowest_cosine": found.lowest,
            "role": found.role,
        }
        facts |= {"median_cosine": found.median, "left_out": list(adopted.left_out)}
        print_json({"output": str(output), "space_id": adopted.space.id, **facts})
        return
    print_facts(
        [
            ("vectors", f"{adopted.source.about.rows - len(adopted.left_out):,}"),
            ("space", str(adopted.space)),
            *(("note", note) for note in report.notes),
            ("written", str(output)),
        ]
    )
    echo(f"\nSearch it: {typed('similar', 'your question', '--to', str(output))}")
