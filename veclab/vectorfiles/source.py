"""Reading vectors from any file that has one column of them, whoever wrote it, in flat memory.

Parquet (a column of lists of numbers), `.npz` (an array of two dimensions) and `.npy`. A file
without a Space is read too: it can be looked into, but not compared with anything. `veclab.read`
is the strict reader for all else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.checked import (
    array_kinds,
    as_facts,
    as_matrix,
    facts_in,
    is_vectors,
    mapped_array,
    opened_npz,
    opened_parquet,
)
from veclab.vectorfiles.schema import RECIPE_KEY, REPORT_KEY, SPACE_KEY

if TYPE_CHECKING:
    from veclab.vectors import Vectors

T = TypeVar("T")
_VECTOR_NAMES = ("embedding", "embeddings", "vector", "vectors")
_ID_NAMES = ("id", "_id")
_TEXT_NAMES = ("text", "texts", "content", "document", "chunk", "sentence", "body", "description")
_BATCH = 2048
# Numbers of a row group that is read ahead of its turn (32 MB), and how many are at once.
_AHEAD, _READERS = 1 << 23, 2


@dataclass(frozen=True, slots=True)
class VectorBlock:
    """A run of m consecutive rows.

    Attributes:
        array: float32 (m, dim), not checked in any way; NaN where a row has no vector.
        missing: bool (m,), rows without a vector.
        tokens: int (m,), or None where the file does not tell.
        truncated: bool (m,), or None where the file does not tell.
    """

    array: NDArray[np.float32]
    missing: NDArray[np.bool_]
    tokens: NDArray[np.int64] | None = None
    truncated: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What is known of vectors before they are read.

    Attributes:
        name: what to call the file or the object.
        column: where in it the vectors are.
        rows, dimensions: n and dim.
        dtype: how the numbers are stored.
        has_texts: whether `VectorSource.texts` gives texts.
        space, recipe, report: what the file says of itself; None where it does not.
    """

    name: str
    column: str
    rows: int
    dimensions: int
    dtype: str
    has_texts: bool
    space: Space | None = None
    recipe: Recipe | None = None
    report: Report | None = None


class VectorSource(Protocol):
    """Vectors that can be gone through any number of times."""

    @property
    def about(self) -> About:
        """What is known before reading."""

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows, in the order asked; else "row 1", "row 2", …"""

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows, in the order asked; None where there is none."""

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows, in runs of consecutive rows; nothing if there are none."""


def open_vectors(
    path: str | Path, *, column: str | None = None, text_column: str | None = None
) -> VectorSource:
    """Find the vectors in a file.

    Args:
        path: a `.parquet`, `.npz` or `.npy` file.
        column: the column (Parquet) or array (npz) that holds them; needed only where several do.
        text_column: the column that holds the texts, where its name does not tell.

    Raises:
        InputError: the file is missing, damaged or of another kind; it has no column of vectors,
            or several; its vectors have different lengths.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.suffix == ".parquet":
        return ParquetVectors(path, column, text_column)
    if path.suffix == ".npy":
        return ArrayVectors(path.name, "the array", _matrix(mapped_array(path), path.name))
    if path.suffix == ".npz":
        return _npz(path, column)
    raise InputError(
        f"{path.name}: vectors are read from .parquet, .npz and .npy files; most vector tools "
        "export one of these"
    )


def open_own(path: str | Path) -> VectorSource:
    """Open a file of vectors that veclab wrote, whose Space is known.

    Raises:
        InputError: it is missing, damaged, or not veclab's.
    """
    from veclab.vectorfiles.files import open_parquet, read

    path = Path(path)
    if path.suffix == ".npz":
        return ArrayVectors.of(read(path), path.name)
    with open_parquet(path):
        pass
    return ParquetVectors(path, "embedding", "text")


