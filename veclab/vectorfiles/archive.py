"""Vectors as an .npz archive, written block by block."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Space
from veclab.vectors import Vectors

_PIECE = 1 << 20


class NpzSink:
    """Writes Vectors into an .npz; vectors and texts wait in temporary files, ids in memory."""

    def __init__(self, path: Path, space: Space) -> None:
        self._path, self._space = path, space
        self._vectors: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._texts: IO[bytes] = TemporaryFile()  # noqa: SIM115
        self._ids: list[str] = []
        self._ends: list[int] | None = []
        self._end = 0
        self._facts: dict[str, list[Any] | None] = {"tokens": [], "truncated": []}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(Exception):
            self._vectors.close()
            self._texts.close()

    def write(self, vectors: Vectors) -> None:
        """Append one block; raises InputError where it has columns of the caller's."""
        if vectors.columns is not None:
            raise InputError("an .npz file cannot hold extra columns: save as .parquet")
        self._space = vectors.space
        self._vectors.write(np.ascontiguousarray(vectors.array, "<f4").tobytes())
        self._ids += vectors.ids
        for name, known in (("tokens", vectors.tokens), ("truncated", vectors.truncated)):
            kept = self._facts[name]
            self._facts[name] = None if kept is None or known is None else [*kept, known]
        if vectors.texts is None or self._ends is None:
            self._ends = None
            return
        # numpy pads strings to the longest: one text of 10 MB would make every row 40 MB.
        for text in vectors.texts:
            data = text.encode()
            self._texts.write(data)
            self._end += len(data)
            self._ends.append(self._end)

    def finish(self, report: Report | None) -> None:
        """Put the archive together. It has no place for a report."""
        n, dim = len(self._ids), self._space.dimensions
        with zipfile.ZipFile(self._path, "w") as archive:
            _copy(archive, "embedding", self._vectors, (n, dim), np.dtype("<f4"))
            _put(archive, "id", np.array(self._ids, dtype=np.str_))
            _put(archive, "space", np.array(self._space.to_json()))
            if self._ends is not None:
                _copy(archive, "text_utf8", self._texts, (self._end,), np.dtype("u1"))
                _put(archive, "text_ends", np.array(self._ends, np.int64))
            for name, parts in self._facts.items():
                if parts:
                    _put(archive, name, np.concatenate(parts))


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(f"{name}.npy", "w", force_zip64=True)


def _put(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    with _member(archive, name) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _copy(
    archive: zipfile.ZipFile,
    name: str,
    stream: IO[bytes],
    shape: tuple[int, ...],
    kind: np.dtype[Any],
) -> None:
    header = {"descr": kind.str, "fortran_order": False, "shape": shape}
    stream.seek(0)
    with _member(archive, name) as member:
        np.lib.format.write_array_header_1_0(member, header)
        while piece := stream.read(_PIECE):
            member.write(piece)
