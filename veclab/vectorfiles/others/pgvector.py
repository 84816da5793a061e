"""The vectors of a table in PostgreSQL with pgvector."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from veclab.errors import InputError, MissingExtra
from veclab.vectorfiles.blocks import BATCH, About, Rows, choose_column
from veclab.vectorfiles.joined import join_texts
from veclab.vectorfiles.others.postgres_address import PostgresAddress
from veclab.vectorfiles.others.rows import ID_NAMES, RowVectors, one_of, usual

_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, t.typname, a.atttypmod
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
    ORDER BY 1, 2, a.attnum
"""
_VECTORS, _TEXTS = ("vector", "halfvec"), ("text", "varchar", "bpchar")


def pgvector_vectors(
    address: str, table: str | None, column: str | None, text_column: Sequence[str] = ()
) -> RowVectors:
    """Open a table; nothing is written, in a transaction that could not.

    Args:
        address: `postgresql://...`.
        table: its name, with its schema if that is not `public`; needed where several have
            vectors.
        column: of the vectors, where there are several.
        text_column: of the texts; else one of a usual name, or the only one of strings.

    Raises:
        InputError: the server cannot be reached, or the table or a column cannot be told.
    """
    if find_spec("psycopg") is None:
        raise MissingExtra("postgres", "reading a table of PostgreSQL")
    from psycopg import sql

    place = PostgresAddress.of(address)
    shown = place.host or "PostgreSQL"
    tables: dict[str, dict[str, tuple[str, int]]] = {}
    with _connected(place, shown) as connection:
        for schema, relation, name, kind, size in connection.execute(_COLUMNS).fetchall():
            key = relation if schema == "public" else f"{schema}.{relation}"
            tables.setdefault(key, {})[name] = (kind, size)
        fitting = [
            key for key, found in tables.items() if any(k in _VECTORS for k, _ in found.values())
        ]
        chosen = one_of("table", shown, fitting, table)
        columns = tables[chosen]
        chosen_column = choose_column(
            f"{shown}#{chosen}",
            [name for name, (kind, _) in columns.items() if kind in _VECTORS],
            list(columns),
            column,
        )
        if columns[chosen_column][0] not in _VECTORS:
            raise InputError(f"{shown}#{chosen}: the column {chosen_column!r} holds no vectors")
        source: Any = sql.SQL(".").join(map(sql.Identifier, chosen.split(".", 1)))
        total = _one(connection, sql.SQL("SELECT count(*) FROM {}").format(source))
        dimensions = columns[chosen_column][1]
        if dimensions < 1:
            query: Any = sql.SQL("SELECT vector_dims({0}) FROM {1} WHERE {0} IS NOT NULL LIMIT 1")
            query = query.format(sql.Identifier(chosen_column), source)
            dimensions = _one(connection, query) if total else 0
    strings = [name for name, (kind, _) in columns.items() if kind in _TEXTS]
    key = next((name for name in ID_NAMES if name in columns), None)
    others = [name for name in strings if name != key]
    texts = usual(others, text_column, f"{shown}#{chosen}") or tuple(
        others if len(others) == 1 else ()
    )
    name = f"{shown}#{chosen}"
    about = About(
        name, chosen_column, total, dimensions or 0, columns[chosen_column][0], bool(texts)
    )

    def rows(vectors: bool) -> Iterator[Rows]:
        parts: list[Any] = [sql.SQL("{}::text").format(sql.Identifier(n)) for n in texts]
        parts.insert(
            0,
            sql.SQL("{}::text").format(sql.Identifier(key))
            if key
            else sql.SQL("'row ' || row_number() OVER ()"),
        )
        if vectors:
            parts.append(sql.SQL("{}::text").format(sql.Identifier(chosen_column)))
        order = sql.Identifier(key) if key else sql.SQL("ctid")
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            sql.SQL(", ").join(parts), source, order
        )
        with _connected(place, shown) as connection, connection.cursor("veclab") as cursor:
            cursor.itersize = BATCH
            cursor.execute(query)
            while found := cursor.fetchmany(BATCH):
                yield _rows(found, len(texts), about.dimensions if vectors else None, name)

    return RowVectors(about, rows)


def _rows(found: Sequence[Sequence[Any]], texts: int, dimensions: int | None, name: str) -> Rows:
    array = None
    if dimensions is not None:
        array = np.full((len(found), dimensions), np.nan, np.float32)
        for row, values in enumerate(found):
            if values[-1] is not None:
                vector = json.loads(values[-1])
                if len(vector) != dimensions:
                    raise InputError(
                        f"{name}, {values[0]}: a vector of {len(vector)} dimensions, but "
                        f"{dimensions} are expected; these come from several models"
                    )
                array[row] = vector
    told = [join_texts(values[1 : 1 + texts]) for values in found] if texts else None
    return Rows([str(values[0]) for values in found], told, array)


def _connected(place: PostgresAddress, shown: str) -> Any:
    import psycopg

    try:
        connection = psycopg.connect(place.to_connect)
        connection.read_only = True
        return connection
    except psycopg.Error as error:
        raise InputError(f"{shown} cannot be reached: {place.hide(str(error))}") from None


def _one(connection: Any, query: Any) -> Any:
    return connection.execute(query).fetchone()[0]
