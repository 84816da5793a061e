"""DuckDB: `embed(text)` as a function of SQL, which gives FLOAT[n].

from veclab.integrations.duckdb import register

register(connection, "all-MiniLM-L6-v2")
connection.sql("SELECT text, embed(text) AS vector FROM texts")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from veclab.errors import InputError, MissingExtra
from veclab.integrations.embedding import SPACE, TextEmbedder, fixed_lists, written_space
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.report import Report
from veclab.space import OnLong, Role, Space, require_same

try:
    import duckdb
except ImportError:
    raise MissingExtra("duckdb", "veclab in DuckDB") from None


class Registered:
    """A model as functions of one DuckDB connection; `register` makes it."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, embedder: TextEmbedder, name: str
    ) -> None:
        self.connection = connection
        self.name = name
        self._embedder = embedder

    def __repr__(self) -> str:
        return f"<{self.name}(text), {self.name}_query(text): {self.space}>"

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self._embedder.space

    @property
    def report(self) -> Report:
        """What happened to all texts so far."""
        return self._embedder.report

    def mark(self, table: str, column: str) -> None:
        """Write the Space down as the comment of a column of vectors."""
        written = self.space.to_json().replace("'", "''")
        place = f"{_quoted(table)}.{_quoted(column)}"
        self.connection.execute(f"COMMENT ON COLUMN {place} IS '{written}'")

    def require(self, table: str, column: str) -> None:
        """Do nothing where a column's vectors may be compared with these.

        Raises:
            SpaceMismatch: its comment names another Space.
            InputError: its comment names none.
        """
        found = self.connection.execute(
            "SELECT comment FROM duckdb_columns() WHERE table_name = ? AND column_name = ?",
            [table.rpartition(".")[2], column],
        ).fetchall()
        if not found:
            raise InputError(f"there is no column {column} in {table}")
        comment = found[0][0]
        written = {} if comment is None else {SPACE: comment}
        space = written_space(written, f"column {table}.{column}")
        require_same(space, self.space, names=(f"{table}.{column}", "model"))


def register(
    connection: duckdb.DuckDBPyConnection,
    model: Model | str = DEFAULT_MODEL,
    *,
    name: str = "embed",
    on_long: OnLong = "truncate",
    loading: Mapping[str, Any] | None = None,
) -> Registered:
    """Make a model's `NAME(text)`, `NAME_query(text)` and `NAME_space()` known to a connection.

    The first two give FLOAT[n], in the roles of a document and of a query; NULL for a text that
    is NULL, blank or unreadable, which a warning says. The third gives the Space's id.

    Args:
        connection: of `duckdb.connect`.
        model: of `veclab.load`, or a name for it.
        name: of the function.
        on_long: what becomes of texts over the limit, as in `Model.embed`.
        loading: further arguments of `veclab.load`, with a name.
    """
    embedder = TextEmbedder(model, on_long=on_long, loading=loading)
    kind = f"FLOAT[{embedder.space.dimensions}]"
    roles: tuple[tuple[str, Role], ...] = ((name, "document"), (f"{name}_query", "query"))
    for function, role in roles:
        connection.create_function(
            function,
            _function(embedder, role),
            ["VARCHAR"],
            kind,
            type="arrow",
            null_handling="special",
        )
    identity = embedder.space.id
    connection.create_function(f"{name}_space", lambda: identity, [], "VARCHAR")
    return Registered(connection, embedder, name)


def _function(embedder: TextEmbedder, role: Role) -> Callable[[Any], Any]:
    def embed(texts: Any) -> Any:  # DuckDB reads the annotations
        return fixed_lists(*embedder.rows_with_gaps(texts.to_pylist(), role))

    return embed


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
