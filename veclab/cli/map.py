"""`veclab map`: vectors as a picture one can walk through."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import echo, json_option, print_facts, print_json
from veclab.errors import InputError
from veclab.hints import typed
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.maps.map import Map
    from veclab.maps.projection import Method
    from veclab.vectors import Vectors

_FILE = click.Path(path_type=Path)


@click.command("map")
@click.argument("vectors", metavar="[VECTORS]", type=_FILE, required=False)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=_FILE,
    required=True,
    help="File to write: .html (interactive), .png, .svg, or .parquet (x and y).",
)
@click.option("--store", metavar="STORE", help="Map the passages of a store instead of a file.")
@click.option(
    "--overlay",
    metavar="OTHER",
    type=_FILE,
    help="Add the vectors of this file, of the same Space, to the finished map.",
)
@click.option(
    "--compare",
    metavar="A B",
    nargs=2,
    type=_FILE,
    help="Map two models' vectors of the same texts side by side.",
)
@click.option("--color", metavar="COLUMN", help="Color the points by this column.")
@click.option(
    "--method",
    type=click.Choice(["tsne", "umap", "pca"]),
    default="tsne",
    show_default=True,
    help="Projection; t-SNE preserves the most neighbors.",
)
@click.option("--seed", type=int, default=42, show_default=True, help="Random seed.")
@click.option("--title", help="Title of the map. Default: the file name.")
@click.option(
    "--atlas", is_flag=True, help="Add nearest neighbors to the .parquet, for Embedding Atlas."
)
@json_option
def map_(
    vectors: Path | None,
    output: Path,
    store: str | None,
    overlay: Path | None,
    compare: tuple[Path, Path] | None,
    color: str | None,
    method: Method,
    seed: int,
    title: str | None,
    atlas: bool,
    as_json: bool,
) -> None:
    """Draw a two-dimensional map of vectors, and measure how faithful it is.

    VECTORS is a file written by `veclab embed`. The .html page is self-contained: it needs no
    network and no server.
    """
    from veclab.atomic import check_output
    from veclab.maps.map import check_format

    _check(locals())
    check_format(output)
    check_output(output)
    started = time.perf_counter()
    if compare:
        honesty, facts = _compare(compare, output, color, method, seed)
    else:
        made = _make(vectors, store, overlay, color, method, seed, title)
        _stage("writing")
        made.save(output, color, neighbors=atlas)
        honesty, facts = made.honesty, list(made.facts)
    _tell(facts, honesty, output, time.perf_counter() - started, atlas, as_json)


def _check(given: dict[str, Any]) -> None:
    """Refuse options that would have no effect."""
    sources = [given["vectors"], given["store"], given["compare"]]
    if sum(source is not None for source in sources) != 1:
        raise click.UsageError("give a file of vectors, or --store STORE, or --compare A B")
    if given["compare"] and given["overlay"]:
        raise click.UsageError("--overlay cannot be combined with --compare")
    if given["compare"] and given["title"]:
        raise click.UsageError(
            "--title cannot be combined with --compare, which shows the models' names"
        )
    if given["compare"] and given["output"].suffix != ".html":
        raise click.UsageError("--compare writes a page: the output name must end in .html")
    if given["atlas"] and given["output"].suffix != ".parquet":
        raise click.UsageError("--atlas writes a table: the output name must end in .parquet")


def _make(
    file: Path | None,
    store: str | None,
    overlay: Path | None,
    color: str | None,
    method: Method,
    seed: int,
    title: str | None,
) -> Map:
    from veclab.maps.build import check_color, make_map
    from veclab.maps.provenance import of_file
    from veclab.space import require_same

    _stage("reading")
    if store is not None:
        from veclab.maps.stored import read_store
        from veclab.store.location import open_place

        public = open_place(store).name  # the page must not hold a password
        given, name = read_store(store), Path(public).name
        facts = [("store", public)]
    else:
        assert file is not None
        given, name = _read(file), file.stem
        facts = of_file(file)
    others = None if overlay is None else _read(overlay)
    if color is not None:
        check_color(given, others, color)
    if others is not None and overlay is not None:
        require_same(given.space, others.space, names=(name, overlay.name))
    made = make_map(given, method, seed=seed, title=title or name, facts=facts, on_stage=_stage)
    if others is not None and overlay is not None:
        made = made.overlay(others, (name, overlay.stem))
        laid = [(f"{label} laid over", said) for label, said in of_file(overlay)]
        made = replace(made, facts=[*made.facts, *laid])
    return made


def _compare(
    files: tuple[Path, Path], output: Path, color: str | None, method: Method, seed: int
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    from veclab.maps.build import check_color
    from veclab.maps.provenance import of_file
    from veclab.maps.side_by_side import map_both

    _stage("reading")
    first, second = (_read(file) for file in files)
    if color is not None:
        check_color(first, None, color)
    titles = (first.space.model, second.space.model)
    if titles[0] == titles[1]:
        titles = (files[0].stem, files[1].stem)
    said = (of_file(files[0]), of_file(files[1]))
    both = map_both(first, second, method, seed=seed, titles=titles, facts=said, on_stage=_stage)
    _stage("writing")
    both.save(output, color)
    honesty = {
        "first": both.first.honesty,
        "second": both.second.honesty,
        "moved": round(float(both.moved.mean()), 4),
    }
    facts = [("texts", f"{len(both):,} in both")]
    for made in (both.first, both.second):
        kept = dict(made.facts).get(
            "neighbors kept", "too few texts to say which neighbors it keeps"
        )
        facts.append((made.title, kept))
    facts.append(("moved", f"{both.moved.mean():.1%} of true neighbors differ between the two"))
    return honesty, [*facts, *(("note", note) for note in group_notes(both.notes))]


def _read(file: Path) -> Vectors:
    from veclab.vectorfiles.files import read
    from veclab.vectorfiles.foreign import refuse_foreign
    from veclab.vectorfiles.sidecar import has_sidecar

    refuse_foreign(file)
    if file.is_file() and file.suffix not in (".parquet", ".npz") and not has_sidecar(file):
        raise InputError(
            f"{file.name} is not a file of vectors (.parquet, .npz); embed its texts first: "
            f"{typed('embed', file, '-o', file.name.split('.')[0] + '.parquet')}"
        )
    return read(file)


def _stage(name: str) -> None:
    """Print a line for each stage on a terminal; a pipe gets none."""
    if sys.stderr.isatty():
        echo(f"{name} ...", err=True)


def _tell(
    facts: list[tuple[str, str]],
    honesty: dict[str, Any],
    output: Path,
    seconds: float,
    atlas: bool,
    as_json: bool,
) -> None:
    size = output.stat().st_size
    if as_json:
        print_json(
            {
                "output": str(output),
                "bytes": size,
                "seconds": round(seconds, 2),
                "honesty": honesty,
                "facts": dict(facts),
            }
        )
        return
    print_facts([*facts, ("time", f"{seconds:.1f} s in all"), ("size", f"{size / 1e6:.1f} MB")])
    if atlas:
        echo(
            f"\nembedding-atlas {output} --x x --y y --neighbors neighbors --text text\n"
            "(--text only where the file keeps texts)"
        )
    echo(f"\n{output.resolve().as_uri()}")
