"""Finding what the user named: files, folders, patterns, addresses, a pipe, standard input."""

from __future__ import annotations

import difflib
import glob
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from veclab.corpus import remote
from veclab.corpus.delimited import checked_delimiter, layout_of
from veclab.corpus.encodings import checked_encoding
from veclab.corpus.file import File, cannot_read
from veclab.corpus.formats import FOLDER_SUFFIXES, READERS, WHOLE_SUFFIXES, folder_names
from veclab.corpus.sniff import TOLD, sniff
from veclab.corpus.spreadsheet import sheet_of
from veclab.errors import InputError

Input = str | Path | Sequence[str | Path]

# What users call a format, by its suffix or in other words.
_ALIASES = {
    "feather": "arrow",
    "ipc": "arrow",
    "xlsx": "sheet",
    "xlsm": "sheet",
    "xlsb": "sheet",
    "xls": "sheet",
    "ods": "sheet",
    "excel": "sheet",
    "text": "txt",
    "file": "whole",
    **{suffix[1:]: "whole" for suffix in WHOLE_SUFFIXES},
}
_BINARY = ("parquet", "arrow", "sheet")
_DOCUMENTS = ("pdf", "html", "htm", "docx", "pptx", "odt", "epub")
# The values of `--format`.
FORMATS = ("txt", "jsonl", "json", "csv", "tsv", "parquet", "arrow", "excel", "file")


@dataclass(frozen=True)
class Reading:
    """How the caller says that an input is read; None for what is to be found out.

    Attributes:
        format: as a suffix ("csv", "csv.gz"), or one of `FORMATS`.
        header: whether the first record of a table names its columns.
        delimiter: between the fields of a .csv.
        quotes: whether quotes around fields of .csv and .tsv are not part of them.
        encoding: of a text file.
        sheet: of a spreadsheet.
        columns: that the caller will ask for: a piped table is known by them.
    """

    format: str | None = None
    header: bool = True
    delimiter: str | None = None
    quotes: bool | None = None
    encoding: str | None = None
    sheet: str | None = None
    columns: tuple[str, ...] = ()


def find(given: Input, reading: Reading | None = None) -> File:
    """Return the input of that name, ready to be read; several names are one input.

    Raises `InputError` if there is none, or an option does not go with it.
    """
    reading = reading or Reading()
    names = [given] if isinstance(given, (str, Path)) else list(given)
    every = [name for one in names for name in _expanded(str(one))]
    if not every:
        raise InputError("no input was named")
    files = tuple(_settled(_found(name, reading), reading) for name in every)
    if len(files) == 1:
        return files[0]
    if folders := [file.name for file in files if file.format == "folder"]:
        raise InputError(f"{folders[0]} is a folder, which is read alone; name its files instead")
    if twice := [file.name for n, file in enumerate(files) if file.path in _paths(files[:n])]:
        raise InputError(f"{twice[0]} is named twice")
    notes = tuple(note for file in files for note in file.notes)
    return File(f"{len(files)} inputs", Path(), "several", members=files, notes=notes)


def _paths(files: Sequence[File]) -> list[Path]:
    return [file.path for file in files]


def _expanded(name: str) -> list[str]:
    """Return the names that a pattern stands for, sorted; any other name alone."""
    if remote.is_remote(name):
        return remote.expanded(name)
    if not glob.has_magic(name) or os.path.lexists(name):
        return [name]
    every = glob.glob(name, recursive=True)  # noqa: PTH207 - patterns may be absolute
    found = sorted(one for one in every if not Path(one).is_dir())
    if not found:
        raise InputError(f"no file matches {name}")
    return found


def _found(name: str, reading: Reading) -> File:
    if name == "-":
        return _kinded(_spooled(File(name, Path(), ""), sys.stdin.buffer), None, reading)
    if remote.is_remote(name):
        with remote.opened(name) as (stream, called):
            file = _spooled(File(remote.public(name), Path(), ""), stream)
        return _kinded(file, called, reading)
    target = existing(Path(name))
    if target.is_dir():
        if reading.format is not None:
            raise InputError(f"{name} is a folder of text files; --format is for a single file")
        names, others = folder_names(target)
        if not names:
            raise InputError(f"{name} holds no text files ({', '.join(FOLDER_SUFFIXES)})")
        return File(name, target, "folder", others=others)
    file = File(name, target, "")
    try:
        with target.open("rb") as stream:
            if target.is_file():
                return _kinded(file, target.name, reading)
            # A pipe can be read only once, and its name says little.
            return _kinded(_spooled(file, stream), target.name if target.suffix else None, reading)
    except OSError as error:
        raise cannot_read(name, error) from error


