"""Finding what the user named: a file, a folder, a pipe or standard input; and its format."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from veclab.corpus.delimited import checked_delimiter
from veclab.corpus.formats import FOLDER_SUFFIXES, READERS, File, cannot_read, folder_names
from veclab.errors import InputError


def find(path: str | Path, format: str | None, header: bool, delimiter: str | None = None) -> File:
    """Return the input under that name, ready to be read; raises `InputError` if there is none."""
    name = str(path)
    if name == "-":
        kind, named_gz = _kind(name, format or "txt")
        file = _spooled(File(name, Path(), kind, named_gz, header), sys.stdin.buffer)
    elif (target := _existing(Path(path))).is_dir():
        if format is not None:
            raise InputError(f"{name} is a folder of text files; --format is for a single file")
        names, others = folder_names(target)
        if not names:
            raise InputError(f"{name} holds no text files ({', '.join(FOLDER_SUFFIXES)})")
        file = File(name, target, "folder", header=header, others=others)
    else:
        file = File(name, target, *_kind(target.name, format), header)
        try:
            with target.open("rb") as stream:
                if not target.is_file():  # a pipe can be read only once
                    file = _spooled(file, stream)
        except OSError as error:
            raise cannot_read(name, error) from error
    if not header and file.format not in ("csv", "tsv"):
        raise InputError(
            f"{name}: only .csv and .tsv have a header row: leave header=False (--no-header) out"
        )
    if delimiter is not None:
        if file.format != "csv":
            raise InputError(f"{name}: only .csv has a delimiter: leave --delimiter out")
        file = replace(file, delimiter=checked_delimiter(delimiter))
    return file


def _existing(path: Path) -> Path:
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


def _kind(name: str, format: str | None) -> tuple[str, bool]:
    """Return the key of `READERS`, by format or suffix, and whether gzip is promised."""
    wanted = f".{format.removeprefix('.')}" if format is not None else name
    plain = Path(wanted.lower().removesuffix(".gz"))
    kind = (plain.suffix or plain.name).removeprefix(".") if format else plain.suffix[1:]
    named_gz = wanted.lower().endswith(".gz")
    if kind not in READERS or kind == "folder" or (kind == "parquet" and named_gz):
        known = ", ".join(f".{kind}" for kind in READERS if kind != "folder")
        raise InputError(
            f"{name}: the format {wanted!r} is not known; known are {known} "
            "(all but .parquet also as .gz); --format NAME says which it is"
        )
    return kind, named_gz


def _spooled(file: File, stream: BinaryIO) -> File:
    """Return the same input as a temporary file, which goes when nothing refers to it any more."""
    descriptor, path = tempfile.mkstemp(prefix="veclab-")
    copy = replace(file, path=Path(path))
    weakref.finalize(copy, copy.path.unlink, missing_ok=True)
    try:
        os.close(descriptor)
        with copy.path.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
    except OSError as error:
        raise InputError(f"{file.name} cannot be copied to {path}: {error}") from error
    return copy


def state(file: File) -> object:
    """Return what changes when a file is written to; a folder's files are only counted."""
    try:
        stat = file.path.stat()
    except OSError as error:
        raise cannot_read(file.name, error) from error
    return None if file.format == "folder" else (stat.st_size, stat.st_mtime_ns)
