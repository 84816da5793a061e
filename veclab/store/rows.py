"""Rows: passages with their vectors as Arrow tables, the form in which back ends take and give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.store.fields import (
    BUILT_IN,
    Field,
    arrow_type,
    fields_of,
    own_column,
)
from veclab.store.passage import Passage
from veclab.vectorfiles.schema import SPACE_KEY

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.documents.document import Box
    from veclab.space import Space

_BOX = ("page", "left", "bottom", "right", "top")  # the fields of veclab.documents.Box


def table_schema(space: Space, own: Iterable[Field] = ()) -> pa.Schema:
    """The schema of a table of passages: built-in columns, then the user's own."""
    import pyarrow as pa

    box = pa.struct([pa.field(n, pa.float32()) for n in _BOX])
    columns = [pa.field(name, arrow_type(kind)) for name, kind in BUILT_IN.items()]
    columns += [
        pa.field("digest", pa.string()),
        pa.field("embedded", pa.string()),
        pa.field("boxes", pa.list_(box)),
        pa.field("embedding", pa.list_(pa.float32(), space.dimensions)),
    ]
    columns += map(own_column, own)
    return pa.schema(columns, metadata={SPACE_KEY: space.to_json().encode()})


def own_fields(schema: pa.Schema) -> list[Field]:
    """The user's own fields of a table."""
    return [f for f in fields_of(schema).values() if f.name not in BUILT_IN]


def to_rows(
    schema: pa.Schema,
    passages: Sequence[Passage],
    vectors: NDArray[np.float32],
    *,
    source: str,
    digests: Sequence[str],
    embedded: Sequence[str | None] | None = None,
) -> pa.Table:
    """Rows of a table's schema.

    Args:
        schema: of `table_schema`.
        passages: n of them; fields that the schema lacks are an error.
        vectors: float32 (n, dim).
        source: the input they come from; what is gone from it goes from the store.
        digests: n digests of their documents' contents.
        embedded: n texts that were embedded, None where that is the passage's text.
    """
    import pyarrow as pa

    own = own_fields(schema)
    known = {field.name for field in own}
    for passage in passages:
        if extra := set(passage.fields) - known:
            raise InputError(
                f"the passage {passage.id!r} has fields that the store has not: {sorted(extra)}"
            )
    columns: dict[str, Any] = {
        "id": [p.id for p in passages],
        "document": [p.document for p in passages],
        "source": [source] * len(passages),
        "text": [p.text for p in passages],
        "file": [p.file for p in passages],
        "page": [p.page for p in passages],
        "heading": ["\n".join(p.heading) or None for p in passages],
        "anchor": [p.anchor for p in passages],
        "start": [p.start for p in passages],
        "end": [p.end for p in passages],
        "digest": list(digests),
        "embedded": [None] * len(passages) if embedded is None else list(embedded),
        "boxes": [[b._asdict() for b in p.boxes] or None for p in passages],
    }
    columns |= {f.column: [p.fields.get(f.name) for p in passages] for f in own}
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    arrays = {}
    for field in schema:
        if field.name == "embedding":
            arrays[field.name] = pa.FixedSizeListArray.from_arrays(flat, type=field.type)
            continue
        try:
            arrays[field.name] = pa.array(columns[field.name], field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise InputError(
                f"the field {field.name!r} holds a value of a wrong type: {error}"
            ) from None
    return pa.table(arrays, schema=schema)


def with_vectors(rows: pa.Table, schema: pa.Schema, vectors: NDArray[np.float32]) -> pa.Table:
    """Rows of another table of the same fields, with other vectors: float32 (n, dim)."""
    import pyarrow as pa

    kind = schema.field("embedding").type
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    columns = [
        pa.FixedSizeListArray.from_arrays(flat, type=kind) if name == "embedding" else rows[name]
        for name in schema.names
    ]
    return pa.table(columns, schema=schema)


def to_passages(rows: pa.Table) -> list[Passage]:
    """Read passages; columns that were not fetched stay at their defaults."""
    own = own_fields(rows.schema)
    columns = {name: rows[name].to_pylist() for name in rows.column_names if name != "embedding"}

    def get(name: str, i: int) -> Any:
        return columns[name][i] if name in columns else None

    return [
        Passage(
            id=columns["id"][i],
            document=columns["document"][i],
            text=columns["text"][i],
            file=get("file", i),
            page=get("page", i),
            heading=tuple((get("heading", i) or "").split("\n")) if get("heading", i) else (),
            anchor=get("anchor", i),
            start=get("start", i),
            end=get("end", i),
            boxes=_boxes(get("boxes", i)),
            fields={f.name: columns[f.column][i] for f in own},
        )
        for i in range(rows.num_rows)
    ]


def _boxes(found: list[dict[str, float]] | None) -> tuple[Box, ...]:
    if not found:
        return ()
    from veclab.documents.document import Box

    return tuple(Box(int(b["page"]), *(b[name] for name in _BOX[1:])) for b in found)


def vectors_of(rows: pa.Table) -> NDArray[np.float32]:
    """The vectors of rows: float32 (n, dim)."""
    column = rows.schema.field("embedding").type
    chunks = [chunk.flatten().to_numpy() for chunk in rows["embedding"].chunks]
    flat = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return flat.reshape(-1, column.list_size)
