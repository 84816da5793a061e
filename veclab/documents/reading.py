"""Reading a file or a folder of documents, one after the other."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from veclab.documents.document import Block, Document, Metadata, Skipped, Unchanged
from veclab.documents.formats import FORMATS, kind_of
from veclab.documents.limits import Limits, Unreadable, human, unzipped
from veclab.documents.walking import files_below
from veclab.documents.worker import Worker
from veclab.errors import InputError


def read_documents(
    path: str | Path,
    *,
    known: Mapping[str, str] | None = None,
    column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    follow_links: bool = False,
    leave_out: str | Path | None = None,
    limits: Limits | None = None,
) -> Iterator[Document | Skipped | Unchanged]:
    """Read a document, or all that lie in a folder and the folders in it, sorted by path.

    Hidden files and folders and those of version control are left out. A file that cannot be read
    is told of, by name and with the reason, and the others are read.

    Args:
        path: of a file or a folder.
        known: fingerprints by document id, for instance of what a store holds: a document that
            still has its fingerprint comes as `Unchanged`, without being parsed.
        column: of .jsonl and .csv files: where the texts are; else `text`, or the only column of
            strings; several are joined, with a blank line between them. Each record is a
            document, and its other columns are its metadata.
        id_column: where their ids are; else `id`, `_id`, or the line's number.
        follow_links: read what links lead to, also out of the folder; else they are skipped.
        leave_out: a folder that may lie in the one read and is no part of it.
        limits: of size, time and memory for one file.

    Yields:
        Document, Skipped or Unchanged, as each file is read.

    Raises:
        InputError: there is nothing at that path.
        MissingExtra: a format's library is not installed.
    """
    root = Path(path)
    limits = limits or Limits()
    try:
        single = not root.is_dir()
        if single:
            root.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}") from error
    worker = Worker(limits)
    known = known or {}
    apart = None if leave_out is None else Path(leave_out)
    try:
        for found in [(root.name, root)] if single else files_below(root, follow_links, apart):
            if isinstance(found, Skipped):
                yield found
            elif (kind := kind_of(found[0])) == "records":
                yield from _records(*found, known, column, id_column)
            else:
                yield _read(*found, kind, known, limits, worker)
    finally:
        worker.close()


def _read(
    id: str,
    file: Path,
    kind: str | None,
    known: Mapping[str, str],
    limits: Limits,
    worker: Worker,
) -> Document | Skipped | Unchanged:
    if kind is None:
        suffix = "".join(file.suffixes[-2:] if file.suffix == ".gz" else file.suffixes[-1:])
        return Skipped(str(file), f"there is no reader for {suffix or 'files without a suffix'}")
    format = FORMATS[kind]
    try:
        data = _bytes(file, limits)
        digest = hashlib.sha256(data).hexdigest()
        fingerprint = f"{kind}-{format.version}-{digest}"
        if known.get(id) == fingerprint:
            return Unchanged(id, str(file), fingerprint)
        if data.startswith(b"\x1f\x8b"):
            data = unzipped(data, limits.file_bytes)
        read = partial(worker.read, kind) if format.apart else format.read
        found = read(data, limits.file_bytes)
    except Unreadable as error:
        return Skipped(str(file), str(error), id)
    except OSError as error:
        return Skipped.by_system(file, error, id)
    if not found.text.strip() or not found.blocks:  # of front matter alone, for instance
        return Skipped(str(file), "it holds no text")
    return Document(
        id,
        str(file),
        found.text,
        found.title or file.name,
        kind,
        tuple(found.blocks),
        tuple(found.pages),
        digest,
        fingerprint,
        found.metadata,
        tuple(found.notes),
        found.boxes,
    )


def _bytes(file: Path, limits: Limits) -> bytes:
    """A file's bytes, all of one moment.

    Raises:
        Unreadable: it is too large, or was written to meanwhile.
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        before = os.fstat(stream.fileno())
        if before.st_size > limits.file_bytes:
            raise Unreadable(
                f"it is larger ({human(before.st_size)}) than the limit of "
                f"{human(limits.file_bytes)}"
            )
        data = stream.read(limits.file_bytes + 1)
        after = os.fstat(stream.fileno())
    state = (before.st_size, before.st_mtime_ns)
    if state != (after.st_size, after.st_mtime_ns) or len(data) != before.st_size:
        raise Unreadable("it was written to while it was read; try again when it is finished")
    return data


def _records(
    id: str,
    file: Path,
    known: Mapping[str, str],
    column: str | Sequence[str] | None,
    id_column: str | None,
) -> Iterator[Document | Skipped | Unchanged]:
    """Each record of a file of records as a document."""
    from veclab.corpus import NoTexts, open_source

    try:
        source = open_source(file, column=column, id_column=id_column)
        for block in source.blocks():
            columns = block.columns.to_pylist() if block.columns is not None else None
            for index, (record, text) in enumerate(zip(block.ids, block.texts, strict=True)):
                name = f"{id}#{record}"
                if text is None or not text.strip():
                    yield Skipped(f"{file}#{record}", "the record has no text")
                    continue
                own = _plain_values(columns[index]) if columns else {}
                facts = json.dumps([text, dict(own)], sort_keys=True, ensure_ascii=True)
                digest = hashlib.sha256(facts.encode()).hexdigest()
                fingerprint = f"records-1-{digest}"
                if known.get(name) == fingerprint:
                    yield Unchanged(name, str(file), fingerprint)
                    continue
                title = str(own.get("title") or f"{file.name} {record}")
                yield Document(
                    name,
                    str(file),
                    text,
                    title,
                    "records",
                    (Block(0, len(text)),),
                    (),
                    digest,
                    fingerprint,
                    own,
                )
    except NoTexts as error:
        yield Skipped(str(file), str(error))
    except InputError as error:
        yield Skipped(str(file), str(error), id)
    except OSError as error:
        yield Skipped.by_system(file, error, id)


def _plain_values(record: Mapping[str, object]) -> Metadata:
    """A record's columns as values that can be kept and filtered on; others as JSON."""
    plain = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, plain) else json.dumps(value, default=str)
        for name, value in record.items()
    }
