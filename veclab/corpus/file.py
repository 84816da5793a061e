"""An input that was found, as bytes, lines and characters; `formats` makes records of it."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.corpus.encodings import Recoded, encoding_of, not_in, not_utf8
from veclab.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.corpus.delimited import Layout

GZIP_MAGIC = b"\x1f\x8b"

# A line without an end, of a few kilobytes of gzip perhaps, must not fill the memory.
MAX_LINE = 1 << 28
_PIECE = 1 << 16


@dataclass(frozen=True)
class Chunk:
    """A run of consecutive records, by column: a list of Python values, or an Arrow array."""

    lines: Sequence[int]  # 1-based, where each record starts
    columns: Mapping[str, Any]
    schema: pa.Schema | None = None  # Parquet and Arrow only
    left_out: tuple[str, ...] = ()  # results of an earlier run, to be made anew
    half_pairs: bool = False  # a string may hold half a surrogate pair, which Arrow cannot hold
    member: File | None = None  # of several inputs: the one that the records are from
    before: int = 0  # of several inputs: records of that one before these


@dataclass(frozen=True)
class File:
    """An input that has been found and can be read any number of times."""

    name: str  # as the user gave it
    path: Path
    format: str  # a key of `formats.READERS`
    named_gz: bool = False  # the name or `--format` ends in .gz
    header: bool = True  # csv, tsv, spreadsheets: the first record names the columns
    others: int = 0  # folder: files in it that are not read
    delimiter: str | None = None  # csv: as the user says; else it is found out
    quotes: bool | None = None  # csv and tsv: as the user says; else it is found out
    encoding: str | None = None  # as the user says; else it is found out, or UTF-8
    sheet: str | None = None  # of a spreadsheet; else the first
    layout: Layout | None = None  # csv and tsv: what was found out
    members: tuple[File, ...] = ()  # several inputs
    notes: tuple[str, ...] = ()  # what was found out that the user must be told
    kept: object = field(default=None, repr=False, compare=False)  # a copy lives as long as this

    @property
    def open_ended(self) -> bool:
        """Whether a later record may have columns that earlier ones lack."""
        return self.format in ("jsonl", "ndjson", "json", "several")

    @property
    def unit(self) -> str:
        """What a record's number counts."""
        rows = ("parquet", "arrow", "sheet")
        return "row" if self.format in rows else "file" if self.format == "folder" else "line"

    def where(self, line: int) -> str:
        """Return how a complaint names a record."""
        return f"{self.name}, {self.unit} {line}"

    def chunks(self, size: int, max_chars: int) -> Iterator[Chunk]:
        """Yield the records in chunks; one ends at `size` records or `max_chars` characters.

        Raises `InputError` where the file is damaged or breaks its format.
        """
        from veclab.corpus.formats import READERS

        return READERS[self.format](self, size, max_chars)

    def lines(self) -> Iterator[str]:
        """Yield the lines with their terminators; only "\n" ends a line."""
        number = 0
        with self._opened(lambda: number) as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if len(line) > MAX_LINE:
                    raise InputError(
                        f"{self.where(number)}: longer than {MAX_LINE >> 20:,} MiB; is this a "
                        "file of texts?"
                    )
                text = line.decode()
                yield text.removeprefix("\ufeff") if number == 1 else text

    def pieces(self) -> Iterator[str]:
        """Yield the characters, some thousand at a time."""
        number = 0
        with self._opened(lambda: number) as file:
            text = io.TextIOWrapper(file, "utf-8-sig", newline="")
            while piece := text.read(_PIECE):
                yield piece
                number += piece.count("\n")

    def head(self, size: int) -> bytes:
        """Return the first bytes, unpacked."""
        with self._opened(lambda: 0) as file:
            return file.read(size)

    @contextmanager
    def _opened(self, line: Callable[[], int]) -> Iterator[io.BufferedReader]:
        """Give the bytes as UTF-8, for `with`; `line` tells the line that was read last."""
        try:
            with self.path.open("rb") as raw:
                file = self._unpacked(raw)
                encoding = self.encoding or encoding_of(file.peek(4)[:4])
                if encoding is not None and encoding != "utf-8":
                    file = io.BufferedReader(Recoded(file, encoding))
                yield file
        except UnicodeDecodeError as error:
            if error.encoding.replace("_", "-") not in ("utf-8", "utf-8-sig"):
                raise not_in(self.where(line() + 1), error.encoding) from error
            raise not_utf8(self.where(line()), error.start) from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(
                f"{self.name} is damaged or cut short: {error} (after line {line()})"
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
