"""Vectors in formats that have no place for their Space: what is missing lies in a file beside.

`v.npy`, `v.jsonl` and `v.csv` have `v.npy.veclab.parquet` beside them: ids, texts, the caller's own
columns, and Space, Recipe and Report as in `veclab.vectorfiles.files`, with a digest of the file
that they belong to. Without it, or with another file in its place, they are vectors of others.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from veclab.atomic import atomic
from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.schema import SPACE_KEY
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.vectorfiles.files import ParquetSink
    from veclab.vectorfiles.quantized import Quantization

OF_KEY = b"veclab.of"
SUFFIXES = (".npy", ".jsonl", ".csv")
_OWN = ("id", "text", "tokens", "truncated")
# Of the array's header: numpy's own has room to grow as well.
_HEADER = 128


def beside(path: Path) -> Path:
    """Return where the rest of a file of vectors lies."""
    return path.with_name(f"{path.name}.veclab.parquet")


def has_sidecar(path: Path) -> bool:
    """Return whether the rest of a file of vectors lies beside it."""
    return path.suffix in SUFFIXES and beside(path).is_file()


@contextmanager
def writing(
    path: Path,
    space: Space,
    recipe: Recipe | None = None,
    quantize: Quantization | None = None,
) -> Iterator[Any]:
    """Give what takes vectors block by block (`write`, `finish`), for `with`.

    Whatever the format is, the file appears whole or not at all.

    Raises:
        InputError: the ending is none that vectors are written with.
        OutputError: it cannot be written.
    """
    from veclab.vectorfiles.archive import NpzSink
    from veclab.vectorfiles.files import ParquetSink
    from veclab.vectorfiles.quantized import QuantizedSink

    if quantize is not None:
        check_quantize(path, quantize)
        with atomic(path) as temporary, QuantizedSink(temporary, space, recipe, quantize) as codes:
            yield codes
    elif path.suffix == ".parquet":
        with atomic(path) as temporary, ParquetSink(temporary, space, recipe) as sink:
            yield sink
    elif path.suffix == ".npz":
        with atomic(path) as temporary, NpzSink(temporary, space) as archive:
            yield archive
    elif path.suffix in SUFFIXES:
        with (
            atomic(beside(path)) as rest,
            atomic(path) as temporary,
            ParquetSink(rest, space, recipe, embedding=False) as sink,
            _PlainSink(path.suffix, temporary, sink) as plain,
        ):
            yield plain
    else:
        check_suffix(path)


def check_quantize(path: Path, quantize: str) -> None:
    """Raise InputError where quantized vectors are not written."""
    if quantize not in ("int8", "binary"):
        raise InputError(f"unknown quantization {quantize!r}; there are int8 and binary")
    if path.suffix != ".parquet":
        raise InputError(f"quantized vectors are written as .parquet, not as {path.name!r}")


def check_suffix(path: Path) -> None:
    """Raise InputError for an ending that vectors are not written with."""
    if path.suffix not in (".parquet", ".npz", *SUFFIXES):
        raise InputError(
            f"cannot save as {path.name!r}: the name must end in .parquet, .npz, "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )


class _PlainSink:
    """Writes the vectors into a plain file, and all else into the one beside it."""

    def __init__(self, kind: str, path: Path, rest: ParquetSink) -> None:
        self._kind, self._path, self._rest = kind, path, rest
        self._rows = 0
        self._dimensions = rest.space.dimensions
        self._file = path.open("wb" if kind == ".npy" else "w", **_text(kind))
        self._table: Any = None
        if kind == ".npy":
            cast(Any, self._file).write(b" " * _HEADER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(Exception):
            self._file.close()

    def write(self, vectors: Vectors) -> None:
        """Append one block."""
        self._rest.write(vectors)
        self._rows += len(vectors)
        if self._kind == ".npy":
            cast(Any, self._file).write(np.ascontiguousarray(vectors.array, "<f4").tobytes())
            return
        template = "[" + ", ".join(["%.9g"] * vectors.dimensions) + "]"
        rows = _facts(vectors)
        # Nine digits give the same float32 again.
        texts = (template % tuple(row) for row in vectors.array.tolist())
        file = cast(TextIO, self._file)
        if self._kind == ".jsonl":
            for facts, text in zip(rows, texts, strict=True):
                plain = json.dumps(facts, ensure_ascii=False, default=str)
                file.write(f'{plain[:-1]}, "embedding": {text}}}\n')
            return
        for facts, text in zip(rows, texts, strict=True):
            if self._table is None:
                self._table = csv.writer(file, lineterminator="\n")
                self._table.writerow([*facts, "embedding"])
            self._table.writerow([*map(_cell, facts.values()), text])

    def finish(self, report: Report | None) -> None:
        """Complete both files."""
        if self._kind == ".csv" and self._table is None:
            csv.writer(cast(TextIO, self._file)).writerow([*_OWN, "embedding"])
        if self._kind == ".npy":
            self._file.seek(0)
            cast(Any, self._file).write(_npy_header(self._rows, self._dimensions))
        self._file.close()
        self._rest.add(OF_KEY, _digest(self._path))
        self._rest.finish(report)


def _text(kind: str) -> dict[str, Any]:
    return {} if kind == ".npy" else {"encoding": "utf-8", "newline": ""}


def _npy_header(rows: int, dimensions: int) -> bytes:
    """Return the header of an array of float32, version 1.0 of numpy's format, of fixed length."""
    facts = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}"
    return (
        b"\x93NUMPY\x01\x00"
        + (_HEADER - 10).to_bytes(2, "little")
        + (facts.ljust(_HEADER - 11) + "\n").encode("ascii")
    )


def _facts(vectors: Vectors) -> list[dict[str, Any]]:
    own = vectors.columns.to_pylist() if vectors.columns is not None else [{}] * len(vectors)
    return [
        {"id": row.id, "text": row.text, "tokens": row.tokens, "truncated": row.truncated} | more
        for row, more in zip(vectors, own, strict=True)
    ]


def _cell(value: Any) -> Any:
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else value


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


def read_plain(path: Path) -> Vectors:
    """Read what `writing` wrote; raises InputError where the two files do not belong together."""
    from veclab.vectorfiles.checked import opened_parquet
    from veclab.vectorfiles.files import assembled, report_of, space_of

    with opened_parquet(beside(path)) as file:
        metadata = file.schema_arrow.metadata or {}
        if SPACE_KEY not in metadata or not set(_OWN) <= set(file.schema_arrow.names):
            raise InputError(f"{beside(path)} is not what veclab writes beside vectors; remove it")
        space, report, table = space_of(file, path), report_of(file, path), file.read()
        of = (file.metadata.metadata or {}).get(OF_KEY, b"").decode()
    if of != _digest(path):
        raise InputError(
            f"{path} is not the file that {beside(path).name} belongs to: one of the two was "
            f"changed. Write both again, or remove {beside(path).name}: then the vectors are of a "
            "model that is not known"
        )
    if path.suffix == ".npy":
        array: NDArray[np.float32] = np.load(path, allow_pickle=False)
    else:
        vectors = _json_vectors(path) if path.suffix == ".jsonl" else _csv_vectors(path)
        array = np.fromiter(vectors, np.dtype((np.float32, space.dimensions)))
    return assembled(path, array, space, table, report)


def _json_vectors(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["embedding"]


def _csv_vectors(path: Path) -> Iterator[Any]:
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 26))
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            yield json.loads(row[-1])
