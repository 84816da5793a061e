"""`veclab picture`: what a file of vectors, or of texts, looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import echo, json_option, print_json
from veclab.cli.inputs import token_counts_of, vectors_of
from veclab.cli.options import loading_options, reading_options
from veclab.cli.typed import Commands
from veclab.models.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture
    from veclab.vectors import Vectors

Command = Callable[..., Any]
_FILE = click.Path(path_type=Path)


@click.group(cls=Commands)
def picture() -> None:
    """Draw charts of vectors: .png, .svg or .pdf.

    INPUT is a file of vectors, or of texts, which are embedded first. Other commands draw
    pictures, too: `veclab similar TEXT TEXT ... -o`, `analogy ... -o`, `bias -o`, `compare -o`.
    """


def _shared(command: Command) -> Command:
    """Add the argument and options of every picture; how to read texts arrives as `reading`."""
    for option in reversed(
        (
            click.argument("file", metavar="INPUT", type=_FILE),
            click.option(
                "--output",
                "-o",
                metavar="PICTURE",
                type=_FILE,
                required=True,
                help="File to write: .png, .svg or .pdf.",
            ),
            click.option("--title", help="Title of the picture."),
            click.option(
                "--model",
                "-m",
                shell_complete=complete_models,
                metavar="NAME",
                help=f"Model for a file of texts [{DEFAULT_MODEL}].",
            ),
            reading_options,
            loading_options,
            json_option,
        )
    ):
        command = option(command)
    return command


_sample_option = click.option(
    "--sample", type=click.IntRange(min=1), metavar="N", help="Draw a random sample of this size."
)
_seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="Random seed of the sample."
)


@picture.command()
@_shared
@_sample_option
@_seed_option
@click.option("--no-order", is_flag=True, help="Keep the order of the file.")
def heatmap(sample: int | None, seed: int, no_order: bool, **given: Any) -> None:
    """Pairwise similarity, with similar texts next to each other."""

    def draw(vectors: Vectors) -> Picture:
        from veclab.pictures import heatmap

        if sample is not None and sample < len(vectors):
            import numpy as np

            chosen = np.random.default_rng(seed).choice(len(vectors), sample, replace=False)
            vectors = vectors[np.sort(chosen)]
        return heatmap(vectors, order=not no_order, title=given["title"])

    _draw(draw, **given)


@picture.command()
@_shared
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    metavar="N",
    help="Find the nearest neighbors of this many texts, among all.",
)
@_seed_option
def similarities(sample: int, seed: int, **given: Any) -> None:
    """Cosine similarity of random pairs and of nearest neighbors."""

    def draw(vectors: Vectors) -> Picture:
        from veclab.pictures import similarities

        return similarities(vectors, sample=sample, seed=seed, title=given["title"])

    _draw(draw, **given)


@picture.command()
@_shared
def spectrum(**given: Any) -> None:
    """Variance by principal component, and the effective rank."""

    def draw(vectors: Vectors) -> Picture:
        from veclab.pictures import spectrum

        return spectrum(vectors, title=given["title"])

    _draw(draw, **given)


@picture.command()
@_shared
def lengths(**given: Any) -> None:
    """Token counts, and the texts over the limit; nothing is embedded."""

    def draw(counted: tuple[Any, int | None]) -> Picture:
        from veclab.pictures import lengths

        return lengths(*counted, title=given["title"])

    _draw(draw, token_counts_of, **given)


def _draw(
    draw: Callable[[Any], Picture],
    read: Callable[..., Any] = vectors_of,
    *,
    file: Path,
    output: Path,
    title: str | None,
    model: str | None,
    reading: dict[str, Any],
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Read the input, draw what was read, and write the picture."""
    from veclab.pictures import check_picture

    check_picture(output)
    path = draw(read(file, model, loading, reading)).write(output)
    if as_json:
        print_json({"written": str(path)})
    else:
        echo(f"written  {path}")
