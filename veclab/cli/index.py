"""`veclab index`: documents, texts or vectors into a store that can be searched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_facts, print_json, progress
from veclab.cli.options import loading_options, max_cost_option, reading_options, store_option
from veclab.hints import typed


@click.command()
@click.argument("input", type=click.Path(path_type=Path))
@store_option
@click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    help="Name or folder of a model. Default: the store's own; all-MiniLM-L6-v2 for a new store.",
)
@click.option("--language", metavar="NAME", help="Language for stemming. Default: detected.")
@click.option("--chunk-size", type=click.IntRange(min=16), help="Maximum tokens per chunk [256].")
@click.option("--overlap", type=click.IntRange(min=0), help="Tokens shared by adjacent chunks [0].")
@click.option(
    "--headings/--no-headings",
    "heading_in_text",
    default=None,
    help="Whether to embed chunks with their headings [yes].",
)
@reading_options
@max_cost_option
@loading_options
@json_option
def index(
    input: Path,
    store: str,
    model: str | None,
    language: str | None,
    chunk_size: int | None,
    overlap: int | None,
    heading_in_text: bool | None,
    reading: dict[str, Any],
    max_cost: float | None,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Create a store, or update it.

    INPUT is a folder of documents, or one document; a file of texts (.txt with one text per line,
    .jsonl, .csv, .tsv, .parquet); or a file of vectors written by veclab, which are not embedded
    again.

    Run again, it embeds only what changed and removes what is no longer in INPUT. Searches that
    run meanwhile see the store as it was before.
    """
    from veclab.store.index import index as bring_up_to_date
    from veclab.store.store import Store

    with (
        Store.open(store, model, create=True, **loading) as opened,
        progress("embedding", None, "passages") as advance,
    ):
        done = bring_up_to_date(
            opened,
            input,
            language=language,
            chunk_size=chunk_size,
            overlap=overlap,
            heading_in_text=heading_in_text,
            reading=reading,
            max_cost=max_cost,
            on_done=advance,
        )
        space = opened.space
    if as_json:
        print_json({"store": store, "space_id": space.id, **done.to_dict()})
        return
    print_facts([*done.lines(), ("model", str(space)), ("store", store)])
    echo(f"\nSearch it: {typed('search', 'your question', '--store', store)}")
