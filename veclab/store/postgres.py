"""Tables of the shared back end: PostgreSQL with pgvector, and BM25 over a table of words.

A commit is a transaction. BM25 is our own: PostgreSQL's `ts_rank` knows nothing of how rare a word
is, and finds far less.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import StoreError
from veclab.jsontext import parse_json
from veclab.pipeline.prepare import repair_surrogates
from veclab.space import Space
from veclab.store.backend import Found
from veclab.store.fields import Field
from veclab.store.language import NO_LANGUAGE
from veclab.store.postgres_filter import SQL_TYPES, to_sql
from veclab.store.rows import own_fields, table_schema, vectors_of
from veclab.store.where import Where

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.store.postgres_location import PostgresPlace

EXACT_ROWS = 100_000
_INDEXED_DIMENSIONS = 2000  # more than pgvector's index takes are searched exactly
_PAGE = 4096
_K1, _B = 1.2, 0.75  # of BM25 (Robertson and Zaragoza 2009)
_FEW = 10_000
_MUCH = 10  # a commit of more than this part of a table changes how it is best read
_INDEX_BYTES = 2**30  # memory for building an index, at most
_BM25 = """
WITH asked AS (SELECT lexeme AS term FROM unnest(to_tsvector(%s::regconfig, %s))),
     rare AS (SELECT term, count(*) AS rows FROM {terms} JOIN asked USING (term) GROUP BY term),
     whole AS (SELECT greatest(rows, 1)::float8 AS rows,
                      greatest(words::float8 / greatest(rows, 1), 1) AS length
               FROM {tables} WHERE name = %s)
SELECT p._key, sum(ln(1 + (whole.rows - rare.rows + 0.5) / (rare.rows + 0.5)) * t.times * %s
           / (t.times + %s * (1 - %s + %s * p._words / whole.length)))::float8 AS score
