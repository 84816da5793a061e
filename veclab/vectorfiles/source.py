"""Reading vectors from any file that has one column of them, whoever wrote it, in flat memory.

Parquet (a column of lists of numbers), `.npz` (an array of two dimensions) and `.npy`. A file
without a Space is read too: it can be looked into, but not compared with anything. `veclab.read`
is the strict reader for all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.vectorfiles.blocks import BATCH, About, Rows, VectorBlock, VectorSource, choose_column
from veclab.vectorfiles.checked import array_kinds, mapped_array, opened_npz
from veclab.vectorfiles.foreign import ARROW_SUFFIXES, FAISS_SUFFIXES, refuse_foreign
from veclab.vectorfiles.joined import named_columns
from veclab.vectorfiles.others.tensors import as_floats, tensor_matrix
from veclab.vectorfiles.parquet import ParquetVectors
from veclab.vectorfiles.sidecar import has_sidecar

if TYPE_CHECKING:
    from veclab.vectors import Vectors

__all__ = ["About", "ArrayVectors", "VectorBlock", "VectorSource", "open_own", "open_vectors"]


def open_vectors(
    path: str | Path, *, column: str | None = None, text_column: str | Sequence[str] | None = None
) -> VectorSource:
    """Find the vectors in a file, or in a store of another tool, which is only read.

    Args:
        path: a `.parquet`, `.arrow`, `.feather`, `.npz`, `.npy` or `.safetensors` file; a FAISS
            index (`.faiss`, `.index`, or LangChain's folder); the folder of a Chroma or of a local
            Qdrant; `qdrant://HOST:PORT` or `postgresql://...` with pgvector. Where there are
            several collections or tables, `#NAME` after it names one.
        column: the column (Parquet), array (npz), tensor (safetensors) or named vector (Qdrant)
            that holds them; needed only where several do.
        text_column: the column that holds the texts, where its name does not tell; several are
            joined, with a blank line between them.

    Raises:
        InputError: the file is missing, damaged or of another kind; it has no column of vectors,
            or several; its vectors have different lengths.
    """
    texts = named_columns(text_column)
    if (found := _store(str(path), column, texts)) is not None:
        return found
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if has_sidecar(path):
        from veclab.vectorfiles.files import read

        return ArrayVectors.of(read(path), path.name)
    if path.suffix == ".parquet":
        return ParquetVectors(path, column, text_column)
    if path.suffix in ARROW_SUFFIXES:
        from veclab.vectorfiles.arrow import ArrowFileVectors

        return ArrowFileVectors(path, column, text_column)
    if path.suffix == ".safetensors":
        name, kind, array = tensor_matrix(path, column)
        return ArrayVectors(path.name, name, array, kind)
    if path.suffix == ".npy":
        return ArrayVectors(path.name, "the array", _matrix(mapped_array(path), path.name))
    if path.suffix == ".npz":
        return _npz(path, column)
    raise InputError(
        f"{path.name}: vectors are read from .parquet, .arrow, .npz, .npy and .safetensors files, "
        "FAISS (.faiss), Chroma, Qdrant and PostgreSQL"
    )


def _store(place: str, column: str | None, texts: tuple[str, ...]) -> VectorSource | None:
    """Open a store of another tool; None where it is a file of our own room, or nothing."""
    address, _, name = place.partition("#")
    if address.startswith(("postgresql://", "postgres://")):
        from veclab.vectorfiles.others.pgvector import pgvector_vectors

        return pgvector_vectors(address, name or None, column, texts)
    local = Path(place if Path(place).exists() else address)
    qdrant = (local / "meta.json").is_file() and (local / "collection").is_dir()
    if qdrant or address.startswith("qdrant://"):
        from veclab.vectorfiles.others.qdrant import qdrant_vectors

        where = str(local) if qdrant else address
        return qdrant_vectors(where, name or None, column, texts)
    if (local / "chroma.sqlite3").is_file():
        from veclab.vectorfiles.others.chroma import chroma_vectors

        return chroma_vectors(local, name or None, texts)
    if (local / "index.faiss").is_file() or (local.suffix in FAISS_SUFFIXES and local.is_file()):
        from veclab.vectorfiles.others.faiss_index import faiss_vectors

        return faiss_vectors(local)
    return None


def open_own(path: str | Path) -> VectorSource:
    """Open a file of vectors that veclab wrote, whose Space is known.

    Raises:
        InputError: it is missing, damaged, or not veclab's.
    """
    from veclab.vectorfiles.files import open_parquet, read

    path = Path(path)
    if path.suffix == ".npz" or has_sidecar(path):
        return ArrayVectors.of(read(path), path.name)
    refuse_foreign(path)
    with open_parquet(path):
        pass
    return ParquetVectors(path, "embedding", "text")


class ArrayVectors:
    """Vectors that are in memory, or mapped into it."""

    def __init__(self, name: str, column: str, array: NDArray[Any], kind: str = "") -> None:
        rows, dimensions = array.shape
        numbers = kind or str(array.dtype)
        self.about = About(name, column, rows, dimensions, numbers, has_texts=False)
        self._array, self._kind = array, kind
        self._vectors: Vectors | None = None

    @classmethod
    def of(cls, vectors: Vectors, name: str = "the vectors") -> ArrayVectors:
        """Return a source over vectors in memory."""
        self = cls(name, "embedding", vectors.array)
        self._vectors = vectors
        self.about = About(
            name,
            "embedding",
            len(vectors),
            vectors.dimensions,
            "float32",
            has_texts=vectors.texts is not None,
            space=vectors.space,
            report=vectors.report,
        )
        return self

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""
        known = self._vectors
        for start in range(0, self.about.rows, BATCH):
            part = slice(start, start + BATCH)
            array = as_floats(self._array[part], self._kind)
            yield VectorBlock(
                array,
                np.zeros(len(array), dtype=np.bool_),
                None if known is None or known.tokens is None else known.tokens[part].astype(int),
                None if known is None or known.truncated is None else known.truncated[part],
            )

    def rows(self, vectors: bool) -> Iterator[Rows]:
        """Yield all rows, in order."""
        known = self._vectors
        for start in range(0, self.about.rows, BATCH):
            positions = range(start, min(start + BATCH, self.about.rows))
            part = slice(positions.start, positions.stop)
            own = None if known is None or known.columns is None else known.columns.take(positions)
            yield Rows(
                self.names(positions),
                self.texts(positions) if self.about.has_texts else None,
                as_floats(self._array[part], self._kind) if vectors else None,
                own,
            )

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows."""
        known = self._vectors
        return [f"row {p + 1}" if known is None else known.ids[p] for p in positions]

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows."""
        known = self._vectors
        if known is None or known.texts is None:
            return [None] * len(positions)
        return [known.texts[p] for p in positions]

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows."""
        if self._vectors is not None and self._vectors.texts is not None:
            yield list(self._vectors.texts)


def _npz(path: Path, column: str | None) -> ArrayVectors:
    with opened_npz(path) as file:
        if {"embedding", "id", "space"} <= set(file.files) and column is None:
            from veclab.vectorfiles.files import read

            return ArrayVectors.of(read(path), path.name)
        kinds = array_kinds(file)
        fitting = [
            n for n, (shape, kind) in kinds.items() if len(shape) == 2 and kind.kind in "fiu"
        ]
        chosen = choose_column(path.name, fitting, list(kinds), column)
        return ArrayVectors(path.name, chosen, _matrix(file[chosen], path.name))


def _matrix(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] < 1:
        raise InputError(
            f"{name} holds an array of shape {array.shape} and type {array.dtype}; expected is "
            "a two-dimensional array of numbers, (n, dim)"
        )
    return array