class ArrayVectors:
    """Vectors that are in memory, or mapped into it."""

    def __init__(self, name: str, column: str, array: NDArray[Any]) -> None:
        rows, dimensions = array.shape
        self.about = About(name, column, rows, dimensions, str(array.dtype), has_texts=False)
        self._array = array
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
        for start in range(0, self.about.rows, _BATCH):
            part = slice(start, start + _BATCH)
            array = np.asarray(self._array[part], dtype=np.float32)
            yield VectorBlock(
                array,
                np.zeros(len(array), dtype=np.bool_),
                None if known is None or known.tokens is None else known.tokens[part].astype(int),
                None if known is None or known.truncated is None else known.truncated[part],
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
        chosen = _choose(path.name, fitting, list(kinds), column)
        return ArrayVectors(path.name, chosen, _matrix(file[chosen], path.name))


def _matrix(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] < 1:
        raise InputError(
            f"{name} holds an array of shape {array.shape} and type {array.dtype}; expected is "
            "a two-dimensional array of numbers, (n, dim)"
        )
    return array


def _choose(name: str, fitting: list[str], every: list[str], asked: str | None) -> str:
    """Choose the column of vectors."""
    if asked is not None:
        if asked not in every:
            raise InputError(f"{name} has no column {asked!r}; its columns are {', '.join(every)}")
        return asked
    usual = [n for n in fitting if n.lower() in _VECTOR_NAMES]
    chosen = usual if len(usual) == 1 else fitting
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise InputError(
            f"{name} has several columns of vectors: {', '.join(chosen)}; choose one with "
            "--column NAME"
        )
    raise InputError(
        f"{name} has no column of vectors (a list of numbers in each row); "
        f"its columns are {', '.join(every) or 'none'}"
    )


class ParquetVectors:
    """The vectors of a Parquet file, read batch by batch."""

    def __init__(self, path: Path, column: str | None, text_column: str | None) -> None:
        import pyarrow as pa

        self._path = path
        with opened_parquet(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            # The report is written last, so it is in the file's metadata, not the schema's.
            meta = {**(schema.metadata or {}), **(file.metadata.metadata or {})}
        chosen = _choose(path.name, _list_columns(schema), schema.names, column)
        if not is_vectors(schema.field(chosen).type):
            raise InputError(
                f"{path.name}: the column {chosen!r} holds {schema.field(chosen).type}, not "
                "lists of numbers"
            )
        self._column, self._schema = chosen, schema
        self._id = next((n for n in _ID_NAMES if n in schema.names), None)
        self._text = _text_column(schema, text_column, path.name, self._id)

        def said(key: bytes, read: Callable[[str | bytes], T]) -> T | None:
            return None if key not in meta else facts_in(path, read, meta[key])

        kind = schema.field(chosen).type
        # Of a column whose vectors say their lengths themselves, as far as is known before.
        self._width = kind.list_size if pa.types.is_fixed_size_list(kind) else 1024
        dimensions = kind.list_size if pa.types.is_fixed_size_list(kind) else self._first_length()
        self.about = About(
            path.name,
            chosen,
            rows,
            dimensions,
            str(kind.value_type),
            has_texts=self._text is not None,
            space=said(SPACE_KEY, Space.from_json),
            recipe=said(RECIPE_KEY, Recipe.from_json),
            report=said(REPORT_KEY, Report.from_json),
        )

    def _batches(self, columns: list[str]) -> Iterator[Any]:
        with opened_parquet(self._path) as file:
            groups = range(file.metadata.num_row_groups)
            rows = max((file.metadata.row_group(g).num_rows for g in groups), default=0)
            if rows * self._width > _AHEAD or len(groups) < 2:
                yield from self._read(file, columns, list(groups))
                return

            def group(number: int) -> list[Any]:
                with opened_parquet(self._path, file.metadata) as own:
                    return list(self._read(own, columns, [number]))

            # Decoding takes longer than whatever is done with a block: two threads read ahead.
            pending: deque[Future[list[Any]]] = deque()
            with ThreadPoolExecutor(_READERS) as pool:
                try:
                    for number in groups:
                        if len(pending) >= _READERS:
                            yield from pending.popleft().result()
                        pending.append(pool.submit(group, number))
                    while pending:
                        yield from pending.popleft().result()
                finally:
                    for future in pending:
                        future.cancel()

    @staticmethod
    def _read(file: Any, columns: list[str], groups: list[int]) -> Iterator[Any]:
        for batch in file.iter_batches(_BATCH, columns=columns, row_groups=groups):
            # By name once more: asking for "a" also brings a column called "a.b".
            chosen = batch.select(columns)
            chosen.validate(full=True)
            yield chosen

    def _first_length(self) -> int:
        """Return the length of the first vector; 0 where there is none."""
        import pyarrow.compute as pc

        for batch in self._batches([self._column]):
            lengths = pc.list_value_length(batch[self._column]).drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
        return 0

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""
        own = self.about.space is not None
        also = [n for n in ("tokens", "truncated") if own and n in self._schema.names]
        done = 0
        for batch in self._batches([self._column, *also]):
            lists = batch[self._column]
            array, missing = as_matrix(lists, self.about.dimensions, self.about.name, done)
            told = {n: as_facts(batch[n], n, self.about.name) for n in also}
            tokens = told.get("tokens")
            yield VectorBlock(
                array,
                missing,
                None if tokens is None else tokens.astype(np.int64),
                told.get("truncated"),
            )
            done += len(lists)

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows."""
        if self._id is None:
            return [f"row {p + 1}" for p in positions]
        return [str(value) for value in self._take(self._id, positions)]

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows."""
        return [None] * len(positions) if self._text is None else self._take(self._text, positions)

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows, batch by batch."""
        if self._text is not None:
            for batch in self._batches([self._text]):
                yield batch[self._text].to_pylist()

    def _take(self, column: str, positions: Sequence[int]) -> list[Any]:
        """Return the values of some rows of a column; only their row groups are read."""
        wanted = np.unique(np.asarray(positions, dtype=np.intp))
        values: dict[int, Any] = {}
        with opened_parquet(self._path) as file:
            done = 0
            for group in range(file.metadata.num_row_groups if len(wanted) else 0):
                rows = file.metadata.row_group(group).num_rows
                if not ((wanted >= done) & (wanted < done + rows)).any():
                    done += rows
                    continue
                for batch in self._read(file, [column], [group]):
                    here = wanted[(wanted >= done) & (wanted < done + batch.num_rows)]
                    taken = batch[column].take(here - done).to_pylist()
                    values.update(zip(here.tolist(), taken, strict=True))
                    done += batch.num_rows
        if len(values) < len(wanted):
            raise InputError(f"{self._path} is damaged: it has fewer rows than it promises")
        return [values[p] for p in positions]


def _list_columns(schema: Any) -> list[str]:
    """Return the columns of lists of numbers: of fractions, or else of whole numbers."""
    import pyarrow as pa

    lists = [field for field in schema if is_vectors(field.type)]
    fractions = [f.name for f in lists if pa.types.is_floating(f.type.value_type)]
    return fractions or [field.name for field in lists]


def _text_column(schema: Any, asked: str | None, name: str, id_column: str | None) -> str | None:
    """Choose the column of texts: the one asked for, of a usual name, or the only strings."""
    import pyarrow as pa

    if asked is not None and asked not in schema.names:
        raise InputError(
            f"{name} has no column {asked!r}; its columns are {', '.join(schema.names)}"
        )
    strings = [
        f.name
        for f in schema
        if f.name != id_column and (pa.types.is_string(f.type) or pa.types.is_large_string(f.type))
    ]
    if asked is not None:
        if asked not in strings:
            raise InputError(f"{name}: the column {asked!r} does not contain texts")
        return asked
    usual = [n for n in _TEXT_NAMES if n in strings]
    return usual[0] if usual else strings[0] if len(strings) == 1 else None
