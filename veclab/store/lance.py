"""The embedded back end: a folder of Lance tables, which LanceDB and other tools of its kind read.

    PATH/store.json      the state; replaced in one step
    PATH/lock            held by the writer
    PATH/NAME.lance      a table

It uses Lance's own package, not LanceDB's on top of it: a third of the time to import, and the one
commit in which rows go and come is to be had only there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.atomic import atomic
from veclab.errors import MissingExtra, OutputError, StoreError
from veclab.store.backend import Found
from veclab.store.fields import Field, own_column
from veclab.store.lance_filter import to_expression
from veclab.store.language import NO_LANGUAGE
from veclab.store.rows import vectors_of
from veclab.store.state import State
from veclab.store.where import Where
from veclab.unit_length import normalize

if TYPE_CHECKING:
    import pyarrow as pa

# Up to this many rows a matrix in memory is searched, whole and exact: under 10 ms, 150 MB at 384
# dimensions. Above, the vector index.
EXACT_ROWS = 100_000
_WRITE_ROWS = 65_536  # rows of one file: few files, and 100 MB in memory at 384 dimensions
_FILES = 40  # of more than these, small ones are put together
# Readers that have a version open read its files: only what is older than this is removed.
_KEEP = timedelta(hours=1)


def _lance() -> Any:
    os.environ.setdefault("LANCE_LOG", "error")  # it warns of each table that it creates
    try:
        import lance
    except ImportError:
        raise MissingExtra("store", "a store on disk") from None
    return lance


class LancePlace:
    """A folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.name = str(path)

    @property
    def _state(self) -> Path:
        return self.path / "store.json"

    def read(self) -> State | None:
        """The state; None where there is no store yet."""
        try:
            text = self._state.read_bytes()
        except FileNotFoundError:
            self._refuse_other()
            return None
        except NotADirectoryError:
            raise StoreError(f"{self.name} is a file, not the folder of a store") from None
        except OSError as error:
            raise StoreError(f"the store {self.name} cannot be read: {error.strerror}") from None
        return State.from_json(text, self.name)

    def _refuse_other(self) -> None:
        """A folder with other things in it is not made a store: it may be a user's documents."""
        known = ("lock", "store.json")
        if self.path.is_dir() and any(
            p.name not in known and p.suffix != ".lance" and not p.name.endswith(".veclab-tmp")
            for p in self.path.iterdir()
        ):
            raise StoreError(
                f"{self.name} is a folder with other things in it and no store; choose a path for "
                "the store that does not exist yet"
            )

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        try:
            with atomic(self._state) as temporary:
                temporary.write_text(state.to_json(), encoding="utf-8")
        except OutputError as error:
            raise StoreError(str(error)) from None

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Be the only writer; raises StoreError when another is, after `wait` seconds."""
        try:
            from filelock import FileLock, Timeout
        except ImportError:
            raise MissingExtra("store", "a store on disk") from None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            held = FileLock(self.path / "lock")
            held.acquire(timeout=wait)
        except Timeout:
            raise StoreError(
                f"another process is writing the store {self.name}; wait until it is done, and "
                "run this again"
            ) from None
        except OSError as error:
            raise StoreError(
                f"the store {self.name} cannot be written: {error.strerror or error}"
            ) from None
        try:
            yield
        finally:
            held.release()

    def _uri(self, name: str) -> Path:
        return self.path / f"{name}.lance"

    def create(self, name: str, schema: pa.Schema, language: str) -> LanceTable:
        """An empty table; one of that name that a killed run left is replaced."""
        lance = _lance()
        shutil.rmtree(self._uri(name), ignore_errors=True)
        with _told(self.name):
            data = lance.write_dataset(schema.empty_table(), str(self._uri(name)), schema=schema)
            words = language != NO_LANGUAGE
            data.create_scalar_index(
                "text",
                "INVERTED",
                with_position=False,
                language=language if words else "English",
                stem=words,
                remove_stop_words=words,
            )
            return LanceTable(lance.dataset(str(self._uri(name))), self.name)

    def open(self, name: str) -> LanceTable:
        """A table; raises StoreError where it is missing or damaged."""
        with _told(self.name):
            return LanceTable(_lance().dataset(str(self._uri(name))), self.name)

    def drop(self, name: str) -> None:
        """Remove a table, where it exists."""
        shutil.rmtree(self._uri(name), ignore_errors=True)

    def tables(self) -> list[str]:
        """The names of all tables, also of those that no state names."""
        return sorted(p.stem for p in self.path.glob("*.lance"))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say errors of Lance in this project's words."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, StoreError):
            raise
        reason = str(error).split(", /home")[0].split("\n")[0][:300]
        raise StoreError(
            f"the store {name} cannot be used: {reason}. `veclab store check --store {name}` "
            "looks for damage"
        ) from error


@dataclass
class _Matrix:
    """All vectors of a table at unit length, and the keys of their rows in ascending order."""

    keys: NDArray[np.int64]
    array: NDArray[np.float32]


@dataclass(eq=False)
class LanceTable:
    """One snapshot of a Lance table."""

    data: Any  # lance.LanceDataset
    name: str  # of the place, for messages
    exact_rows: int = EXACT_ROWS
    _matrix: _Matrix | None = field(default=None, repr=False)

    @property
    def schema(self) -> pa.Schema:
        """As of `rows.table_schema`."""
        return self.data.schema

    @property
    def version(self) -> int:
        """Grows with every commit."""
        return int(self.data.version)

    def latest(self) -> LanceTable:
        """The newest snapshot: itself where nothing has changed."""
        with _told(self.name):
            newest = self.data.latest_version
            if newest == self.version:
                return self
            return LanceTable(self.data.checkout_version(newest), self.name, self.exact_rows)

    def count(self, where: Where | None = None) -> int:
        """Passages, or those that a filter lets through."""
        with _told(self.name):
            if where is None:
                return int(self.data.count_rows())
            return int(
                self.data.scanner(
                    columns=[], filter=to_expression(where), with_row_id=True
                ).count_rows()
            )

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[pa.Table]:
        """Some columns of all rows, in runs of consecutive rows."""
        import pyarrow as pa

        with _told(self.name):
            scanner = self.data.scanner(
                columns=list(columns),
                filter=None if where is None else to_expression(where),
                scan_in_order=True,
            )
            for batch in scanner.to_batches():
                yield pa.Table.from_batches([batch])

    def fetch(self, keys: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, in the order of the keys."""
        with _told(self.name):
            return self.data._take_rows([int(key) for key in keys], columns=list(columns))

    def _keys_where(self, where: Where) -> NDArray[np.int64]:
        table = self.data.scanner(
            columns=[], filter=to_expression(where), with_row_id=True
        ).to_table()
        return np.sort(table["_rowid"].to_numpy().astype(np.int64))

    def matrix(self) -> _Matrix:
        """All vectors, read once for this snapshot."""
        if self._matrix is None:
            table = self.data.scanner(
                columns=["embedding"], with_row_id=True, scan_in_order=True
            ).to_table()
            keys = table["_rowid"].to_numpy().astype(np.int64)
            array = normalize(vectors_of(table))
            if len(keys) > 1 and not (keys[1:] > keys[:-1]).all():
                order = np.argsort(keys)
                keys, array = keys[order], array[order]
            self._matrix = _Matrix(keys, array)
        return self._matrix

    @property
    def has_vector_index(self) -> bool:
        """Whether an approximate index stands on the vectors."""
        return any("embedding" in index["fields"] for index in self.data.list_indices())

    def nearest(
        self, query: NDArray[np.float32], limit: int, where: Where | None = None, **search: Any
    ) -> Found:
        """The rows whose vectors have the highest cosine with a query (dim,)."""
        with _told(self.name):
            if self.data.count_rows() <= self.exact_rows:
                return self._exact(query, limit, where)
            table = self.data.scanner(
                columns=["_distance"],
                with_row_id=True,
                nearest={
                    "column": "embedding",
                    "q": query,
                    "k": limit,
                    "metric": "cosine",
                    **search,
                },
                filter=None if where is None else to_expression(where),
                prefilter=True,
            ).to_table()
            return Found(
                table["_rowid"].to_numpy().astype(np.int64), 1 - table["_distance"].to_numpy()
            )

    def _exact(self, query: NDArray[np.float32], limit: int, where: Where | None) -> Found:
        matrix = self.matrix()
        keys, array = matrix.keys, matrix.array
        unit = normalize(query[None])[0]
        if where is None:
            scores = array @ unit
        else:
            rows = np.searchsorted(keys, self._keys_where(where))
            keys, scores = keys[rows], array[rows] @ unit
        best = top_rows(scores, limit)
        return Found(keys[best], scores[best])

    def cosines(self, query: NDArray[np.float32], keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of a query with some rows: float32 (len(keys),)."""
        if not len(keys):
            return np.zeros(0, np.float32)
        with _told(self.name):
            if self._matrix is not None:
                array = self._matrix.array[np.searchsorted(self._matrix.keys, keys)]
            else:
                array = normalize(vectors_of(self.fetch(keys.tolist(), ["embedding"])))
            return np.asarray(array @ normalize(query[None])[0])

    def keyword(self, query: str, limit: int, where: Where | None = None) -> Found:
        """The rows with the highest BM25 for a query's words."""
        from lance.query import MatchQuery

        with _told(self.name):
            table = self.data.scanner(
                columns=["_score"],
                with_row_id=True,
                full_text_query=MatchQuery(query, "text"),
                filter=None if where is None else to_expression(where),
                prefilter=True,
                limit=limit,
            ).to_table()
            return Found(table["_rowid"].to_numpy().astype(np.int64), table["_score"].to_numpy())

    def commit(self, gone: Collection[str], rows: Iterable[pa.Table]) -> None:
        """In one step: remove all rows of the documents `gone`, and add rows.

        `gone` is looked at when the last of `rows` has come.
        """
        lance = _lance()
        fragments = self._write(rows)  # whatever this raises, nothing refers to what was written
        with _told(self.name):
            updated, removed = self._delete(gone)
            if not (fragments or updated or removed):
                return
            operation = lance.LanceOperation.Update(
                removed_fragment_ids=removed,
                updated_fragments=updated,
                new_fragments=fragments,
                fields_modified=[],
            )
            data = lance.LanceDataset.commit(self.data.uri, operation, read_version=self.version)
            if len(data.get_fragments()) > _FILES:
                data.optimize.compact_files()
            data.optimize.optimize_indices()
            data.cleanup_old_versions(older_than=_KEEP)

    def _write(self, rows: Iterable[pa.Table]) -> list[Any]:
        """Write rows to files that nothing refers to yet."""
        import pyarrow as pa
        from lance.fragment import write_fragments

        fragments: list[Any] = []
        waiting: list[pa.Table] = []

        def write() -> None:
            with _told(self.name):
                table = pa.concat_tables(waiting).combine_chunks()
                fragments.extend(write_fragments(table, self.data.uri, schema=self.schema))
            waiting.clear()

        for table in rows:
            if table.num_rows:
                waiting.append(table)
            if sum(t.num_rows for t in waiting) >= _WRITE_ROWS:
                write()
        if waiting:
            write()
        return fragments

    def _delete(self, gone: Collection[str]) -> tuple[list[Any], list[int]]:
        """Fragments without the rows of some documents: those that changed, ids of the empty."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not gone:
            return [], []
        wanted = pa.array(sorted(gone), pa.string())
        found: list[NDArray[np.int64]] = []
        for batch in self.data.scanner(columns=["document"], with_row_address=True).to_batches():
            hit = pc.is_in(batch["document"], value_set=wanted)
            found.append(batch["_rowaddr"].filter(hit).to_numpy().astype(np.int64))
        addresses = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
        updated, removed = [], []
        for number in np.unique(addresses >> 32).tolist():
            rows = addresses[addresses >> 32 == number] & 0xFFFFFFFF
            changed = self.data.get_fragment(number).delete_rows(rows.tolist())
            if changed is None:
                removed.append(number)
            else:
                updated.append(changed)
        return updated, removed

    def add_fields(self, own: Iterable[Field]) -> LanceTable:
        """Add columns, null in all rows there are; returns the newest snapshot."""
        import pyarrow as pa

        columns = [own_column(field) for field in own]
        if columns:
            with _told(self.name):
                self.data.add_columns(pa.schema(columns))
        return self.latest()

    def facts(self) -> dict[str, Any]:
        """What `inspect` shows of indices, sizes and versions."""
        size = sum(p.stat().st_size for p in Path(self.data.uri).rglob("*") if p.is_file())
        return {
            "table_version": self.version,
            "versions_kept": len(self.data.versions()),
            "files": len(self.data.get_fragments()),
            "bytes": size,
            "vector_search": "index" if self.has_vector_index else "exact",
        }


def top_rows(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """Positions of the highest scores, best first; equal scores in their order."""
    if limit < len(scores):
        part = np.argpartition(scores, -limit)[-limit:]
        return part[np.lexsort((part, -scores[part]))]
    return np.argsort(-scores, kind="stable")
