"""Files as commands take them: vectors as they are, or texts to embed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from veclab.cli.console import echo, print_note, progress
from veclab.cli.options import chosen
from veclab.models.names import DEFAULT_MODEL
from veclab.vectors import Vectors


def vectors_of(
    file: Path, name: str | None, loading: dict[str, Any], reading: dict[str, Any]
) -> Vectors:
    """Return the vectors in a file of vectors; or embed a file's texts."""
    from veclab.vectorfiles.files import holds_vectors, read
    from veclab.vectorfiles.foreign import refuse_foreign

    if holds_vectors(file):
        if name is not None or chosen(reading):
            raise click.UsageError(
                f"{file.name} holds vectors: omit --model and the options for reading texts"
            )
        return read(file)
    refuse_foreign(file)
    from veclab.corpus import open_source
    from veclab.model import load

    source = open_source(file, **reading)
    ids: list[str] = []
    texts: list[str | None] = []
    for block in source.blocks():
        ids += block.ids
        texts += block.texts
    model = load(name or DEFAULT_MODEL, **loading)
    with progress("embedding", len(texts)) as advance:
        vectors = model.embed(texts, ids=ids, on_empty="skip", on_done=advance)  # type: ignore[arg-type]
    for note in source.notes:
        print_note(note)
    print_notes(vectors)
    return vectors


def print_notes(vectors: Vectors) -> None:
    """Print on standard error what the user must know of how the vectors were made."""
    for note in remarks(vectors.report):
        print_note(note)


def remarks(report: Any) -> list[str]:
    """Return what the user must know of the texts: truncated, left out, unknown words."""
    told = {"truncated", "empty", "unknown", "not known", "refused", "note"}
    return [
        line if label == "note" else f"{label}: {line}"
        for label, line in report.lines()
        if label in told and line != "0"
    ]


def token_counts_of(
    file: Path, name: str | None, loading: dict[str, Any], reading: dict[str, Any]
) -> tuple[list[int], int | None]:
    """Return the token counts of a file of vectors or texts, and the limit they were read with."""
    from veclab.errors import InputError
    from veclab.vectorfiles.files import holds_vectors, read
    from veclab.vectorfiles.source import open_vectors

    if holds_vectors(file) and name is None:
        vectors = read(file)
        if vectors.tokens is None:
            raise InputError(f"{file.name} does not record the token counts of its texts")
        recipe = open_vectors(file).about.recipe
        if recipe is None:
            echo(f"note: {file.name} does not record the token limit of its texts", err=True)
        return vectors.tokens.tolist(), None if recipe is None else recipe.max_tokens
    from veclab.corpus import open_source
    from veclab.model import load

    source = open_source(file, **reading)
    model = load(name or DEFAULT_MODEL, **loading)
    counts: list[int] = []
    with progress("counting", None) as advance:
        for block in source.blocks():
            texts = [text for text in block.texts if text]
            counts += model.count_tokens(texts)
            advance(len(block.texts))
    for note in source.notes:
        print_note(note)
    return counts, model.max_tokens
