"""`veclab search`: find passages in a store."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import echo, json_option, linked, print_json
from veclab.cli.options import loading_options, store_model_option, store_option
from veclab.report import one_line

if TYPE_CHECKING:
    from veclab.store.passage import Hit


@click.command()
@click.argument("query")
@store_option
@click.option("--top", "-n", type=int, default=10, show_default=True, help="Number of passages.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "keyword"]),
    default="hybrid",
    show_default=True,
    help="By meaning and keywords, by meaning, or by keywords.",
)
@click.option(
    "--where", metavar="FILTER", help="Filter, for example \"year >= 2020 and lang = 'en'\"."
)
@click.option("--min-score", type=float, help="Omit passages with a lower cosine (keyword: BM25).")
@click.option("--mmr", type=float, help="Diversify results by MMR: 0.5, for example; 1 is off.")
@click.option(
    "--fusion",
    type=click.Choice(["minmax", "rrf"]),
    default="minmax",
    show_default=True,
    help="How hybrid search combines its two scores.",
)
@click.option(
    "--weight",
    type=float,
    default=0.5,
    show_default=True,
    help="Hybrid: weight of vectors against keywords, 0 to 1.",
)
@click.option("--rerank", metavar="NAME", help="Cross-encoder that reranks the best 50.")
@store_model_option
@click.option("--full", is_flag=True, help="Show passages in full.")
@click.option("--no-merge", is_flag=True, help="Do not merge adjacent passages.")
@click.option("--open", "open_first", is_flag=True, help="Open the file of the best passage.")
@loading_options
@json_option
def search(
    query: str,
    store: str,
    model: str | None,
    full: bool,
    no_merge: bool,
    open_first: bool,
    loading: dict[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Find the passages of a store that match QUERY."""
    from veclab.store.links import link
    from veclab.store.neighbors import join_neighbors
    from veclab.store.store import Store

    with Store.open(store, model, **loading) as opened:
        hits = opened.search(query, **options)
    if not no_merge:
        hits = join_neighbors(hits)
    if as_json:
        rows = [{"rank": i, "link": link(h.passage), **h.to_dict()} for i, h in enumerate(hits, 1)]
        print_json(rows, default=str)
    elif not hits:
        echo("nothing found", err=True)
    else:
        for rank, hit in enumerate(hits, 1):
            _show(rank, hit, full)
    if open_first and hits:
        if (address := link(hits[0].passage)) is None:
            raise click.UsageError("the best passage does not come from a file that can be opened")
        click.launch(address)


def _show(rank: int, hit: Hit, full: bool) -> None:
    """Print one result: where it is, its scores, its text."""
    from veclab.store.links import link

    parts = [f"{hit.score:.3f}"]
    parts += [f"cosine {hit.vector:.3f}"] if hit.vector is not None else []
    parts += [f"BM25 {hit.keyword:.1f}"] if hit.keyword is not None else []
    parts += [f"reranker {hit.rerank:.3f}"] if hit.rerank is not None else []
    place = linked(one_line(hit.passage.place), link(hit.passage))
    echo(f"{rank:>2}  ", place, f"  ({', '.join(parts)})")
    width = min(100, shutil.get_terminal_size().columns)
    lines = textwrap.wrap(one_line(hit.passage.text), width - 4)
    for line in lines if full else lines[:3]:
        echo(f"    {line}")
    if not full and len(lines) > 3:
        echo(f"    … {len(lines) - 3} more lines")
