"""The shared back end: PostgreSQL with pgvector.

A store is a schema of a database: `veclab`, or the name after `#` in its address. In it `state`
has one row, `tables` one for each table of passages, and each of those is NAME and NAME_terms, the
words of its passages for BM25. `files` holds a bridge, where there is one.
"""

from __future__ import annotations

import json
import re
import time
import warnings
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError, MissingExtra, StoreError
from veclab.store.backend import WAITING
from veclab.store.fields import BUILT_IN, Field
from veclab.store.postgres import PostgresTable, configuration
from veclab.store.postgres_filter import SQL_TYPES
from veclab.store.rows import own_fields
from veclab.store.state import State
from veclab.vectorfiles.others.postgres_address import PostgresAddress
from veclab.vectorfiles.schema import SPACE_KEY

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}\Z")
# The words of a row are counted as it comes: an update afterwards would write each row twice.
_COUNT_WORDS = """
CREATE FUNCTION {schema}.count_words() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
NEW._words := (SELECT coalesce(sum(coalesce(array_length(positions, 1), 1)), 0)
               FROM unnest(to_tsvector(TG_ARGV[0]::regconfig, NEW.text)));
RETURN NEW; END $$
"""
_POLL = 0.2  # seconds between two looks whether the other writer is done


class PostgresPlace:
    """A schema of a database."""

    def __init__(self, address: str) -> None:
        self._address = PostgresAddress.of(address)
        self.schema = self._address.name or "veclab"
        if not _NAME.match(self.schema):
            raise InputError(
                f"the store's name after # is {self.schema!r}; it is made of small letters, digits "
                "and _, 40 at most"
            )
        self.name = f"{self._address.public}#{self.schema}"
        self._connection: Any = None

    def connect(self) -> Any:
        """The connection, made when it is first needed and again after it broke."""
        try:
            import psycopg
        except ImportError:
            raise MissingExtra("postgres", "a store in PostgreSQL") from None
        if self._connection is None or self._connection.closed or self._connection.broken:
            try:
                self._connection = psycopg.connect(self._address.to_connect, autocommit=True)
            except psycopg.Error as error:
                reason = self._address.hide(str(error))
                raise StoreError(
                    f"PostgreSQL cannot be reached for {self.name}: {reason}"
                ) from None
        return self._connection

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say errors of PostgreSQL in this project's words."""
        import psycopg

        try:
            yield
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreError(
                f"this user may not do that in {self.name}: {_short(error)}; ask for rights on the "
                f"schema {self.schema}"
            ) from error
        except psycopg.Error as error:
            gone = self._connection is not None and self._connection.broken
            again = "; run this again when the server is back" if gone else ""
            raise StoreError(
                f"the store {self.name} cannot be used: {_short(error)}{again}"
            ) from error

    def execute(self, query: str, values: Any = (), **names: str) -> Any:
        """Run one statement; `{name}` in it are identifiers, `{schema}` is this store's."""
        from psycopg import sql

        parts = {name: sql.Identifier(value) for name, value in names.items()}
        text = sql.SQL(query).format(schema=sql.Identifier(self.schema), **parts)
        with self.told():
            return self.connect().execute(text, values)

    def exists(self, table: str) -> bool:
        """Whether a table or an index of that name is there."""
        found = self.execute("SELECT to_regclass(%s)", [f'"{self.schema}"."{table}"'])
        return found.fetchone()[0] is not None

    def read(self) -> State | None:
        """The state; None where there is no store yet."""
        if not self.exists("state"):
            return None
        row = self.execute("SELECT state FROM {schema}.state").fetchone()
        return None if row is None else State.from_json(row[0], self.name)

    def write(self, state: State) -> None:
        """Replace the state in one step."""
        self.execute(
            "INSERT INTO {schema}.state (one, state) VALUES (true, %s) "
            "ON CONFLICT (one) DO UPDATE SET state = excluded.state",
            [state.to_json()],
        )

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Be the only writer; raises StoreError when another is, after `wait` seconds.

        The lock is the connection's: it ends with the process, however that ends.
        """
        number = zlib.crc32(f"veclab store {self.schema}".encode())
        until, told = time.monotonic() + wait, False
        while not self.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()[0]:
            if time.monotonic() >= until:
                raise StoreError(
                    f"another process is writing the store {self.name}; wait until it is done, "
                    "and run this again"
                )
            if not told:
                warnings.warn(WAITING.format(self.name), stacklevel=3)
                told = True
            time.sleep(_POLL)
        try:
            yield
        finally:
            if self._connection is not None and not self._connection.closed:
                self.execute("SELECT pg_advisory_unlock(%s)", [number])

    def _prepare(self) -> None:
        with self.told():
            found = self.connect().execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
            )
            if found.fetchone() is None:
                raise StoreError(
                    f"the server of {self.name} has no pgvector, which keeps the vectors: "
                    "https://github.com/pgvector/pgvector says how to install it"
                )
        self.execute("CREATE EXTENSION IF NOT EXISTS vector")
        self.execute("CREATE SCHEMA IF NOT EXISTS {schema}")
        self.execute(
            "CREATE TABLE IF NOT EXISTS {schema}.state "
            "(one boolean PRIMARY KEY CHECK (one), state text NOT NULL)"
        )
        self.execute(
            "CREATE TABLE IF NOT EXISTS {schema}.tables (name text PRIMARY KEY, space text, "
            "own text, language text, version bigint, rows bigint, words bigint)"
        )

        if not self.execute("SELECT to_regproc(%s)", [f'"{self.schema}"."count_words"']).fetchone()[
            0
        ]:
            self.execute(_COUNT_WORDS)

    def create(self, name: str, schema: pa.Schema, language: str) -> PostgresTable:
        """An empty table; one of that name that a killed run left is replaced."""
        from psycopg import sql

        self._prepare()
        self.drop(name)
        size = schema.field("embedding").type.list_size
        own = own_fields(schema)
        fields = [Field(n, kind, n) for n, kind in BUILT_IN.items()] + own
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(f.column), sql.SQL(SQL_TYPES[f.kind]))
            for f in fields
        ]
        columns.append(sql.SQL("{} vector({})").format(sql.Identifier("embedding"), size))
        with self.told():
            self.connect().execute(
                sql.SQL(
                    "CREATE TABLE {} (_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                    "_words bigint, digest text, embedded text, boxes jsonb, {}) "
                    # An exact search reads all vectors: they stay in their rows.
                    "WITH (toast_tuple_target = 8160)"
                ).format(sql.Identifier(self.schema, name), sql.SQL(", ").join(columns))
            )
        terms = f"{name}_terms"
        self.execute("CREATE INDEX ON {schema}.{table} (document)", table=name)
        self.execute(
            "CREATE TRIGGER count_words BEFORE INSERT ON {schema}.{table} "
            "FOR EACH ROW EXECUTE FUNCTION {schema}.count_words({language})",
            table=name,
            language=configuration(language),
        )
        # What BM25 reads stands in the indices whole; the rows are wide.
        self.execute("CREATE INDEX ON {schema}.{table} (_key) INCLUDE (_words)", table=name)
        self.execute(
            "CREATE TABLE {schema}.{terms} (term text, key bigint, times integer)", terms=terms
        )
        self.execute("CREATE INDEX ON {schema}.{terms} (term) INCLUDE (key, times)", terms=terms)
        self.execute("CREATE INDEX ON {schema}.{terms} (key)", terms=terms)
        kept = json.dumps([asdict(f) for f in own])
        self.execute(
            "INSERT INTO {schema}.tables VALUES (%s, %s, %s, %s, 1, 0, 0)",
            [name, schema.metadata[SPACE_KEY].decode(), kept, language],
        )
        return self.open(name)

    def open(self, name: str) -> PostgresTable:
        """A table; raises StoreError where it is missing or damaged."""
        row = self.execute(
            "SELECT space, own, language, version FROM {schema}.tables WHERE name = %s", [name]
        ).fetchone()
        if row is None or not self.exists(name):
            raise StoreError(f"the store {self.name} is damaged: its table {name} is missing")
        return PostgresTable.opened(self, name, *row)

    def drop(self, name: str) -> None:
        """Remove a table, where it exists."""
        self.execute(
            "DROP TABLE IF EXISTS {schema}.{table}, {schema}.{terms}",
            table=name,
            terms=f"{name}_terms",
        )
        self.execute("DELETE FROM {schema}.tables WHERE name = %s", [name])

    def tables(self) -> list[str]:
        """The names of all tables, also of those that no state names."""
        rows = self.execute("SELECT name FROM {schema}.tables ORDER BY name").fetchall()
        return [row[0] for row in rows]

    def write_file(self, name: str, data: bytes) -> None:
        """Keep a small file beside the tables."""
        self.execute(
            "CREATE TABLE IF NOT EXISTS {schema}.files (name text PRIMARY KEY, data bytea NOT NULL)"
        )
        self.execute(
            "INSERT INTO {schema}.files VALUES (%s, %s) "
            "ON CONFLICT (name) DO UPDATE SET data = excluded.data",
            [name, data],
        )

    def read_file(self, name: str) -> bytes | None:
        """A file that was kept; None where there is none of that name."""
        if not self.exists("files"):
            return None
        found = self.execute("SELECT data FROM {schema}.files WHERE name = %s", [name])
        row = found.fetchone()
        return None if row is None else bytes(row[0])

    def keep_files(self, names: Collection[str]) -> None:
        """Remove all files but these."""
        if self.exists("files"):
            self.execute("DELETE FROM {schema}.files WHERE name <> ALL(%s)", [list(names)])


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
