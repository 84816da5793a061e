"""How each kind of input becomes chunks of records; `roles` says what the columns are for.

Everything is read as a stream, from bytes that are checked as they pass: UTF-8, gzip, JSON, field
counts. A complaint always says the file and the line (for Parquet, the row).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from veclab.corpus.columns import KINDS, holds_half_pair
from veclab.corpus.delimited import csv_rows, tsv_rows, without_terminator
from veclab.errors import InputError
from veclab.vectorfiles.schema import SPACE_KEY

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER_SUFFIXES = (".txt", ".md")
GZIP_MAGIC = b"\x1f\x8b"

OLD_RESULTS = ("embedding", "tokens", "truncated")

# A line without an end, of a few kilobytes of gzip perhaps, must not fill the memory.
MAX_LINE = 1 << 28
# Rows are turned into columns by key, so thousands of keys would cost thousands of cells a row.
MAX_COLUMNS = 1000

_ESCAPED_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")

T = TypeVar("T")


@dataclass(frozen=True)
class Chunk:
    """A run of consecutive records, by column: a list of Python values, or an Arrow array."""

    lines: Sequence[int]  # 1-based, where each record starts
    columns: Mapping[str, Any]
    schema: pa.Schema | None = None  # Parquet only
    left_out: tuple[str, ...] = ()  # results of an earlier run, to be made anew
    half_pairs: bool = False  # a string may hold half a surrogate pair, which Arrow cannot hold


@dataclass(frozen=True)
class File:
    """An input that has been found and can be read any number of times."""

    name: str  # as the user gave it
    path: Path
    format: str  # a key of `READERS`
    named_gz: bool = False  # the name or `--format` ends in .gz
    header: bool = True  # csv and tsv: the first line names the columns
    others: int = 0  # folder: files in it that are not read
    delimiter: str | None = None  # csv: as the user says; else it is found out

    @property
    def open_ended(self) -> bool:
        """Whether a later record may have columns that earlier ones lack."""
        return self.format in ("jsonl", "ndjson")

    @property
    def unit(self) -> str:
        """What a record's number counts."""
        return {"parquet": "row", "folder": "file"}.get(self.format, "line")

    def where(self, line: int) -> str:
        """Return how a complaint names a record."""
        return f"{self.name}, {self.unit} {line}"

    def chunks(self, size: int, max_chars: int) -> Iterator[Chunk]:
        """Yield the records in chunks; one ends at `size` records or `max_chars` characters.

        Raises `InputError` where the file is damaged or breaks its format.
        """
        return READERS[self.format](self, size, max_chars)

    def lines(self) -> Iterator[str]:
        """Yield the lines with their terminators; only "\n" ends a line."""
        number = 0
        try:
            with self.path.open("rb") as raw:
                file = self._unpacked(raw)
                for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                    if len(line) > MAX_LINE:
                        raise InputError(
                            f"{self.where(number)}: longer than {MAX_LINE >> 20:,} MiB; is this a "
                            "file of texts?"
                        )
                    if number == 1:
                        refuse_utf16(self.name, line)
                        yield line.decode().removeprefix("\ufeff")
                    else:
                        yield line.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(self.where(number), error.start) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self.name} is damaged or cut short: {error} (after line {number})"
            ) from error
        except OSError as error:
            raise cannot_read(self.name, error) from error

    def _unpacked(self, raw: io.BufferedReader) -> io.BufferedReader:
        head = raw.peek(2)[:2]
        if head == GZIP_MAGIC:  # no text in UTF-8 begins so, so the name need not say it
            return io.BufferedReader(gzip.GzipFile(fileobj=raw))
        if self.named_gz and head:
            raise InputError(f"{self.name} is not gzip data; if it is plain text, take off the .gz")
        return raw


def cannot_read(name: str, error: OSError | ValueError) -> InputError:
    """Return what the operating system said, as an error to raise."""
    return InputError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}")


def not_utf8(where: str, offset: int) -> InputError:
    """Return the error for a line whose byte at `offset` (from 0) is not UTF-8."""
    return InputError(
        f"{where}: byte {offset + 1} of the line is not UTF-8; "
        "convert the file first, e.g. iconv -f latin1 -t utf-8"
    )