def _settled(file: File, reading: Reading) -> File:
    """Return the file with what the caller says of it and what can be found out."""
    for value, formats, refusal in (
        (
            not reading.header,
            ("csv", "tsv", "sheet"),
            "only .csv and .tsv have a header row: leave header=False (--no-header) out",
        ),
        (reading.delimiter, ("csv",), "only .csv has a delimiter: leave --delimiter out"),
        (
            reading.quotes is not None,
            ("csv", "tsv"),
            "only .csv and .tsv have quotes: leave --quotes and --no-quotes out",
        ),
        (reading.sheet, ("sheet",), "only spreadsheets have sheets: leave --sheet out"),
        (
            reading.encoding,
            tuple(set(READERS) - set(_BINARY)),
            "its format says how texts are written: leave --encoding out",
        ),
    ):
        if (value or value == "") and file.format not in formats:
            raise InputError(f"{file.name}: {refusal}")
    delimiter, encoding = reading.delimiter, reading.encoding
    file = replace(
        file,
        header=reading.header,
        delimiter=None if delimiter is None else checked_delimiter(delimiter),
        quotes=reading.quotes,
        encoding=None if encoding is None else checked_encoding(encoding),
        sheet=reading.sheet,
    )
    if file.format in ("csv", "tsv"):
        layout = layout_of(file)
        note = layout.note(file)
        return replace(file, layout=layout, notes=(*file.notes, *([note] if note else [])))
    if file.format == "sheet":
        name, others = sheet_of(file)
        note = f"{file.name}: read the sheet {name!r} of {len(others)} (--sheet names another)"
        notes = (note,) if len(others) > 1 and reading.sheet is None else ()
        return replace(file, sheet=name, notes=(*file.notes, *notes))
    return file


def existing(path: Path) -> Path:
    """Return a path where there is something; raises InputError, with names that are near."""
    try:
        path.stat()
    except FileNotFoundError as error:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"{path} does not exist{hint}") from error
    except (OSError, ValueError) as error:
        raise cannot_read(str(path), error) from error
    return path


def _kinded(file: File, called: str | None, reading: Reading) -> File:
    """Return the file with its format: as the caller says, by its name, or by what is in it."""
    if reading.format is None and (called is None or not Path(called).suffix):
        known = replace(file, encoding=reading.encoding, delimiter=reading.delimiter)
        kind = sniff(known, reading.columns)
        shown = "standard input" if file.name == "-" else file.name
        note = f"{shown} is read as {TOLD[kind]} (--format says otherwise)"
        return replace(file, format=kind, notes=() if kind == "txt" else (note,))
    kind, named_gz = _kind(file.name, called or "", reading.format)
    return replace(file, format=kind, named_gz=named_gz)


def _kind(name: str, called: str, format: str | None) -> tuple[str, bool]:
    """Return the key of `READERS`, by format or suffix, and whether gzip is promised."""
    wanted = f".{format.removeprefix('.')}" if format is not None else called
    plain = Path(wanted.lower().removesuffix(".gz"))
    kind = (plain.suffix or plain.name).removeprefix(".") if format else plain.suffix[1:]
    named_gz = wanted.lower().endswith(".gz")
    found = _ALIASES.get(kind, kind)
    if kind in ("npy", "npz", "safetensors", "faiss"):
        raise InputError(
            f"{name} holds vectors, not texts; veclab audit looks into it, and veclab adopt "
            "declares the model that made them"
        )
    if found not in READERS or found in ("folder", "several") or (found in _BINARY and named_gz):
        if kind in _DOCUMENTS:
            raise InputError(
                f"{name} is a document, not a file of texts: veclab index reads it and cuts it "
                f"into passages: veclab index {name} --store STORE"
            )
        known = sorted({*READERS, *_ALIASES} - {"folder", "several", "sheet", "whole", "excel"})
        raise InputError(
            f"{name}: the format {wanted!r} is not known; known are "
            f"{', '.join(f'.{one}' for one in known)} (those of text also as .gz). --format NAME "
            f"says which it is: {', '.join(FORMATS)} (file: all of it is one text)"
        )
    return found, named_gz


class _Copy:
    """Stands for a temporary file, which goes when nothing refers to this any more."""


def _spooled(file: File, stream: BinaryIO) -> File:
    """Return the same input as a temporary file."""
    descriptor, path = tempfile.mkstemp(prefix="veclab-")
    kept = _Copy()
    copy = replace(file, path=Path(path), kept=kept)
    weakref.finalize(kept, copy.path.unlink, missing_ok=True)
    try:
        os.close(descriptor)
        with copy.path.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
    except OSError as error:
        raise InputError(f"{file.name} cannot be copied to {path}: {error}") from error
    return copy


def state(file: File) -> object:
    """Return what changes when a file, or one of a folder, is written to."""
    if file.members:
        return tuple(map(state, file.members))
    every = blake2b(digest_size=16)
    try:
        for path in _files_of(file):
            stat = path.stat()
            every.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="replace"))
    except OSError as error:
        raise cannot_read(file.name, error) from error
    return every.digest()


def _files_of(file: File) -> list[Path]:
    if file.format != "folder":
        return [file.path]
    return [file.path / name for name in folder_names(file.path)[0]]