FROM {terms} t JOIN rare USING (term) JOIN {table} p ON p._key = t.key CROSS JOIN whole
WHERE {where}
GROUP BY p._key ORDER BY score DESC, p._key LIMIT %s
"""


@dataclass(eq=False)
class PostgresTable:
    """A table of a schema, as it is now."""

    place: PostgresPlace
    table: str
    schema: Any  # pyarrow.Schema
    language: str
    version: int

    @classmethod
    def opened(
        cls, place: PostgresPlace, name: str, space: str, own: str, language: str, version: int
    ) -> PostgresTable:
        """Of what the row in `tables` says."""
        fields = [Field(**value) for value in parse_json(own)]
        return cls(place, name, table_schema(Space.from_json(space), fields), language, version)

    @property
    def _config(self) -> str:
        return configuration(self.language)

    def _run(self, query: str, values: Any = (), where: Where | None = None, **more: Any) -> Any:
        """Run a statement; {table}, {terms}, {tables} and {where} in it stand for what they say.

        Args:
            query: the statement.
            values: its parameters; with a filter, a function that puts the filter's among them.
            where: the filter.
            more: other parts of the statement.
        """
        from psycopg import sql

        condition, filter_values = (sql.SQL("true"), []) if where is None else to_sql(where)
        text = sql.SQL(query).format(
            table=sql.Identifier(self.place.schema, self.table),
            terms=sql.Identifier(self.place.schema, f"{self.table}_terms"),
            tables=sql.Identifier(self.place.schema, "tables"),
            where=condition,
            **more,
        )
        with self.place.told():
            connection = self.place.connect()
            if callable(values):
                values = values(filter_values)
            return connection.execute(text, values)

    def latest(self) -> PostgresTable:
        """The table as it is now."""
        return self.place.open(self.table)

    def count(self, where: Where | None = None) -> int:
        """Passages, or those that a filter lets through."""
        query = "SELECT count(*) FROM {table} WHERE {where}"
        return int(self._run(query, lambda values: values, where).fetchone()[0])

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[pa.Table]:
        """Some columns of all rows, in runs of consecutive rows."""
        last = -1
        while True:
            keys = self._run(
                "SELECT _key FROM {table} WHERE {where} AND _key > %s ORDER BY _key LIMIT %s",
                lambda values: [*values, last, _PAGE],  # noqa: B023
                where,
            ).fetchall()
            if not keys:
                return
            last = keys[-1][0]
            yield self.fetch([key for (key,) in keys], columns)

    def fetch(self, keys: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, in the order of the keys."""
        import pyarrow as pa
        from psycopg import sql

        real = sql.SQL("embedding::real[]")
        chosen = [sql.Identifier(name) if name != "embedding" else real for name in columns]
        rows = self._run(
            "SELECT _key{columns} FROM {table} WHERE _key = ANY(%s)",
            [[int(key) for key in keys]],
            columns=sql.SQL("").join(sql.SQL(", ") + part for part in chosen),
        ).fetchall()
        by_key = {row[0]: row[1:] for row in rows}
        try:
            ordered = [by_key[int(key)] for key in keys]
        except KeyError:
            raise StoreError("rows went while they were read; search again") from None
        schema = pa.schema([self.schema.field(name) for name in columns])
        lists = zip(*ordered, strict=True) if ordered else [[] for _ in columns]
        arrays = [pa.array(list(v), f.type) for v, f in zip(lists, schema, strict=True)]
        return pa.table(arrays, schema=schema)

    def sample(self, count: int, columns: Sequence[str]) -> tuple[NDArray[np.int64], pa.Table]:
        """Some columns of rows from all over the table, the same each time, and their keys."""
        found = self._run(
            "SELECT _key FROM {table} ORDER BY md5(_key::text) LIMIT %s", [count]
        ).fetchall()
        keys = np.array(sorted(key for (key,) in found), dtype=np.int64)
        return keys, self.fetch(keys.tolist(), columns)

    def nearest(
        self, query: NDArray[np.float32], limit: int, where: Where | None = None, **search: Any
    ) -> Found:
        """The rows whose vectors have the highest cosine with a query (dim,)."""
        vector = _literal(query)
        exact = not search or (where is not None and self.count(where) <= _FEW)
        with self.place.told(), self.place.connect().transaction():
            if exact:
                self._run("SET LOCAL enable_indexscan = off")
            else:
                self._run(f"SET LOCAL hnsw.ef_search = {int(search['ef_search'])}")
                self._run("SET LOCAL hnsw.iterative_scan = relaxed_order")
            rows = self._run(
                # In two steps, so that each row's distance is computed once.
                "SELECT _key, 1 - far FROM (SELECT _key, embedding <=> %s::vector AS far "
                "FROM {table} WHERE {where} ORDER BY far LIMIT %s) AS near",
                lambda values: [vector, *values, limit],
                where,
            ).fetchall()
        return _found(sorted(rows, key=lambda row: (-row[1], row[0])))

    def cosines(self, query: NDArray[np.float32], keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of a query with some rows: float32 (len(keys),)."""
        rows = self._run(
            "SELECT _key, 1 - (embedding <=> %s::vector) FROM {table} WHERE _key = ANY(%s)",
            [_literal(query), keys.tolist()],
        ).fetchall()
        by_key = dict(rows)
        try:
            return np.array([by_key[key] for key in keys.tolist()], dtype=np.float32)
        except KeyError:
            raise StoreError("rows went while they were read; search again") from None

    def keyword(self, query: str, limit: int, where: Where | None = None) -> Found:
        """The rows with the highest BM25 for a query's words."""
        asked = [self._config, _clean(query), self.table, _K1 + 1, _K1, _B, _B]
        rows = self._run(_BM25, lambda values: [*asked, *values, limit], where).fetchall()
        return _found(rows)

    def commit(self, gone: Collection[str], rows: Iterable[pa.Table]) -> None:
        """In one step: remove all rows of the documents `gone`, and add rows.

        `gone` is looked at when the last of `rows` has come.
        """
        with self.place.told(), self.place.connect().transaction():
            before, last = self._run(
                "SELECT count(*), coalesce(max(_key), 0) FROM {table}"
            ).fetchone()
            written = sum(self._copy(part) for part in rows)
            if not (written or gone):
                return
            self._run(
                "INSERT INTO {terms} SELECT w.lexeme, p._key, "
                "coalesce(array_length(w.positions, 1), 1) FROM {table} p, "
                "unnest(to_tsvector(%s::regconfig, p.text)) w WHERE p._key > %s",
                [self._config, last],
            )
            self._run(
                "UPDATE {table} p SET _words = coalesce((SELECT sum(times) FROM {terms} t "
                "WHERE t.key = p._key), 0) WHERE p._key > %s AND p._words IS NULL",
                [last],
            )  # of tables that were made before rows were counted as they come
            old = "SELECT _key FROM {table} WHERE document = ANY(%s) AND _key <= %s"
            removed = [sorted(gone), last]
            self._run(f"DELETE FROM {{terms}} WHERE key IN ({old})", removed)
            self._run("DELETE FROM {table} WHERE document = ANY(%s) AND _key <= %s", removed)
            self._run(
                "UPDATE {tables} SET version = version + 1, rows = (SELECT count(*) FROM {table}), "
                "words = (SELECT coalesce(sum(_words), 0) FROM {table}) WHERE name = %s",
                [self.table],
            )
        if written + len(gone) > before / _MUCH:
            self.compact(timedelta(0))  # what is new is read from the indices alone from now on

    def _copy(self, rows: pa.Table) -> int:
        """Write rows; returns how many."""
        from psycopg import sql

        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(self.place.schema, self.table),
            sql.SQL(", ").join(map(sql.Identifier, rows.column_names)),
        )
        columns = {
            name: rows[name].to_pylist() for name in rows.column_names if name != "embedding"
        }
        columns["embedding"] = [_literal(vector) for vector in vectors_of(rows)]
        columns["boxes"] = [None if b is None else json.dumps(b) for b in columns["boxes"]]
        listed = [columns[name] for name in rows.column_names]
        with self.place.connect().cursor() as cursor, cursor.copy(statement) as copy:
            for row in zip(*listed, strict=True):
                copy.write_row([_clean(v) if isinstance(v, str) else v for v in row])
        return int(rows.num_rows)

    def index_vectors(self) -> bool:
        """Build the vector index of a large table."""
        size = self.schema.field("embedding").type.list_size
        if self.count() <= EXACT_ROWS or size > _INDEXED_DIMENSIONS:
            return False
        name = f"{self.table}_hnsw"
        if not self.place.exists(name):
            # Where the graph has no room in memory, building it takes many times as long.
            needed = min(_INDEX_BYTES, self.count() * (4 * size + 400)) // 1024
            with self.place.told(), self.place.connect().transaction():
                self.place.execute(
                    "SELECT set_config('maintenance_work_mem', %s, true) FROM pg_settings "
                    "WHERE name = 'maintenance_work_mem' AND setting::bigint < %s",
                    [f"{needed}kB", needed],
                )
                self.place.execute(
                    "CREATE INDEX {index} ON {schema}.{table} "
                    "USING hnsw (embedding vector_cosine_ops)",
                    index=name,
                    table=self.table,
                )
        return True

    def efforts(self) -> list[dict[str, Any]]:
        """Options of `nearest`, from the cheapest to the most thorough pgvector has."""
        return [{"ef_search": n} for n in (40, 60, 80, 120, 160, 240, 320, 480, 640, 1000)]

    def kth_best(
        self, queries: NDArray[np.float32], own: NDArray[np.int64], k: int
    ) -> NDArray[np.float32]:
        """For each query (m, dim) the exact k-th highest cosine: (m,). `own` is left out."""
        best = []
        for query, key in zip(queries, own.tolist(), strict=True):
            found = self.nearest(query, k + 1)
            best.append(found.scores[found.keys != key][:k].min())
        return np.array(best, dtype=np.float32)

    def add_fields(self, own: Iterable[Field]) -> PostgresTable:
        """Add fields, null in all rows there are; returns the newest snapshot."""
        from psycopg import sql

        new = list(own)
        if not new:
            return self
        with self.place.told(), self.place.connect().transaction():
            for field in new:
                kind = sql.SQL(SQL_TYPES[field.kind])
                column = sql.Identifier(field.column)
                self._run("ALTER TABLE {table} ADD {column} {kind}", column=column, kind=kind)
            kept = json.dumps([asdict(f) for f in [*own_fields(self.schema), *new]])
            self._run("UPDATE {tables} SET own = %s WHERE name = %s", [kept, self.table])
        return self.latest()

    def compact(self, keep: timedelta) -> None:
        """Let PostgreSQL drop what deletions left; it keeps no old versions."""
        self._run("VACUUM (ANALYZE) {table}")
        self._run("VACUUM (ANALYZE) {terms}")

    def faults(self) -> list[str]:
        """What is damaged, in words."""
        lost = self._run(
            "SELECT count(*) FROM {terms} t LEFT JOIN {table} p ON p._key = t.key "
            "WHERE p._key IS NULL"
        ).fetchone()[0]
        return [f"{lost:,} words belong to no passage"] if lost else []

    def broken_indices(self) -> list[str]:
        """Which indices cannot be used: of `words`, `vectors`."""
        try:
            self.keyword("a", 1)
        except StoreError:
            return ["words"]
        return []

    def mend_indices(self, language: str) -> list[str]:
        """None are mended: PostgreSQL keeps its indices whole, and has `REINDEX`."""
        return []

    def facts(self) -> dict[str, Any]:
        """What `inspect` shows of indices, sizes and versions."""
        names = [f'"{self.place.schema}"."{n}"' for n in (self.table, f"{self.table}_terms")]
        size = sum(
            self._run("SELECT pg_total_relation_size(%s::regclass)", [name]).fetchone()[0]
            for name in names
        )
        return {
            "table_version": self.version,
            "versions_kept": 1,
            "files": 2,
            "bytes": int(size),
            "vector_search": "index" if self.place.exists(f"{self.table}_hnsw") else "exact",
        }


def configuration(language: str) -> str:
    """What PostgreSQL calls the stemming of a language."""
    return "simple" if language == NO_LANGUAGE else language.lower()


def _found(rows: Sequence[tuple[int, float]]) -> Found:
    keys = np.array([row[0] for row in rows], dtype=np.int64)
    return Found(keys, np.array([row[1] for row in rows], dtype=np.float32))


def _literal(vector: NDArray[np.float32]) -> str:
    """A vector as pgvector reads it; nine digits say a float32 whole."""
    return "[" + ",".join(map("{:.9g}".format, vector.tolist())) + "]"


def _clean(text: str) -> str:
    """PostgreSQL's texts hold no NUL, and UTF-8 no halves of surrogate pairs."""
    return repair_surrogates(text).replace("\0", "\ufffd")
