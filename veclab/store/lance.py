"""Tables of the embedded back end: snapshots of Lance data sets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import StoreError
from veclab.pipeline.prepare import repair_surrogates
from veclab.store.backend import Found
from veclab.store.fields import Field, own_column
from veclab.store.lance_filter import to_expression
from veclab.store.lance_indices import (
    VECTOR_INDEX,
    index_of_vectors,
    index_of_words,
    partitions_for,
)
from veclab.store.lance_package import lance_package, told
from veclab.store.lance_write import files_without, write_files
from veclab.store.rows import vectors_of
from veclab.store.where import Where
from veclab.unit_length import normalize

if TYPE_CHECKING:
    import pyarrow as pa

# Up to this many rows a matrix in memory is searched, whole and exact: under 10 ms, 150 MB at 384
# dimensions. Above, the vector index.
EXACT_ROWS = 100_000
_FEW = 10_000  # rows that a filter leaves: up to so many are searched one by one
_BLOCK = 1024  # rows that are read at once where memory is to stay small
_FILES = 40  # of more than these, small ones are put together
# Readers that have a version open read its files: only what is older than this is removed.
_KEEP = timedelta(hours=1)


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
    _matrix: _Matrix | None = field(default=None, repr=False)
    _searched: bool = field(default=False, repr=False)

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
        with told(self.name):
            newest = self.data.latest_version
            if newest == self.version:
                return self
            return LanceTable(self.data.checkout_version(newest), self.name)

    def count(self, where: Where | None = None) -> int:
        """Passages, or those that a filter lets through."""
        with told(self.name):
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

        with told(self.name):
            scanner = self.data.scanner(
                columns=list(columns),
                filter=None if where is None else to_expression(where),
                scan_in_order=True,
            )
            for batch in scanner.to_batches():
                yield pa.Table.from_batches([batch])

    def fetch(self, keys: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, in the order of the keys."""
        with told(self.name):
            return self.data._take_rows([int(key) for key in keys], columns=list(columns))

    def _keys_where(self, where: Where) -> NDArray[np.int64]:
        table = self.data.scanner(
            columns=[], filter=to_expression(where), with_row_id=True
        ).to_table()
        return np.sort(_keys_of(table))

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Keys and vectors at unit length of all rows, block by block.

        Rows are taken by number: a scan reads a file's whole column at once, for the file that a
        first run writes 200 MB.
        """
        for fragment in self.data.get_fragments():
            keys = _keys_of(fragment.scanner(columns=[], with_row_id=True).to_table())
            for start in range(0, len(keys), _BLOCK):
                part = keys[start : start + _BLOCK]
                rows = fragment.take(list(range(start, start + len(part))), columns=["embedding"])
                yield part, normalize(vectors_of(rows))

    def matrix(self) -> _Matrix:
        """All vectors, read once for this snapshot."""
        if self._matrix is None:
            n, size = self.data.count_rows(), self.schema.field("embedding").type.list_size
            keys, array = np.empty(n, np.int64), np.empty((n, size), np.float32)
            done = 0
            for part, vectors in self._blocks():
                here = slice(done, done + len(part))
                keys[here], array[here] = part, vectors
                done = here.stop
            if not (keys[1:] > keys[:-1]).all():
                order = np.argsort(keys)
                keys, array = keys[order], array[order]
            self._matrix = _Matrix(keys, array)
        return self._matrix

    def _all_scores(
        self, unit: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Keys in ascending order, and each row's cosine with a vector of unit length.

        The first search keeps no matrix: a process that asks once needs none.
        """
        if self._matrix is None and not self._searched:
            self._searched = True
            blocks = [(part, vectors @ unit) for part, vectors in self._blocks()]
            keys = np.concatenate([k for k, _ in blocks] or [np.zeros(0, np.int64)])
            scores = np.concatenate([s for _, s in blocks] or [np.zeros(0, np.float32)])
            order = np.argsort(keys)
            return keys[order], scores[order]
        matrix = self.matrix()
        return matrix.keys, matrix.array @ unit

    @property
    def has_vector_index(self) -> bool:
        """Whether an approximate index stands on the vectors."""
        return any(index.name == VECTOR_INDEX for index in self.data.describe_indices())

    def nearest(
        self, query: NDArray[np.float32], limit: int, where: Where | None = None, **search: Any
    ) -> Found:
        """The rows whose vectors have the highest cosine with a query (dim,)."""
        with told(self.name):
            if self.data.count_rows() <= EXACT_ROWS:
                return self._exact(query, limit, where)
            if where is None:
                return self._approximate(query, limit, None, **search)
            keys = self._keys_where(where)
            if len(keys) > _FEW:
                found = self._approximate(query, limit, where, **search)
                if len(found.keys) >= limit:
                    return found
                return self._approximate(query, limit, where, use_index=False)
            # The probed partitions may hold none of a few rows: those are all looked at.
            scores = self.cosines(query, keys)
            best = top_rows(scores, limit)
            return Found(keys[best], scores[best])

    def _approximate(
        self, query: NDArray[np.float32], limit: int, where: Where | None, **search: Any
    ) -> Found:
        """By the vector index, and all rows that came after it."""
        if "refine_factor" in search:
            # It was found for the first ten: of more rows, a smaller share is as many.
            search["refine_factor"] = max(1, -(-search["refine_factor"] * 10 // limit))
        asked = {"column": "embedding", "q": query, "k": limit, "metric": "cosine"}
        table = self.data.scanner(
            columns=["_distance"],
            with_row_id=True,
            nearest=asked | search,
            filter=None if where is None else to_expression(where),
            prefilter=True,
        ).to_table()
        return Found(_keys_of(table), 1 - table["_distance"].to_numpy())

    def _exact(self, query: NDArray[np.float32], limit: int, where: Where | None) -> Found:
        keys, scores = self._all_scores(normalize(query[None])[0])
        if where is not None:
            rows = np.searchsorted(keys, self._keys_where(where))
            keys, scores = keys[rows], scores[rows]
        best = top_rows(scores, limit)
        return Found(keys[best], scores[best])

    def cosines(self, query: NDArray[np.float32], keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of a query with some rows: float32 (len(keys),)."""
        if not len(keys):
            return np.zeros(0, np.float32)
        with told(self.name):
            if self._matrix is not None:
                array = self._matrix.array[np.searchsorted(self._matrix.keys, keys)]
            else:
                array = normalize(vectors_of(self.fetch(keys.tolist(), ["embedding"])))
            return np.asarray(array @ normalize(query[None])[0])

    def keyword(self, query: str, limit: int, where: Where | None = None) -> Found:
        """The rows with the highest BM25 for a query's words."""
        from lance.query import MatchQuery

        with told(self.name):
            table = self.data.scanner(
                columns=["_score"],
                with_row_id=True,
                full_text_query=MatchQuery(repair_surrogates(query), "text"),
                filter=None if where is None else to_expression(where),
                prefilter=True,
                limit=limit,
            ).to_table()
            return Found(_keys_of(table), table["_score"].to_numpy())

    def commit(self, gone: Collection[str], rows: Iterable[pa.Table]) -> None:
        """In one step: remove all rows of the documents `gone`, and add rows.

        `gone` is looked at when the last of `rows` has come.
        """
        lance = lance_package()
        fragments = write_files(
            self.data, self.name, rows
        )  # whatever this raises, nothing refers to what was written
        with told(self.name):
            updated, removed = files_without(self.data, gone)
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

    def sample(self, count: int, columns: Sequence[str]) -> tuple[NDArray[np.int64], pa.Table]:
        """Some columns of rows from all over the table, the same each time, and their keys."""
        with told(self.name):
            n = self.data.count_rows()
            places = np.random.default_rng(0).choice(n, min(count, n), replace=False)
            rows = self.data.take(np.sort(places).tolist(), columns=[*columns, "_rowid"])
            return _keys_of(rows), rows.select(list(columns))

    def index_vectors(self) -> bool:
        """Build the vector index of a large table, again when it has doubled."""
        with told(self.name):
            n = self.data.count_rows()
            if n <= EXACT_ROWS:
                return False
            wanted = partitions_for(n)
            if not self.has_vector_index or wanted > 1.5 * self._partitions:
                index_of_vectors(self.data, wanted)
        return True

    @property
    def _partitions(self) -> int:
        statistics = self.data.stats.index_stats(VECTOR_INDEX)
        return int(statistics["indices"][0]["num_partitions"])

    def efforts(self) -> list[dict[str, Any]]:
        """Options of `nearest`: more probes, up to all partitions, then more that are rescored."""
        partitions = self._partitions
        probes = sorted({min(partitions, round(4 * 2 ** (i / 4))) for i in range(60)})
        ladder = [{"nprobes": p, "refine_factor": 2} for p in probes]
        return ladder + [{"nprobes": partitions, "refine_factor": r} for r in (5, 10, 20, 50)]

    def kth_best(
        self, queries: NDArray[np.float32], own: NDArray[np.int64], k: int
    ) -> NDArray[np.float32]:
        """For each query (m, dim) the exact k-th highest cosine: (m,). `own` is left out."""
        queries = normalize(queries)
        best = np.full((len(queries), k), -np.inf, np.float32)
        with told(self.name):
            for keys, vectors in self._blocks():
                scores = queries @ vectors.T
                scores[own[:, None] == keys] = -np.inf
                both = np.concatenate([best, scores], axis=1)
                best = np.partition(both, -k, axis=1)[:, -k:]
        return np.asarray(best.min(axis=1))

    def add_fields(self, own: Iterable[Field]) -> LanceTable:
        """Add columns, null in all rows there are; returns the newest snapshot."""
        import pyarrow as pa

        columns = [own_column(field) for field in own]
        if columns:
            with told(self.name):
                self.data.add_columns(pa.schema(columns))
        return self.latest()

    def compact(self, keep: timedelta) -> None:
        """Put small files together; drop versions older than `keep`."""
        with told(self.name):
            self.data.optimize.compact_files()
            self.data.optimize.optimize_indices()
            # Only the holder of the lock writes, so files that no version names are left over.
            self.data.cleanup_old_versions(
                older_than=max(keep, timedelta(microseconds=1)), delete_unverified=True
            )

    def faults(self) -> list[str]:
        """What is damaged, in words."""
        try:
            self.data.validate()
        except (OSError, ValueError, RuntimeError) as error:
            return [str(error)]
        return []

    def broken_indices(self) -> list[str]:
        """Which indices cannot be used: of `words`, `vectors`."""
        asked: dict[str, Callable[[], Found]] = {"words": lambda: self.keyword("a", 1)}
        if self.has_vector_index:
            any_vector = np.ones(self.schema.field("embedding").type.list_size, np.float32)
            asked["vectors"] = lambda: self._approximate(any_vector, 1, None)
        broken = []
        for name, ask in asked.items():
            try:
                with told(self.name):
                    ask()
            except StoreError:
                broken.append(name)
        return broken

    def mend_indices(self, language: str) -> list[str]:
        """Build those that cannot be used again from the rows; returns which these were."""
        broken = self.broken_indices()
        with told(self.name):
            if "words" in broken:
                index_of_words(self.data, language)
            if "vectors" in broken:
                index_of_vectors(self.data, partitions_for(self.data.count_rows()))
        return broken

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


def _keys_of(rows: pa.Table | pa.RecordBatch) -> NDArray[np.int64]:
    keys: NDArray[np.int64] = rows["_rowid"].to_numpy().astype(np.int64)
    return keys


def top_rows(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """Positions of the highest scores, best first; equal scores in their order."""
    if limit < len(scores):
        part = np.argpartition(scores, -limit)[-limit:]
        return part[np.lexsort((part, -scores[part]))]
    return np.argsort(-scores, kind="stable")
