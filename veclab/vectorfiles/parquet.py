"""The vectors of a Parquet file, whoever wrote it, in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.blocks import BATCH, About, Rows, VectorBlock, choose_column
from veclab.vectorfiles.checked import (
    as_facts,
    as_lists,
    as_matrix,
    facts_in,
    is_vectors,
    opened_parquet,
    vector_kind,
)
from veclab.vectorfiles.joined import join_texts, named_columns
from veclab.vectorfiles.quantized import Codes
from veclab.vectorfiles.schema import OWN_COLUMNS, RECIPE_KEY, REPORT_KEY, SPACE_KEY

T = TypeVar("T")
_ID_NAMES = ("id", "_id")
_WHOLE = ("int", "uint")  # names of Arrow's types of whole numbers
_TEXT_NAMES = ("text", "texts", "content", "document", "chunk", "sentence", "body", "description")
# Numbers of a row group that is read ahead of its turn (32 MB), and how many are at once.
_AHEAD, _READERS = 1 << 23, 2


class ParquetVectors:
    """The vectors of a Parquet file, read batch by batch."""

    def __init__(
        self, path: Path, column: str | None, text_column: str | Sequence[str] | None
    ) -> None:
        self._path = path
        schema, rows, meta = self._facts()
        fitting = list_columns(schema)
        chosen = choose_column(path.name, fitting, [*schema.names, *fitting], column)
        kind = type_of(schema, chosen)
        if not is_vectors(kind):
            raise InputError(
                f"{path.name}: the column {chosen!r} holds {kind}, not lists of numbers"
            )
        self._column, self._schema = chosen, schema
        self._id = next((n for n in _ID_NAMES if n in schema.names), None)
        self._texts = _text_columns(schema, named_columns(text_column), path.name, self._id)

        def said(key: bytes, read: Callable[[str | bytes], T]) -> T | None:
            return None if key not in meta else facts_in(path, read, meta[key])

        numbers, length = vector_kind(kind)
        # Of a column whose vectors say their lengths themselves, as far as is known before.
        self._width = length or 1024
        dimensions = self._first_length() if length is None else length
        self.codes = Codes.read(meta, path.name) if chosen == "embedding" else None
        if self.codes is not None:
            dimensions, numbers = self.codes.dimensions, self.codes.kind
        self.about = About(
            path.name,
            chosen,
            rows,
            dimensions,
            numbers,
            has_texts=bool(self._texts),
            space=said(SPACE_KEY, Space.from_json),
            recipe=said(RECIPE_KEY, Recipe.from_json),
            report=said(REPORT_KEY, Report.from_json),
        )

    @classmethod
    def candidates(cls, path: Path) -> list[str]:
        """Return the columns that could be one of vectors."""
        self = cls.__new__(cls)
        self._path = path
        return list_columns(self._facts()[0])

    def _facts(self) -> tuple[Any, int, Mapping[bytes, bytes]]:
        """Return the schema, the number of rows, and what the file says of itself."""
        with opened_parquet(self._path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            # The report is written last, so it is in the file's metadata, not the schema's.
            return schema, rows, {**(schema.metadata or {}), **(file.metadata.metadata or {})}

    @property
    def _top(self) -> str:
        """The column of the file in which the vectors are."""
        if self._column in self._schema.names:
            return self._column
        return self._column.split(".", 1)[0]

    def _lists(self, batch: Any) -> Any:
        """Return the vectors of a batch as an array of lists."""
        import pyarrow.compute as pc

        found = batch[self._top]
        if self._column != self._top:
            found = pc.struct_field(found, self._column.split(".", 1)[1])
        return as_lists(found)

    def _matrix(self, lists: Any, done: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return vectors and which are missing, as `as_matrix`; codes are decoded."""
        if self.codes is None:
            return as_matrix(lists, self.about.dimensions, self.about.name, done)
        array, missing = as_matrix(lists, self.codes.width, self.about.name, done)
        decoded = np.full((len(array), self.codes.dimensions), np.nan, np.float32)
        decoded[~missing] = self.codes.decode(array[~missing])
        return decoded, missing

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
        for batch in file.iter_batches(BATCH, columns=columns, row_groups=groups):
            # By name once more: asking for "a" also brings a column called "a.b".
            chosen = batch.select(columns)
            chosen.validate(full=True)
            yield chosen

    def _first_length(self) -> int:
        """Return the length of the first vector; 0 where there is none."""
        import pyarrow.compute as pc

        for batch in self._batches([self._top]):
            lengths = pc.list_value_length(self._lists(batch)).drop_null()
            if len(lengths):
                return int(lengths[0].as_py())
        return 0

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""
        own = self.about.space is not None
        also = [n for n in ("tokens", "truncated") if own and n in self._schema.names]
        done = 0
        for batch in self._batches([self._top, *also]):
            lists = self._lists(batch)
            array, missing = self._matrix(lists, done)
            told = {n: as_facts(batch[n], n, self.about.name) for n in also}
            tokens = told.get("tokens")
            yield VectorBlock(
                array,
                missing,
                None if tokens is None else tokens.astype(np.int64),
                told.get("truncated"),
            )
            done += len(lists)

    def rows(self, vectors: bool) -> Iterator[Rows]:
        """Yield all rows, with the other columns of the file."""
        import pyarrow as pa

        left = {self._top, self._id, *(self._texts if len(self._texts) == 1 else ())}
        own = [n for n in self._schema.names if n not in left and n not in OWN_COLUMNS]
        names = list(dict.fromkeys([*own, *self._texts, *([self._id] if self._id else [])]))
        done = 0
        for batch in self._batches([*names, *([self._top] if vectors else [])]):
            m = batch.num_rows
            texts = _joined([batch[n].to_pylist() for n in self._texts]) if self._texts else None
            ids = batch[self._id].to_pylist() if self._id else range(done + 1, done + m + 1)
            array = None
            if vectors:
                lists = self._lists(batch)
                array, _ = self._matrix(lists, done)
            more = pa.Table.from_batches([batch]).select(own) if own else None
            yield Rows([str(i) if self._id else f"row {i}" for i in ids], texts, array, more)
            done += m

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows."""
        if self._id is None:
            return [f"row {p + 1}" for p in positions]
        return [str(value) for value in self._take(self._id, positions)]

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows."""
        columns = [self._take(name, positions) for name in self._texts]
        return _joined(columns) if columns else [None] * len(positions)

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows, batch by batch."""
        if self._texts:
            for batch in self._batches(list(self._texts)):
                yield _joined([batch[name].to_pylist() for name in self._texts])

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


def list_columns(schema: Any) -> list[str]:
    """Return the columns of lists of numbers: of fractions, or else of whole numbers.

    A list inside an object is `column.field`.
    """
    import pyarrow as pa

    lists: dict[str, Any] = {}
    for field in schema:
        if is_vectors(field.type):
            lists[field.name] = field.type
        elif pa.types.is_struct(field.type):
            inner = {f"{field.name}.{one.name}": one.type for one in field.type}
            lists.update((name, kind) for name, kind in inner.items() if is_vectors(kind))
    fractions = [n for n, kind in lists.items() if not vector_kind(kind)[0].startswith(_WHOLE)]
    return fractions or list(lists)


def type_of(schema: Any, column: str) -> Any:
    """Return the type of a column of `list_columns`."""
    if column in schema.names:
        return schema.field(column).type
    name, inner = column.split(".", 1)
    return schema.field(name).type.field(inner).type


def _joined(columns: list[list[str | None]]) -> list[str | None]:
    """Return the texts of each row, joined as `veclab embed` joins them."""
    if len(columns) == 1:
        return columns[0]
    return [join_texts(row) for row in zip(*columns, strict=True)]


def _text_columns(
    schema: Any, asked: tuple[str, ...], name: str, id_column: str | None
) -> tuple[str, ...]:
    """Choose the columns of texts: those asked for, of a usual name, or the only strings."""
    import pyarrow as pa

    for one in asked:
        if one not in schema.names:
            raise InputError(
                f"{name} has no column {one!r}; its columns are {', '.join(schema.names)}"
            )
    strings = [
        f.name
        for f in schema
        if f.name != id_column and (pa.types.is_string(f.type) or pa.types.is_large_string(f.type))
    ]
    for one in asked:
        if one not in strings:
            raise InputError(f"{name}: the column {one!r} does not contain texts")
    usual = [n for n in _TEXT_NAMES if n in strings]
    return asked or tuple(usual[:1] or (strings if len(strings) == 1 else ()))
