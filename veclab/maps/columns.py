"""Columns of a map: what a point can be colored by, and what is shown beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["category", "number", "text"]
Role = Literal["own", "preservation", "cluster", "length", "tokens", "truncated", "source", "moved"]
# More different values than this (or than half the rows) are read, not colored by.
_MOST_LEVELS = 10_000
_LEVELS_IN_16_BITS = 65_534


@dataclass(frozen=True, slots=True)
class Column:
    """One column of n rows.

    Attributes:
        name: as shown.
        kind: how it is read: a category, a number, or strings to show.
        role: what it says, where veclab made it.
        values: of a category uint8 or uint16 (n,), 0 for missing, i + 1 for levels[i]; of a number
            float32 or float64 (n,), NaN for missing.
        levels: of a category, most frequent first.
        strings: of a text column, n of them.
        format: of a number: `number`, `integer`, `share` or `date` (milliseconds since 1970).
    """

    name: str
    kind: Kind
    role: Role = "own"
    values: NDArray[Any] | None = None
    levels: list[str] = field(default_factory=list)
    strings: Sequence[str | None] | None = None
    format: str = "number"

    def take(self, rows: NDArray[np.intp]) -> Column:
        """The same column in another order of rows."""
        return Column(
            self.name,
            self.kind,
            self.role,
            None if self.values is None else self.values[rows],
            self.levels,
            None if self.strings is None else [self.strings[i] for i in rows],
            self.format,
        )

    def describe(self, key: str) -> dict[str, Any]:
        """What the head of a page says of it."""
        said: dict[str, Any] = {"key": key, "name": self.name, "role": self.role, "kind": self.kind}
        if self.values is None:
            return said
        if self.kind == "category":
            counts = np.bincount(self.values, minlength=len(self.levels) + 1)
            return said | {
                "levels": self.levels,
                "counts": counts[1:].tolist(),
                "missing": int(counts[0]),
            }
        finite = self.values[np.isfinite(self.values)]
        return said | {
            "format": self.format,
            "width": self.values.dtype.itemsize,
            "low": float(finite.min()) if len(finite) else None,
            "high": float(finite.max()) if len(finite) else None,
            "missing": int(np.isnan(self.values).sum()),
        }


def category(name: str, values: Sequence[str | None], role: Role = "own") -> Column:
    """A category of the given strings; the levels most frequent first, then by name."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = pa.array(values, pa.string()).dictionary_encode()
    names = coded.dictionary.to_pylist()
    codes = np.asarray(pc.fill_null(coded.indices, -1)).astype(np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    place = np.zeros(len(names) + 1, dtype=np.int64)  # the last is for -1, missing
    place[order] = np.arange(1, len(names) + 1)
    return Column(
        name,
        "category",
        role,
        place[codes].astype(np.uint8 if len(names) <= 255 else np.uint16),
        [names[i] for i in order],
    )


def number(name: str, values: NDArray[Any], role: Role = "own", format: str = "number") -> Column:
    """A number for each row; float32 where that loses nothing."""
    exact = values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        short = exact.astype(np.float32)
        same = bool(((short == exact) | np.isnan(exact)).all())
    lossless = same or values.dtype == np.float32
    return Column(name, "number", role, short if lossless else exact, format=format)


def of_table(table: pa.Table, color: str | None = None) -> list[Column]:
    """The columns of an Arrow table; `color` is a category even if nearly all values differ."""
    return [
        of_array(name, values.combine_chunks(), forced=name == color)
        for name, values in zip(table.column_names, table.columns, strict=True)
    ]


def of_array(name: str, values: pa.Array, forced: bool = False) -> Column:
    """One column by its Arrow type: numbers, dates, categories; all else as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if pa.types.is_dictionary(kind):
        return of_array(name, values.dictionary_decode(), forced)
    if pa.types.is_boolean(kind):
        return category(name, [None if v is None else str(v).lower() for v in values.to_pylist()])
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moments = pc.cast(values, pa.timestamp("ms"), safe=False)
        return number(name, _floats(pc.cast(moments, pa.int64())), format="date")
    if pa.types.is_integer(kind):
        return number(name, _floats(values), format="integer")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return number(name, _floats(values))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        strings = values.to_pylist()
    else:
        strings = [None if v is None else str(v) for v in values.to_pylist()]
    distinct = len(set(strings))
    few = distinct <= min(_MOST_LEVELS, max(50, len(strings) // 2))
    if few or (forced and distinct <= _LEVELS_IN_16_BITS):
        return category(name, strings)
    return Column(name, "text", strings=strings)


def _floats(values: pa.Array) -> NDArray[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.type == pa.float32():
        return np.asarray(pc.fill_null(values, float("nan")), dtype=np.float32)
    floats = pc.cast(values, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(floats, float("nan")), dtype=np.float64)
