"""`veclab index`: documents, texts or vectors into a store that can be searched."""

from __future__ import annotations

from typing import Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_facts, print_json, progress
from veclab.cli.options import loading_options, max_cost_option, reading_options, store_option
from veclab.hints import typed


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
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
    inputs: tuple[str, ...],
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
    .jsonl, .json, .csv, .tsv, .parquet, .arrow, .xlsx) or its address; or a file of vectors written
    by veclab, which are not embedded again. Several are indexed one after the other.

    Run again, it embeds only what changed and removes what is no longer in INPUT. Searches that
    run meanwhile see the store as it was before.
    """
    from veclab.store.index import index as bring_up_to_date
    from veclab.store.store import Store

    with (
        Store.open(store, model, create=True, **loading) as opened,
        progress("embedding", None, "passages") as advance,
    ):
        every = [
            bring_up_to_date(
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
            for input in inputs
        ]
        space = opened.space
    if as_json:
        facts = [done.to_dict() for done in every]
        more = facts[0] if len(facts) == 1 else {"inputs": dict(zip(inputs, facts, strict=True))}
        print_json({"store": store, "space_id": space.id, **more})
        return
    for input, done in zip(inputs, every, strict=True):
        named = [("input", input)] if len(inputs) > 1 else []
        print_facts([*named, *done.lines()])
    print_facts([("model", str(space)), ("store", store)])
    echo(f"\nSearch it: {typed('search', 'your question', '--store', store)}")
