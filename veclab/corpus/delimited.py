"""Rows of .csv and .tsv files, and which character stands between the fields of a .csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.corpus.formats import File

# An unclosed quote makes the rest of a CSV file one field: stop before it fills the memory.
MAX_CSV_FIELD = 1 << 26
# What spreadsheets write, by language and program; the first is meant where nothing else fits.
DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# Lines by which it is found out.
_SAMPLE = 200


class Layout(NamedTuple):
    """How a .csv file is written: its delimiter, and whether a line `sep=;` of Excel's says it."""

    delimiter: str
    declared: bool


def layout_of(file: File) -> Layout:
    """Find out how a .csv file is written.

    A line `sep=;` says it. Else it is the delimiter by which the first records all have the same
    number of fields, two or more; of several the one that makes most fields.
    """
    lines = list(islice(file.lines(), _SAMPLE + 1))
    first = lines[0].rstrip("\r\n") if lines else ""
    if first.lower().startswith("sep=") and len(first) == 5:
        return Layout(file.delimiter or first[4], True)
    if file.delimiter is not None:
        return Layout(file.delimiter, False)
    fields = {delimiter: _fields(lines, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=fields.__getitem__)  # of equals the first
    return Layout(best if fields[best] > 1 else DELIMITERS[0], False)


def _fields(lines: list[str], delimiter: str) -> int:
    """Return how many fields every record has with a delimiter; 0 where they differ."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines[:_SAMPLE], strict=True, delimiter=delimiter):
            rows.append(row)
    except csv.Error as error:
        if "unexpected end of data" not in str(error):  # a record may go on after the sample
            return 0
    else:
        if len(lines) > _SAMPLE and len(rows) > 1:
            rows.pop()
    widths = {len(row) for row in rows if row}
    return widths.pop() if len(widths) == 1 else 0


def csv_rows(file: File) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each record."""
    # The limit is the process's; widening it can break nobody.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CSV_FIELD))
    layout = layout_of(file)
    lines, before = file.lines(), int(layout.declared)
    if layout.declared:
        next(lines)
    reader = csv.reader(lines, strict=True, delimiter=layout.delimiter)
    start = 1 + before
    try:
        for row in reader:
            yield start, row or [""]
            start = reader.line_num + 1 + before
    except csv.Error as error:
        raise InputError(
            f"{file.where(start)}: not valid CSV: {error}; "
            "is a quote in this record never closed, or not doubled?"
        ) from error


def tsv_rows(file: File) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each line; quotes are characters like any other."""
    for number, line in enumerate(file.lines(), 1):
        yield number, without_terminator(line).split("\t")


def without_terminator(line: str) -> str:
    """Return a line without its end."""
    return line[:-2] if line.endswith("\r\n") else line.removesuffix("\n")


def checked_delimiter(delimiter: str) -> str:
    """Return the character that a user means; raises InputError where it cannot be one."""
    meant = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if len(meant) != 1 or meant in '"\r\n':
        raise InputError(f"the delimiter {delimiter!r} is not one character, such as ; or tab")
    return meant
