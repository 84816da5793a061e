"""Fields: what a passage in a store is made of, the user's own included, and of what kind each is.

A table column bears its field's name where any database takes that name; others are spelled out
(`odd name` -> `odd_x20_name`), and the Arrow field's metadata keep the name as the user wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

from veclab.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "integer", "number", "boolean", "date", "time"]

NAME_KEY = b"veclab.name"

# The columns of every table that a filter may name, in the table's order, and their kinds.
BUILT_IN: dict[str, Kind] = {
    "id": "text",
    "document": "text",
    "source": "text",
    "text": "text",
    "file": "text",
    "page": "integer",
    "heading": "text",
    "anchor": "text",
    "start": "integer",
    "end": "integer",
}
# Those that only veclab itself reads: the document's digest, what was embedded where that is not
# the text itself, boxes, and the vector.
INTERNAL = ("digest", "embedded", "boxes", "embedding")
# Each table of PostgreSQL has columns of these names.
_SYSTEM = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")
_LONGEST = 60  # characters; PostgreSQL cuts longer names
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a passage: its name as people write it, its kind, the column that holds it."""

    name: str
    kind: Kind
    column: str


def column_name(name: str) -> str:
    """The column that holds a field of the user's."""
    if (
        _PLAIN.match(name)
        and "_x" not in name
        and not name.startswith("_")
        and name not in _SYSTEM
        and len(name) <= _LONGEST
    ):
        return name
    spelled = "f" + re.sub(r"[^A-Za-z0-9]", lambda m: f"_x{ord(m.group()):x}_", name)
    if len(spelled) <= _LONGEST:
        return spelled
    return "f_" + blake2b(name.encode(), digest_size=16).hexdigest()


def own_field(field: pa.Field[pa.DataType]) -> Field:
    """Read a column of the user's, as it comes from a file or as a table holds it.

    Raises:
        InputError: the name is a built-in field's, or the type is none that can be filtered.
    """
    name = (field.metadata or {}).get(NAME_KEY, field.name.encode()).decode()
    if name in BUILT_IN or name in INTERNAL:
        raise InputError(f"the field name {name!r} is the store's own; rename yours or drop it")
    kind = kind_of(field.type)
    if kind is None:
        raise InputError(
            f"the field {name!r} has the type {field.type}; a store keeps texts, whole and decimal "
            "numbers, booleans, dates and times. Drop it (--drop) or turn it into one of these"
        )
    return Field(name, kind, column_name(name))


def kind_of(kind: pa.DataType) -> Kind | None:
    """What a value of an Arrow type is to a filter; None for lists, structs and the like."""
    import pyarrow as pa

    tests: list[tuple[Kind, bool]] = [
        ("text", pa.types.is_string(kind) or pa.types.is_large_string(kind)),
        ("integer", pa.types.is_integer(kind)),
        ("number", pa.types.is_floating(kind)),
        ("boolean", pa.types.is_boolean(kind)),
        ("date", pa.types.is_date(kind)),
        ("time", pa.types.is_timestamp(kind)),
    ]
    return next((name for name, true in tests if true), None)


def arrow_type(kind: Kind) -> pa.DataType:
    """The one Arrow type in which values of a kind are kept."""
    import pyarrow as pa

    return {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.timestamp("us"),
    }[kind]


def own_column(field: Field) -> pa.Field[pa.DataType]:
    """The column of a table for a field of the user's."""
    import pyarrow as pa

    metadata = {NAME_KEY: field.name.encode()}
    return pa.field(field.column, arrow_type(field.kind), metadata=metadata)


def fields_of(schema: pa.Schema) -> dict[str, Field]:
    """All fields of a table that a filter may name, by name."""
    known = {name: Field(name, kind, name) for name, kind in BUILT_IN.items()}
    for column in schema:
        if column.name not in BUILT_IN and column.name not in INTERNAL:
            field = own_field(column)
            known[field.name] = replace(field, column=column.name)
    return known
