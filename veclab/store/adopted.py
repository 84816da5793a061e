"""Vectors that another tool keeps, taken into a store as they are, if a sample agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError
from veclab.store.fields import own_field
from veclab.store.intake import Block, Intake, Reading, text_block
from veclab.vectorfiles.foreign import foreign_vectors, vector_column

if TYPE_CHECKING:
    from veclab.store.store import Store

_ADDRESSES = ("postgresql://", "postgres://", "qdrant://")


def is_foreign(given: str, reading: Mapping[str, Any]) -> bool:
    """Whether an input holds vectors of another tool, and their column is not to be dropped."""
    place = given.partition("#")[0]
    if given.startswith(_ADDRESSES):
        return True
    found = foreign_vectors(given if Path(given).exists() else place)
    if found is None or "column" not in found:
        return found is not None
    column = vector_column(Path(given)) or ""
    return column.split(".")[0] not in (reading.get("drop") or ())


def adopted_intake(store: Store, given: str, reading: Mapping[str, Any]) -> Intake:
    """Open them; a sample of their texts is embedded again with the store's model.

    Raises:
        InputError: they do not agree, or hold no texts.
    """
    from veclab.auditing.adopt import agree
    from veclab.vectorfiles.source import open_vectors

    source = open_vectors(given, text_column=reading.get("column") or None)
    try:
        adopted = agree(source, store.model)
    except InputError as error:
        raise InputError(
            f"{error}. (veclab index takes vectors over as they are; --model names the model that "
            "made them, and --drop with their column has the texts embedded instead)"
        ) from None
    first = next(iter(adopted.parts()), None)
    columns = None if first is None else first.columns
    own = [] if columns is None else [own_field(column) for column in columns.schema]

    def blocks(state: Reading) -> Iterator[Block]:
        for part in adopted.parts():
            if not state.seen.isdisjoint(part.ids) or len(set(part.ids)) < len(part.ids):
                raise InputError(f"{given}: some ids occur twice")
            texts = part.texts or []
            yield from text_block(
                state, part.ids, texts, own, part.columns if own else None, vectors=part.array
            )

    # An address may hold a password, and the name of a source is kept.
    name = source.about.name if given.startswith(_ADDRESSES) else str(Path(given).resolve())
    return Intake(
        source.about.name,
        name,
        own,
        blocks,
        needs_model=False,
        space=adopted.space,
        notes=adopted.report().notes,
    )
