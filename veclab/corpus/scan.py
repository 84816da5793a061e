"""The pass over the whole input before anything is begun: counts, checks, and column types."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from veclab.corpus.column_roles import RECORD_NUMBERS, Records, Roles, listed
from veclab.corpus.columns import OwnColumns, Shape, settle
from veclab.errors import InputError
from veclab.vectorfiles.schema import OWN_COLUMNS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

SCAN_ROWS, SCAN_CHARS = 8192, 4_000_000
SUSPECTS_AT_ONCE = 100_000
DUPLICATES_NAMED = 5


class Scan:
    """Takes in all records of a file, then says what was found. Holds 8 bytes a record."""

    def __init__(self, roles: Roles) -> None:
        self.roles = roles
        self.name = roles.file.name
        self.rows = 0
        self._seen: dict[str, None] = {}  # an ordered set of all columns there are
        self._left_out: tuple[str, ...] = ()
        self._altered: set[str] = set()
        self._digests = bytearray()
        self._fields: dict[str, pa.Field[Any] | Shape] = {}

    def take(self, records: Records) -> None:
        """Take in more records."""
        self._altered.update(records.altered)
        self._seen.update(dict.fromkeys(records.names))
        self._left_out = records.left_out
        if self.roles.id is not None:
            self._digests += digests(records.ids)
        for name, values in records.own.items():
            field = None if records.schema is None else records.schema.field(name)
            known = self._fields.setdefault(name, field or Shape())
            if _kind_of(known) != _kind_of(field):
                raise InputError(
                    f"{records.file.name}: column {name!r} holds {_kind_of(field)}, and in an "
                    f"input before it {_kind_of(known)}; leave it out with --drop {name}"
                )
            if isinstance(shape := self._fields[name], Shape):
                shape.observe(values)
        self.rows += len(records.lines)

    def finish(self) -> tuple[OwnColumns, list[str]]:
        """Return the types of the caller's own columns, and the notes; raises `InputError`."""
        columns, notes = settle(self._fields)
        names = [*self._seen, *self._left_out]
        self.roles.confirm(names, other_strings=self._strings(columns))
        if self.roles.id is not None:
            self._refuse_duplicates(repeated(self._digests))
        if self._left_out:
            notes.append(f"left out what an earlier veclab run added: {', '.join(self._left_out)}")
        if self._altered:
            notes.append(
                f"halves of surrogate pairs became U+FFFD in {listed(sorted(self._altered))}"
            )
        return columns, notes

    def _strings(self, columns: OwnColumns) -> bool:
        """Return whether one of the caller's own columns holds strings, as the texts do."""
        import pyarrow as pa

        return any(
            isinstance(known, Shape)
            and columns.schema.field(name).type == pa.string()
            and name not in columns.as_json
            for name, known in self._fields.items()
        )

    def _refuse_duplicates(self, suspects: npt.NDArray[np.uint64]) -> None:
        """Raise if ids of equal digest are in fact equal; two different ids are left in peace."""
        for start in range(0, len(suspects), SUSPECTS_AT_ONCE):
            lines = self._lines_of(suspects[start : start + SUSPECTS_AT_ONCE])
            twice = {name: at for name, at in lines.items() if len(at) > 1}
            if not twice:
                continue
            # Of several inputs with their names; of one, its number.
            unit = "" if self.roles.file.members else f"{self.roles.file.unit}s "
            named = "; ".join(f"{name!r} ({unit}{a} and {b})" for name, (a, b) in twice.items())
            more = " and more" if len(suspects) > len(twice) else ""
            column = self.roles.id
            drop = f" --drop {column}" if column in OWN_COLUMNS else ""
            raise InputError(
                f"{self.name}: ids in column {column!r} occur more than once: {named}{more}; "
                f"name another column with --id-column, or number the records instead: "
                f"--id-column '{RECORD_NUMBERS}'{drop}"
            )

    def _lines_of(self, suspects: npt.NDArray[np.uint64]) -> dict[str, list[str]]:
        """Find where ids of these digests occur first and second, for the first five of them."""
        import numpy as np

        lines: dict[str, list[str]] = {}
        twice = 0
        for records in self.roles.read(SCAN_ROWS, SCAN_CHARS):
            found = np.isin(np.frombuffer(digests(records.ids), np.uint64), suspects)
            for index in np.flatnonzero(found).tolist():
                at = lines.setdefault(records.ids[index], [])
                if len(at) < 2:
                    several = records.file is not self.roles.file
                    at.append(records.where(index) if several else str(records.lines[index]))
                    twice += len(at) == 2
                if twice == DUPLICATES_NAMED:
                    return lines
        return lines


def _kind_of(known: Any) -> str:
    """Return the Arrow type of a column that has one, to compare and to name."""
    return str(known.type) if hasattr(known, "type") else "values without a type"


def digests(ids: Sequence[str]) -> bytes:
    """Return 8 bytes for each id."""
    return b"".join([blake2b(name.encode(), digest_size=8).digest() for name in ids])


def repeated(digests: bytearray) -> npt.NDArray[np.uint64]:
    """Return the digests that occur more than once: each once, sorted. Sorts in place."""
    import numpy as np

    ordered = np.frombuffer(digests, np.uint64)
    ordered.sort()
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
