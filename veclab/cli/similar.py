"""`veclab similar`: how alike are texts, or a text and a file of vectors?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.console import (
    json_option,
    print_json,
    print_table,
    shorten,
)
from veclab.cli.options import loading_options
from veclab.models.names import DEFAULT_MODEL


@click.command()
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option(
    "--model",
    "-m",
    metavar="NAME",
    help="Name or folder of a model, or openai:MODEL; by default the file's own, or "
    f"{DEFAULT_MODEL}.",
)
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Find the nearest texts in this file of vectors.",
)
@click.option(
    "--top", "-k", type=click.IntRange(min=1), default=5, show_default=True, help="How many."
)
@loading_options
@json_option
def similar(
    texts: tuple[str, ...],
    model: str | None,
    to: Path | None,
    top: int,
    loading: dict[str, Any],
    as_json: bool,
) -> None:
    """Print how similar texts are: cosine similarity, 1 for the same meaning.

    With --to FILE, print the texts of the file nearest to each text given.
    """
    if to is not None:
        _nearest(list(texts), to, model, loading, top, as_json)
        return
    if len(texts) < 2:
        raise click.UsageError("give two texts or more, or --to FILE")
    _matrix(list(texts), model or DEFAULT_MODEL, loading, as_json)


def _matrix(texts: list[str], name: str, loading: dict[str, Any], as_json: bool) -> None:
    from veclab.meaning.similarity import similarity
    from veclab.model import load

    vectors = load(name, **loading).embed(texts)
    scores = similarity(vectors, vectors)
    if as_json:
        print_json(
            {
                "space_id": vectors.space.id,
                "texts": texts,
                "similarity": [[round(float(x), 6) for x in row] for row in scores],
            }
        )
        return
    header = ["", "", *(str(i + 1) for i in range(len(texts)))]
    rows = [
        [str(i + 1), shorten(text), *(f"{x:.3f}" for x in scores[i])]
        for i, text in enumerate(texts)
    ]
    print_table(header, rows, left=2)


def _nearest(
    texts: list[str],
    file: Path,
    name: str | None,
    loading: dict[str, Any],
    top: int,
    as_json: bool,
) -> None:
    from veclab.meaning.similarity import nearest
    from veclab.model import load, load_for
    from veclab.space import Role, require_same
    from veclab.vectorfile import read

    vectors = read(file)
    model = load_for(vectors.space, **loading) if name is None else load(name, **loading)
    require_same(vectors.space, model.space, names=(file.name, "the query"))
    role: Role | None = "query" if "query" in dict(model.space.prompts) else None
    queries = model.embed(texts, role=role)
    found = nearest(queries, vectors, top)
    if as_json:
        print_json(
            [
                {
                    "query": query,
                    "nearest": [
                        {"id": vectors.ids[i], "score": round(float(s), 6), "text": row_text}
                        for i, s in zip(found.positions[q], found.scores[q], strict=True)
                        for row_text in [None if vectors.texts is None else vectors.texts[i]]
                    ],
                }
                for q, query in enumerate(texts)
            ]
        )
        return
    for q, query in enumerate(texts):
        click.echo(f"nearest to: {shorten(query)}")
        rows = [
            [f"{s:.3f}", vectors.ids[i], "" if vectors.texts is None else shorten(vectors.texts[i])]
            for i, s in zip(found.positions[q], found.scores[q], strict=True)
        ]
        print_table(["score", "id", "text"], rows, left=3)
