"""`veclab index`: documents, texts or vectors into a store that can be searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_facts, print_json, print_note, progress
from veclab.cli.options import loading_options, max_cost_option, reading_options, store_option
from veclab.cli.shards import SET_ASIDE, ShardProgress, shard_options, tell_failed
from veclab.hints import typed

if TYPE_CHECKING:
    from veclab.space import Space
    from veclab.store.index import Indexed


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
@shard_options
@click.option(
    "--vectors",
    metavar="FOLDER",
    help="Shards: where their vectors go and stay; may be an address. Default: STORE.vectors.",
)
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
    sharding: dict[str, Any],
    vectors: str | None,
    as_json: bool,
) -> None:
    """Create a store, or update it.

    INPUT is a folder of documents, or one document; a file of texts (.txt with one text per line,
    .jsonl, .json, .csv, .tsv, .parquet, .arrow, .xlsx) or its address; or a file of vectors written
    by veclab, which are not embedded again. Several are indexed one after the other.

    A folder, a 'glob' or an address (s3://, gs://, az://) of .jsonl, .csv, .tsv and .parquet files
    is shards: each becomes a file of vectors first. Such files of vectors are an INPUT too.

    Run again, it embeds only what changed and removes what is no longer in INPUT. Searches that
    run meanwhile see the store as it was before.
    """
    from veclab.cluster.inputs import is_many

    if len(inputs) == 1 and is_many(inputs[0]):
        cutting = (chunk_size, overlap, heading_in_text)
        if any(value is not None for value in cutting):
            raise click.UsageError("--chunk-size, --overlap and --headings are for documents")
        options = {"loading": loading, "reading": reading, "max_cost": max_cost}
        index_many(inputs[0], store, model, language, vectors, sharding, options, as_json)
        return
    if any(sharding.values()) or vectors is not None:
        raise click.UsageError("--ray, --workers, --overwrite and --vectors are for shards")
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
        space, name = opened.space, opened.place.name
    print_indexed(inputs, name, every, space, as_json)


def print_indexed(
    inputs: Sequence[str],
    store: str,
    done: Sequence[Indexed],
    space: Space,
    as_json: bool,
    **more: Any,
) -> None:
    """Print what each input changed in a store."""
    if as_json:
        facts = [one.to_dict() for one in done]
        first = facts[0] if len(facts) == 1 else {"inputs": dict(zip(inputs, facts, strict=True))}
        print_json({"store": store, "space_id": space.id, **first, **more})
        return
    for input, one in zip(inputs, done, strict=True):
        named = [("input", input)] if len(inputs) > 1 else []
        print_facts([*named, *one.lines()])
    print_facts([("model", str(space)), ("store", store)])
    echo(f"\nSearch it: {typed('search', 'your question', '--store', store)}")


def index_many(
    input: str,
    store: str,
    model: str | None,
    language: str | None,
    vectors: str | None,
    sharding: dict[str, Any],
    options: dict[str, Any],
    as_json: bool,
) -> None:
    """Index shards, of texts or of vectors; the exit code says whether some were set aside."""
    from veclab.cluster.index_shards import holds_shards_of_vectors, index_shards, index_vectors
    from veclab.store.store import Store

    made = holds_shards_of_vectors(input)
    if made and (vectors is not None or any(sharding.values())):
        raise click.UsageError(f"{input} holds vectors already: nothing is embedded")
    if not made and vectors is None and "://" in store:
        raise click.UsageError("say where the vectors go, and stay: --vectors FOLDER")
    vectors = vectors or f"{store.rstrip('/')}.vectors"
    loading = options["loading"]
    with Store.open(store, model, create=True, **loading) as opened, ShardProgress() as bars:
        if made:
            done = index_vectors(opened, input, language=language, on_done=bars.taken)
            print_indexed([input], opened.place.name, [done], opened.space, as_json)
            return
        done, manifest = index_shards(
            opened,
            input,
            vectors,
            model=model,
            language=language,
            on_done=bars.taken,
            **sharding,
            **options,
            on_start=bars.started,
            on_failed=tell_failed,
        )
        space, name = opened.space, opened.place.name
    for note in manifest.notes:
        print_note(note)
    if not as_json:
        print_facts([*manifest.lines()[:-1], ("vectors in", vectors)])
    print_indexed([input], name, [done], space, as_json, shards=manifest.to_dict())
    if manifest.failed:
        raise click.exceptions.Exit(SET_ASIDE)
