"""The caller's own columns: which Arrow type holds every value of a column exactly.

Arrow's own inference is not used because its answer depends on where a file happens to be cut into
blocks, and because it turns `True` into 1.0 once a column also holds fractions. Here a column has a
type only if that type gives back what was read; any other column is kept as JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DEPTH = 12  # Parquet readers refuse schemas nested much deeper than this
MAX_FIELDS = 256  # an object with more keys than this is a map (word -> count), not a struct

KINDS = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "a list",
    dict: "an object",
}

_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Unfit(Exception):
    """No Arrow type holds these values exactly; the message is the reason, as a clause."""


class Shape:
    """What has been seen of a column (or of a list's items, or an object's field) so far."""

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.kinds: set[type] = set()
        self.low = self.high = 0  # the range of the integers
        self.item: Shape | None = None
        self.fields: dict[str, Shape] = {}
        self.crowded = False

    def observe(self, values: Collection[Any]) -> None:
        """Take in a run of JSON values: None, bool, int, float, str, list or dict."""
        kinds = set(map(type, values))
        self.kinds |= kinds
        if int in kinds:
            ints = [value for value in values if type(value) is int]
            self.low, self.high = min(self.low, *ints), max(self.high, *ints)
        if self.depth == MAX_DEPTH:
            return
        if list in kinds:
            self.item = self.item or Shape(self.depth + 1)
            self.item.observe(list(chain.from_iterable(v for v in values if type(v) is list)))
        if dict in kinds:
            self._observe_fields([value for value in values if type(value) is dict])

    def _observe_fields(self, objects: list[dict[str, Any]]) -> None:
        for name in dict.fromkeys(chain.from_iterable(objects)):
            if name not in self.fields and len(self.fields) == MAX_FIELDS:
                self.crowded = True
                return
            field = self.fields.setdefault(name, Shape(self.depth + 1))
            field.observe([value.get(name) for value in objects])

    def arrow_type(self) -> pa.DataType:
        """Return the type that holds all values seen; raises `Unfit` when there is none."""
        import pyarrow as pa

        kinds = self.kinds - {NoneType}
        if kinds <= {int, float} and kinds:
            return self._number_type(kinds)
        if len(kinds) > 1:
            names = sorted(KINDS[kind] for kind in kinds)
            raise Unfit(f"holds {', '.join(names[:-1])} and {names[-1]} in different records")
        if kinds == {list}:
            return pa.list_(_inner(self.item).arrow_type())
        if kinds == {dict}:
            return self._struct_type()
        if kinds:
            return pa.bool_() if kinds == {bool} else pa.string()
        return pa.null()

    def _number_type(self, kinds: set[type]) -> pa.DataType:
        import pyarrow as pa

        bits = 53 if float in kinds else 63  # the integers that the type holds exactly
        if self.low < -(2**bits) or self.high > 2**bits - (float not in kinds):
            raise Unfit(f"holds integers beyond {bits + (float not in kinds)} bits")
        return pa.float64() if float in kinds else pa.int64()

    def _struct_type(self) -> pa.DataType:
        import pyarrow as pa

        if self.depth == MAX_DEPTH:
            raise Unfit(f"is nested deeper than {MAX_DEPTH} levels")
        if self.crowded:
            raise Unfit(f"holds objects with more than {MAX_FIELDS} different keys")
        if not self.fields:
            raise Unfit("holds objects without keys")
        return pa.struct([(name, shape.arrow_type()) for name, shape in self.fields.items()])


def _inner(item: Shape | None) -> Shape:
    if item is None:
        raise Unfit(f"is nested deeper than {MAX_DEPTH} levels")
    return item


@dataclass(frozen=True)
class OwnColumns:
    """The caller's own columns as they go into an Arrow table."""

    schema: pa.Schema
    as_json: frozenset[str]  # those that no Arrow type holds

    def table(self, columns: Mapping[str, Any], rows: int) -> pa.Table | None:
        """Return `rows` records as a table; None without columns, null where one is missing."""
        import pyarrow as pa

        if not len(self.schema):
            return None
        arrays: list[Any] = []
        for entry in self.schema:
            values = columns.get(entry.name, [None] * rows)
            if entry.name in self.as_json:
                values = json_text(values)
            arrays.append(pa.array(values, entry.type) if isinstance(values, list) else values)
        return pa.Table.from_arrays(arrays, schema=self.schema)


def settle(found: Mapping[str, pa.Field[Any] | Shape]) -> tuple[OwnColumns, list[str]]:
    """Return the types of all columns, from each one's Arrow field or shape, and notes on JSON."""
    import pyarrow as pa

    fields: list[Any] = []
    notes: dict[str, str] = {}
    for name, known in found.items():
        if not isinstance(known, Shape):
            fields.append(known)
            continue
        try:
            fields.append(pa.field(name, known.arrow_type()))
        except Unfit as reason:
            fields.append(pa.field(name, pa.string()))
            notes[name] = f"column {name!r} {reason}: kept as JSON text"
    return OwnColumns(pa.schema(fields), frozenset(notes)), list(notes.values())


def json_text(values: Iterable[Any]) -> list[str | None]:
    """Return each value as JSON text; null stays null."""
    return [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]


def holds_half_pair(text: str) -> bool:
    """Return whether it holds a lone surrogate, which UTF-8 and Arrow cannot hold."""
    return _HALF_PAIR.search(text) is not None


def without_half_pairs(value: Any) -> Any:
    """Return the JSON value with U+FFFD for every lone surrogate, at any depth."""
    if isinstance(value, str):
        return _HALF_PAIR.sub("\ufffd", value)
    if isinstance(value, list):
        return [without_half_pairs(item) for item in value]
    if isinstance(value, dict):
        return {without_half_pairs(key): without_half_pairs(item) for key, item in value.items()}
    return value
