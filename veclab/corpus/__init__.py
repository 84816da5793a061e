"""A corpus on disk as a stream of blocks, with the caller's own columns, in flat memory.

`open_source` reads the whole input once before anything else happens: embedding costs time and
money, so nothing is begun for a file that turns out broken at line 900,000. `Source.blocks` then
reads it again. The steps: `find` the input, read its format as `formats` know it, give the columns
their `roles`, `scan` it to the end, and settle the types of the caller's own `columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from veclab.corpus.column_roles import Roles, listed, settle_roles
from veclab.corpus.columns import OwnColumns
from veclab.corpus.find import Input, Reading, find, state
from veclab.corpus.formats import FOLDER_SUFFIXES
from veclab.corpus.scan import SCAN_CHARS, SCAN_ROWS, Scan
from veclab.errors import InputError
from veclab.vectorfiles.joined import named_columns

if TYPE_CHECKING:
    import pyarrow as pa


class NoTexts(InputError):
    """An input was read to its end and has no records."""


@dataclass(frozen=True)
class Block:
    """A run of n consecutive records."""

    ids: list[str]
    texts: list[str | None]  # None where the input has null or no value
    columns: pa.Table | None  # the caller's own columns, n rows; None when there are none


@dataclass(frozen=True)
class Source:
    """An input that was read once and found sound."""

    name: str  # as the user gave it
    rows: int  # records in all
    id_column: str | None  # None: records are numbered from 1, as an editor numbers lines
    text_columns: tuple[str, ...]  # several are joined in this order
    schema: pa.Schema  # of the caller's own columns; may be empty
    notes: tuple[str, ...]  # what the user must be told
    _roles: Roles = field(repr=False, compare=False)
    _own: OwnColumns = field(repr=False, compare=False)
    _state: object = field(repr=False, compare=False)  # of the file when it was scanned

    def blocks(self, size: int = 8192, max_chars: int = 16_000_000) -> Iterator[Block]:
        """Yield blocks of records; one ends at `size` records or `max_chars` characters.

        The characters are those read (mark-up and own columns included), so that they bound the
        memory a block takes; a block holds at least one record however long. May be called again.
        Raises `InputError` if the file has changed since it was scanned.
        """
        if size < 1 or max_chars < 1:
            raise InputError(f"a block needs a size of 1 or more, not {min(size, max_chars)}")
        self._require_unchanged()
        done = 0
        try:
            for records in self._roles.read(size, max_chars):
                n = len(records.lines)
                yield Block(records.ids, records.texts, self._own.table(records.own, n))
                done += n
        except Exception:  # of whichever reader: half of a new file is damaged to it
            self._require_unchanged()
            raise
        self._require_unchanged(done)

    def _require_unchanged(self, rows: int | None = None) -> None:
        """Raise InputError where the file is not the one that was scanned."""
        if state(self._roles.file) != self._state or rows not in (None, self.rows):
            raise InputError(
                f"{self.name} has changed since it was checked; start again when it is finished"
            )


def open_source(
    path: Input,
    *,
    column: str | Sequence[str] | None = None,
    join: str | None = None,
    id_column: str | None = None,
    format: str | None = None,
    header: bool | None = None,
    drop: Sequence[str] = (),
    delimiter: str | None = None,
    quotes: bool | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    on_scan: Callable[[int], None] | None = None,
) -> Source:
    """Check an input from end to end: a file, a folder of text files, `-` (standard input).

    It may also be a pattern ("data/*.csv"), an address (https://, hf://datasets/OWNER/NAME/PATH),
    or a list of all these, which are read one after the other as one input. Files are .txt (a text
    a line), .jsonl, .json (an array), .csv, .tsv, each of these also as .gz; .parquet, .arrow,
    .feather; .xlsx, .xls, .ods; .md and the like, which are one text each. What a pipe holds is
    found out.

    `column` holds the texts: else "text", else the only column of strings. The texts of several
    columns are joined in the order given, with `join` (a blank line) between those that hold
    something; they also stay the caller's own columns. `id_column` holds the
    ids (strings or integers): else "id", else "_id", else records are numbered from 1; "#" asks for
    numbers. `format` ("jsonl", "csv.gz", …) overrides the suffix of the name; gzip data is known by
    its first bytes. `header=False` names the columns of .csv and .tsv "1", "2", …; else the
    first record names them. `drop` removes
    columns before anything is decided. `delimiter` stands between the fields of a .csv (";",
    "tab"); else the first records tell, and a note says so. `quotes` says whether quotes around
    fields of .csv and .tsv are not part of them. `encoding` is that of a text file; else UTF-8, or
    what a byte-order mark says. `sheet` is that of a spreadsheet; else the first. `on_scan` is
    called with the records read so far.

    Raises `InputError` for whatever could not be embedded: a missing or damaged file, text of
    another encoding, broken records, values of the wrong type, ids that occur twice.
    """
    reading = Reading(
        format, header is not False, delimiter, quotes, encoding, sheet, named_columns(column)
    )
    file = find(path, reading)
    name = file.name
    found = state(file)
    scan: Scan | None = None
    for chunk in file.chunks(SCAN_ROWS, SCAN_CHARS):
        scan = scan or Scan(settle_roles(file, chunk, column, id_column, drop, join))
        scan.take(scan.roles.records(chunk, scan.rows))
        if on_scan:
            on_scan(scan.rows)
    if scan is None:
        raise NoTexts(f"{name} holds no texts")
    own, notes = scan.finish()
    if (column_found := _vectors_of(own.schema)) is not None:
        notes.append(
            f"the column {column_found!r} holds vectors, which are kept as they are, and the texts "
            "are embedded anew; veclab adopt declares the model of such vectors instead"
        )
    if len(scan.roles.texts) > 1:
        notes.append(f"each text is joined from the columns {listed(scan.roles.texts)}")
    notes += file.notes
    if file.others:
        kinds = " nor ".join(FOLDER_SUFFIXES)
        notes.append(f"files not read, being neither {kinds}: {file.others}")
    return Source(
        name=name,
        rows=scan.rows,
        id_column=scan.roles.id,
        text_columns=scan.roles.texts,
        schema=own.schema,
        notes=tuple(notes),
        _roles=scan.roles,
        _own=own,
        _state=found,
    )


def _vectors_of(schema: pa.Schema) -> str | None:
    """Return the column that holds vectors, by its type or its name, if there is one."""
    from veclab.vectorfiles.checked import vector_kind
    from veclab.vectorfiles.foreign import SHORTEST
    from veclab.vectorfiles.parquet import list_columns, type_of

    for name in list_columns(schema):
        numbers, length = vector_kind(type_of(schema, name))
        called = name.lower() in ("emb", "embedding", "embeddings", "vector", "vectors")
        if not numbers.startswith(("int", "uint")) and (called or (length or 0) >= SHORTEST):
            return name
    return None


def as_source(
    source: Source | Input,
    column: str | Sequence[str] | None = None,
    id_column: str | None = None,
) -> Source:
    """Give a Source as it is, and open a path; see `open_source` for the columns.

    Raises:
        InputError: columns are named for a Source, which was opened with its own; and what
            `open_source` raises.
    """
    if not isinstance(source, Source):
        return open_source(source, column=column, id_column=id_column)
    if column is not None or id_column is not None:
        raise InputError("column and id_column go with a path: give them to open_source instead")
    return source