def refuse_utf16(name: str, head: bytes) -> None:
    """Refuse UTF-16: a byte-order mark, or exactly one zero byte in the first character."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:2].count(0) == 1:
        raise InputError(
            f"{name} looks like UTF-16, not UTF-8; "
            "convert the file first, e.g. iconv -f utf-16 -t utf-8"
        )


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
        half_pairs = any("\\u" in line and _ESCAPED_HALF_PAIR.search(line) for line in lines)
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
        yield Chunk(numbers, columns, half_pairs=half_pairs)


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
            "each line must be one (jq -c '.[]' turns a JSON array into lines)"
        )
    return value


def _delimited(
    rows_of: Callable[[File], Iterator[tuple[int, list[str]]]],
) -> Callable[[File, int, int], Iterator[Chunk]]:
    def chunks(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
        rows = rows_of(file)
        first = next(rows, None)
        if first is None:
            return
        names = first[1] if file.header else [str(n) for n in range(1, len(first[1]) + 1)]
        if repeated := [name for name, times in Counter(names).items() if times > 1]:
            raise InputError(
                f"{file.where(first[0])}: the header names a column twice: "
                f"{', '.join(map(repr, repeated))} (--no-header if this is a record)"
            )
        records = _of_width(file, len(names), rows if file.header else chain([first], rows))
        for lines, run in _runs(records, size, max_chars):
            yield Chunk(lines, dict(zip(names, map(list, zip(*run, strict=True)), strict=True)))

    return chunks


def _of_width(
    file: File, width: int, rows: Iterable[tuple[int, list[str]]]
) -> Iterator[tuple[int, int, list[str]]]:
    for line, row in rows:
        if len(row) == width:
            yield line, sum(map(len, row)), row
        elif row != [""]:  # a blank line is a record only where records have one field
            raise InputError(
                f"{file.where(line)}: {len(row)} fields, but the first line has {width}"
            )


def _parquet(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.path.stat().st_size == 0:
        return
    done = 0
    try:
        # A buffer streams a column chunk, which may be as big as the file, instead of loading it.
        with pq.ParquetFile(file.path, buffer_size=1 << 20, pre_buffer=False) as source:
            left_out = _old_results(source.schema_arrow)
            names = [name for name in source.schema_arrow.names if name not in left_out]
            if len(set(names)) < len(names):
                raise InputError(f"{file.name} has several columns of the same name: {names}")
            rows = min(size, _rows_within(source, max_chars))
            for batch in source.iter_batches(rows, columns=names):
                # By name once more: asking for "a" also brings a column called "a.b".
                batch = batch.select(names)
                batch.validate(full=True)
                for part in _cut(batch, max_chars):
                    lines = range(done + 1, done + part.num_rows + 1)
                    columns = dict(zip(names, part.columns, strict=True))
                    yield Chunk(lines, columns, part.schema, left_out)
                    done += part.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file.name} is damaged, cut short or not Parquet: {error} (after row {done})"
        ) from error


def _old_results(schema: pa.Schema) -> tuple[str, ...]:
    written_by_veclab = SPACE_KEY in (schema.metadata or {})
    return tuple(name for name in schema.names if written_by_veclab and name in OLD_RESULTS)


def _rows_within(source: Any, max_bytes: int) -> int:
    """Return how many rows to decode at once, by the average size in the file's footer."""
    meta = source.metadata
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    widest = max((g.total_byte_size // g.num_rows for g in groups if g.num_rows), default=0)
    return max(1, max_bytes // max(1, widest))


def _cut(batch: Any, max_chars: int) -> Iterator[Any]:
    """Yield slices of an Arrow batch, each ending where its strings reach `max_chars` bytes."""
    import numpy as np

    total = np.cumsum(sum((_string_bytes(c) for c in batch.columns), np.zeros(len(batch), int)))
    start = 0
    while start < len(batch):
        before = total[start - 1] if start else 0
        stop = min(len(batch), int(np.searchsorted(total, before + max_chars)) + 1)
        yield batch.slice(start, stop - start)
        start = stop


def _string_bytes(array: Any) -> Any:
    """Return the bytes of every string of an Arrow array: (n,) int64; 0 for other types."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = _string_bytes(array.dictionary)
        indices = pc.fill_null(array.indices.cast(pa.int64()), -1)
        return np.append(lengths, 0)[indices]  # the appended 0 is the length of a null
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return np.zeros(len(array), np.int64)
    return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)


def _folder(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    records = ((n, *_text_file(file, name)) for n, name in enumerate(folder_names(file.path)[0], 1))
    for numbers, run in _runs(records, size, max_chars):
        ids, texts = zip(*run, strict=True)
        # A file name need not be UTF-8; Python then gives halves of surrogate pairs.
        half_pairs = any(map(holds_half_pair, ids))
        yield Chunk(numbers, {"id": list(ids), "text": list(texts)}, half_pairs=half_pairs)


def _text_file(folder: File, name: str) -> tuple[int, tuple[str, str]]:
    path = folder.path / name
    try:
        if path.stat().st_size > MAX_LINE:
            raise InputError(f"{path} is larger than {MAX_LINE >> 20:,} MiB: cut it into texts")
        data = path.read_bytes()
        refuse_utf16(str(path), data)
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, line_start) + 1
        raise not_utf8(f"{path}, line {line}", error.start - line_start) from error
    except OSError as error:
        raise cannot_read(str(path), error) from error
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
    "csv": _delimited(csv_rows),
    "tsv": _delimited(tsv_rows),
    "parquet": _parquet,
    "folder": _folder,
}
