"""The vectors of a Parquet file, whoever wrote it, in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.blocks import BATCH, About, VectorBlock, choose_column
from veclab.vectorfiles.checked import as_facts, as_matrix, facts_in, is_vectors, opened_parquet
from veclab.vectorfiles.joined import join_texts, named_columns
from veclab.vectorfiles.schema import RECIPE_KEY, REPORT_KEY, SPACE_KEY

T = TypeVar("T")
_ID_NAMES = ("id", "_id")
_TEXT_NAMES = ("text", "texts", "content", "document", "chunk", "sentence", "body", "description")
# Numbers of a row group that is read ahead of its turn (32 MB), and how many are at once.
_AHEAD, _READERS = 1 << 23, 2


class ParquetVectors:
    """The vectors of a Parquet file, read batch by batch."""

    def __init__(
        self, path: Path, column: str | None, text_column: str | Sequence[str] | None
    ) -> None:
        import pyarrow as pa

        self._path = path
        with opened_parquet(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            # The report is written last, so it is in the file's metadata, not the schema's.
            meta = {**(schema.metadata or {}), **(file.metadata.metadata or {})}
        chosen = choose_column(path.name, _list_columns(schema), schema.names, column)
        if not is_vectors(schema.field(chosen).type):
            raise InputError(
                f"{path.name}: the column {chosen!r} holds {schema.field(chosen).type}, not "
                "lists of numbers"
            )
        self._column, self._schema = chosen, schema
        self._id = next((n for n in _ID_NAMES if n in schema.names), None)
        self._texts = _text_columns(schema, named_columns(text_column), path.name, self._id)

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
            has_texts=bool(self._texts),
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
        for batch in file.iter_batches(BATCH, columns=columns, row_groups=groups):
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


def _list_columns(schema: Any) -> list[str]:
    """Return the columns of lists of numbers: of fractions, or else of whole numbers."""
    import pyarrow as pa

    lists = [field for field in schema if is_vectors(field.type)]
    fractions = [f.name for f in lists if pa.types.is_floating(f.type.value_type)]
    return fractions or [field.name for field in lists]


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
