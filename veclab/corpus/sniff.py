"""What a pipe holds, told from its first bytes: it has no name to tell it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import islice

from veclab.corpus.delimited import delimited_rows, layout_of
from veclab.corpus.file import File
from veclab.errors import InputError

_HEAD = 1 << 16
_MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"PK\x03\x04", "sheet"),
    (b"\xd0\xcf\x11\xe0", "sheet"),
)
_ARRAY, _OBJECT = re.compile(r'\[\s*[{"\]]'), re.compile(r'\{\s*["}]')
# Names by which the first line of a table is known, where the caller names none.
_NAMES = {"text", "id", "_id"}

# How a note names each format.
TOLD = {
    "txt": "text, one a line",
    "csv": "CSV",
    "json": "JSON",
    "jsonl": "JSON Lines",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "sheet": "a spreadsheet",
}


def sniff(file: File, columns: tuple[str, ...]) -> str:
    """Return the format of an input that has no name; plain text where nothing else is plain.

    A table is known by the columns that the caller asks for, or one called text or id.
    """
    with file.path.open("rb") as raw:
        magic = raw.read(8)
    for mark, kind in _MAGIC:
        if magic.startswith(mark):
            return kind
    text = file.head(_HEAD).decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if _ARRAY.match(text):
        return "json"
    if _OBJECT.match(text):
        try:
            return "jsonl" if isinstance(json.loads(text.split("\n", 1)[0]), dict) else "txt"
        except ValueError:
            return "json"
    return "csv" if _is_table(file, columns) else "txt"


def _is_table(file: File, columns: tuple[str, ...]) -> bool:
    table = replace(file, format="csv")
    try:
        table = replace(table, layout=layout_of(table))
        _, names = next(islice(delimited_rows(table), 1))
    except (InputError, StopIteration):
        return False
    return set(columns) <= set(names) if columns else bool(_NAMES & {n.lower() for n in names})
