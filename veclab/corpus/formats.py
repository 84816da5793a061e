"""How each kind of input becomes chunks of records; `roles` says what the columns are for.

Everything is read as a stream, from bytes that are checked as they pass: UTF-8, gzip, JSON, field
counts. A complaint always says the file and the line (for Parquet, the row).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from veclab.corpus.columnar import arrow_chunks, parquet_chunks
from veclab.corpus.columns import KINDS, holds_half_pair
from veclab.corpus.delimited import delimited_rows, without_terminator
from veclab.corpus.encodings import text_of
from veclab.corpus.file import MAX_LINE, Chunk, File, cannot_read
from veclab.corpus.json_values import json_records
from veclab.corpus.spreadsheet import sheet_rows
from veclab.errors import InputError

# Files that are one text each: in a folder, and named alone (but for .txt, a text a line).
WHOLE_SUFFIXES = (".md", ".markdown", ".rst", ".adoc", ".org", ".tex")
FOLDER_SUFFIXES = (".txt", *WHOLE_SUFFIXES)
# Rows are turned into columns by key, so thousands of keys would cost thousands of cells a row.
MAX_COLUMNS = 1000

_ESCAPED_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")

T = TypeVar("T")


def _runs(
    records: Iterable[tuple[int, int, T]], size: int, max_chars: int
) -> Iterator[tuple[list[int], list[T]]]:
    """Cut (line, characters, record) into runs of (lines, records)."""
    lines: list[int] = []
    run: list[T] = []
    chars = 0
    for line, length, record in records:
        lines.append(line)
        run.append(record)
        chars += length
        if len(run) >= size or chars >= max_chars:
            yield lines, run
            lines, run, chars = [], [], 0
    if run:
        yield lines, run


def _text_lines(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    records = (
        (number, len(line), without_terminator(line)) for number, line in enumerate(file.lines(), 1)
    )
    for lines, texts in _runs(records, size, max_chars):
        yield Chunk(lines, {"text": texts})


def _json_lines(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    records = (
        (number, len(line), without_terminator(line))
        for number, line in enumerate(file.lines(), 1)
        if not line.isspace()
    )
    names: set[str] = set()
    for numbers, lines in _runs(records, size, max_chars):
        rows = [_json_object(file, *numbered) for numbered in zip(numbers, lines, strict=True)]
        yield _objects(file, numbers, rows, lines, names)


def _json_values(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    names: set[str] = set()
    for numbers, run in _runs(json_records(file), size, max_chars):
        rows, texts = zip(*run, strict=True)
        yield _objects(file, numbers, rows, texts, names)


def _objects(
    file: File,
    numbers: list[int],
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    names: set[str],
) -> Chunk:
    """Return objects by key, given the JSON text of each; `names` are the keys so far."""
    half_pairs = any("\\u" in text and _ESCAPED_HALF_PAIR.search(text) for text in texts)
    keys = dict.fromkeys(chain.from_iterable(rows))  # an ordered set
    names.update(keys)
    if len(names) > MAX_COLUMNS:
        raise InputError(
            f"{file.where(numbers[-1])}: more than {MAX_COLUMNS} different keys so far; "
            "put what varies from record to record into one object"
        )
    if half_pairs and (bad := [name for name in keys if holds_half_pair(name)]):
        raise InputError(f"{file.name}: the key {bad[0]!a} holds half a surrogate pair")
    columns = {name: [row.get(name) for row in rows] for name in keys}
    return Chunk(numbers, columns, half_pairs=half_pairs)


def _json_object(file: File, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file.where(number)}: not valid JSON: {error.msg} at character {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # an endless number; endless nesting
        raise InputError(f"{file.where(number)}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{file.where(number)}: holds {KINDS[type(value)]}, not an object; "
            "each line must be one (a JSON array: --format json)"
        )
    return value


def _table(
    rows_of: Callable[[File], Iterator[tuple[int, list[Any]]]],
) -> Callable[[File, int, int], Iterator[Chunk]]:
    def chunks(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
        rows = rows_of(file)
        first = next(rows, None)
        if first is None:
            return
        names = _header(file, *first)
        records = _of_width(file, len(names), rows if file.header else chain([first], rows))
        for lines, run in _runs(records, size, max_chars):
            yield Chunk(lines, dict(zip(names, map(list, zip(*run, strict=True)), strict=True)))

    return chunks


def _header(file: File, line: int, first: list[Any]) -> list[str]:
    """Return the names of the columns; one without a name, as spreadsheets leave them, is "3"."""
    numbers = [str(n) for n in range(1, len(first) + 1)]
    if not file.header:
        return numbers
    blank = sum(name in (None, "") for name in first) > 1
    names = [
        number if name is None or (blank and name == "") else str(name)
        for name, number in zip(first, numbers, strict=True)
    ]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise InputError(
            f"{file.where(line)}: the header names a column twice: "
            f"{', '.join(map(repr, repeated))} (--no-header if this is a record)"
        )
    return names


def _of_width(
    file: File, width: int, rows: Iterable[tuple[int, list[Any]]]
) -> Iterator[tuple[int, int, list[Any]]]:
    for line, row in rows:
        if len(row) == width:
            yield line, sum(len(cell) for cell in row if isinstance(cell, str)), row
        elif row != [""]:  # a blank line is a record only where records have one field
            raise InputError(
                f"{file.where(line)}: {len(row)} fields, but the first line has {width}"
            )


def _several(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    """Yield the records of one input after the other."""
    for member in file.members:
        before = 0
        for chunk in member.chunks(size, max_chars):
            yield replace(chunk, member=member, before=before)
            before += len(chunk.lines)


def _whole(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    """Yield the one text that the file is."""
    _, record = _text_file(file, file.path, file.path.name)
    yield Chunk([1], {"id": [record[0]], "text": [record[1]]})


def _folder(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    records = (
        (n, *_text_file(file, file.path / name, name))
        for n, name in enumerate(folder_names(file.path)[0], 1)
    )
    for numbers, run in _runs(records, size, max_chars):
        ids, texts = zip(*run, strict=True)
        # A file name need not be UTF-8; Python then gives halves of surrogate pairs.
        half_pairs = any(map(holds_half_pair, ids))
        yield Chunk(numbers, {"id": list(ids), "text": list(texts)}, half_pairs=half_pairs)


def _text_file(file: File, path: Path, name: str) -> tuple[int, tuple[str, str]]:
    try:
        if path.stat().st_size > MAX_LINE:
            raise InputError(f"{path} is larger than {MAX_LINE >> 20:,} MiB: cut it into texts")
        data = path.read_bytes()
    except OSError as error:
        raise cannot_read(str(path), error) from error
    text = text_of(str(path), data, file.encoding)
    return len(text), (name, text)


def folder_names(root: Path) -> tuple[list[str], int]:
    """Return the text files below a folder, sorted relative paths, and how many others."""

    def refuse(error: OSError) -> None:
        raise cannot_read(str(error.filename), error)

    names = [
        (Path(parent) / name).relative_to(root).as_posix()
        for parent, _, files in os.walk(root, onerror=refuse)
        for name in files
    ]
    texts = [name for name in names if name.lower().endswith(FOLDER_SUFFIXES)]
    return sorted(texts), len(names) - len(texts)


READERS: Mapping[str, Callable[[File, int, int], Iterator[Chunk]]] = {
    "txt": _text_lines,
    "jsonl": _json_lines,
    "ndjson": _json_lines,
    "json": _json_values,
    "csv": _table(delimited_rows),
    "tsv": _table(delimited_rows),
    "parquet": parquet_chunks,
    "arrow": arrow_chunks,
    "sheet": _table(sheet_rows),
    "whole": _whole,
    "folder": _folder,
    "several": _several,
}
