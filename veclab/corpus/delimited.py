"""Rows of .csv and .tsv files, and how they are written: delimiter, quotes, escapes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.corpus.file import File

# An unclosed quote makes the rest of a CSV file one field: stop before it fills the memory.
MAX_CSV_FIELD = 1 << 26
# What spreadsheets write, by language and program; the first is meant where nothing else fits.
DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Lines by which it is found out.
_SAMPLE = 200
# The share of records that must have as many fields as the first: one may be broken, which the
# reader then says, with its line.
_MOST = 0.5


class Layout(NamedTuple):
    """How a .csv or .tsv file is written.

    Attributes:
        delimiter: between fields.
        declared: whether a line `sep=;` of Excel's says it.
        quoted: whether quotes around a field are not part of it.
        escape: what stands before a quote inside quotes; None where it is doubled.
    """

    delimiter: str
    declared: bool = False
    quoted: bool = True
    escape: str | None = None

    def note(self, file: File) -> str | None:
        """Return what the user must be told of it, None for what everybody expects."""
        if file.format == "tsv":
            return (
                f"{file.name}: quotes around fields are taken off, as in .csv (--no-quotes keeps "
                "them)"
                if self.quoted and file.quotes is None
                else None
            )
        found = []
        if self.delimiter != "," and file.delimiter is None:
            between = NAMES.get(self.delimiter, repr(self.delimiter))
            found.append(f"{between} between its fields (--delimiter says otherwise)")
        if self.escape is not None:
            found.append("a backslash before a quote inside a field")
        return f"{file.name} has {' and '.join(found)}" if found else None


def layout_of(file: File) -> Layout:
    """Find out how a .csv or .tsv file is written.

    The delimiter of a .csv is that of a line `sep=;`; else the one by which the first records have
    as many fields as the very first, two or more: all of them, or else most. Of several the one
    that makes most fields. Fields of a .tsv are quoted if some begin with a quote and the whole
    file then reads as .csv does; in others a quote is a character like any other.
    """
    # The limit is the process's; widening it can break nobody.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CSV_FIELD))
    if file.format == "tsv":
        quoted = file.quotes if file.quotes is not None else _reads_as_quoted(file)
        return Layout("\t", quoted=quoted)
    lines = list(islice(file.lines(), _SAMPLE + 1))
    first = lines[0].rstrip("\r\n") if lines else ""
    declared = first.lower().startswith("sep=") and len(first) == 5
    if declared:
        del lines[0]
    given = file.delimiter or (first[4] if declared else None)
    quoted = file.quotes is not False
    ways = [
        Layout(delimiter, declared, quoted, escape)
        for delimiter in ([given] if given else DELIMITERS)
        for escape in ([None, "\\"] if quoted and any('\\"' in line for line in lines) else [None])
    ]
    fits = {way: _fit(lines, way) for way in ways}
    best = max(ways, key=fits.__getitem__)  # of equals the first
    return best if fits[best] > (0.0, 0) else ways[0]


def _fit(lines: list[str], layout: Layout) -> tuple[float, int]:
    """Return the share of records with as many fields as the first, and how many it has.

    (0, 0) where that is one, or most have others.
    """
    rows: list[list[str]] = []
    broken = 0
    try:
        for row in _reader(lines[:_SAMPLE], layout):
            rows.append(row)
    except csv.Error as error:
        # A record may go on after the sample.
        broken = 0 if "unexpected end of data" in str(error) and len(lines) > _SAMPLE else 1
    else:
        if len(lines) > _SAMPLE and len(rows) > 1:
            rows.pop()
    widths = [len(row) for row in rows if row]
    if not widths or widths[0] < 2:
        return (0.0, 0)
    share = widths.count(widths[0]) / (len(widths) + broken)
    return (share, widths[0]) if share >= _MOST else (0.0, 0)


def _reads_as_quoted(file: File) -> bool:
    """Return whether some field of a .tsv begins with a quote, and all of it reads as .csv does."""
    if not any(line.startswith('"') or '\t"' in line for line in file.lines()):
        return False
    width = 0
    try:
        for row in _reader(file.lines(), Layout("\t")):
            width = width or len(row)
            if row and len(row) != width:
                return False
    except csv.Error:
        return False
    return True


def _reader(lines: Any, layout: Layout) -> Any:
    if not layout.quoted:
        return csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, strict=True, delimiter=layout.delimiter, escapechar=layout.escape)


def delimited_rows(file: File) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each record of a .csv or .tsv; the line is where it starts."""
    layout = file.layout or layout_of(file)
    if not layout.quoted:
        yield from _plain_rows(file, layout.delimiter)
        return
    lines, before = file.lines(), int(layout.declared)
    if layout.declared:
        next(lines)
    reader = _reader(lines, layout)
    start = 1 + before
    try:
        for row in reader:
            yield start, row or [""]
            start = reader.line_num + 1 + before
    except csv.Error as error:
        raise InputError(
            f"{file.where(start)}: not valid {file.format.upper()}: {error}; "
            "is a quote in this record never closed, or not doubled? (--no-quotes if quotes are "
            "part of the texts)"
        ) from error


def _plain_rows(file: File, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each line; quotes are characters like any other."""
    declared = file.layout is not None and file.layout.declared
    for number, line in enumerate(file.lines(), 1):
        if number > 1 or not declared:
            yield number, without_terminator(line).split(delimiter)


def without_terminator(line: str) -> str:
    """Return a line without its end."""
    return line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")


def checked_delimiter(delimiter: str) -> str:
    """Return the character that a user means; raises InputError where it cannot be one."""
    meant = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(meant) != 1 or meant in '"\r\n':
        raise InputError(f"the delimiter {delimiter!r} is not one character, such as ; or tab")
    return meant
