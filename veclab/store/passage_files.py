"""Files of passages (`veclab embed --chunks`) in a store: with their documents and places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.corpus.passages import SPAN_COLUMNS
from veclab.errors import InputError
from veclab.pipeline.prepare import repair_surrogates
from veclab.store.passage import Passage

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.store.fields import Field
    from veclab.store.intake import Block, Reading

_ROWS = 1024
Part = tuple[Sequence[str], Sequence[str | None], Any, NDArray[np.float32]]


def has_spans(columns: Iterable[pa.Field[Any]]) -> bool:
    """Whether a file's own columns say of which document each row is, and where it stands."""
    import pyarrow as pa

    kinds = {column.name: column.type for column in columns}
    if not set(SPAN_COLUMNS) <= set(kinds):
        return False
    document, start, end = (kinds[name] for name in SPAN_COLUMNS)
    strings = pa.types.is_string(document) or pa.types.is_large_string(document)
    return bool(strings and pa.types.is_integer(start) and pa.types.is_integer(end))


def passage_blocks(
    state: Reading, parts: Iterable[Part], own: Sequence[Field], name: str
) -> Iterator[Block]:
    """Read runs of passages; those of a document stand together, and change together.

    Args:
        state: what the store has.
        parts: ids, texts, columns (spans and `own`) and vectors, a run of rows each.
        own: the caller's own fields.
        name: of the input, for messages.

    Raises:
        InputError: the passages of a document do not stand together, or one has no document.
    """
    from veclab.store.intake import Block

    every = (pair for part in parts for pair in _passages(state, part, own, name))
    block, vectors = Block([], [], []), list[NDArray[np.float32]]()
    for document, group in groupby(every, key=lambda pair: pair[0].document):
        if document in state.seen:
            raise InputError(f"{name}: the passages of {document!r} do not stand together")
        pairs = list(group)
        digest = _digest(pairs)
        if not state.is_new(document, digest):
            continue
        block.passages += [passage for passage, _ in pairs]
        block.digests += [digest] * len(pairs)
        block.embedded += [None] * len(pairs)
        vectors += [vector for _, vector in pairs]
        if len(vectors) >= _ROWS:
            yield replace(block, vectors=np.stack(vectors))
            block, vectors = Block([], [], []), []
    if vectors:
        yield replace(block, vectors=np.stack(vectors))


def _passages(
    state: Reading, part: Part, own: Sequence[Field], name: str
) -> Iterator[tuple[Passage, NDArray[np.float32]]]:
    ids, texts, columns, array = part
    documents, starts, ends = (columns[column].to_pylist() for column in SPAN_COLUMNS)
    values = [columns[field.name].to_pylist() for field in own]
    for row, (id, text, vector) in enumerate(zip(ids, texts, array, strict=True)):
        if documents[row] is None:
            raise InputError(f"{name}: the passage {id!r} has no document")
        if text is None or not text.strip():
            state.skipped.append((id, "it holds no text"))
            continue
        fields = {field.name: value[row] for field, value in zip(own, values, strict=True)}
        span = {"start": starts[row], "end": ends[row]}
        yield Passage(id, documents[row], repair_surrogates(text), **span, fields=fields), vector


def _digest(pairs: Iterable[tuple[Passage, NDArray[np.float32]]]) -> str:
    """Of all that the passages of a document are."""
    digest = blake2b(digest_size=16)
    for passage, vector in pairs:
        facts = (passage.id, passage.text, passage.start, passage.end, dict(passage.fields))
        digest.update(repr(facts).encode(errors="replace") + vector.tobytes())
    return digest.hexdigest()
