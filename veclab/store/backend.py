"""What a store needs of a back end: where its state is kept, and tables of passages.

Two protocols, so small that a back end is one file. A `Place` holds the state (which table of
which Space is live) and any number of tables; a `Table` is one snapshot of one of them.
Rows are Arrow tables as `rows` makes them; a row is named by a key that is valid in one snapshot.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from veclab.store.fields import Field
from veclab.store.state import State
from veclab.store.where import Where

if TYPE_CHECKING:
    import pyarrow as pa


WAITING = "another process is writing the store {}; waiting until it is done"


class Found(NamedTuple):
    """The best n rows by one measure, best first."""

    keys: NDArray[np.int64]  # (n,)
    scores: NDArray[np.float32]  # (n,)


class Table(Protocol):
    """Passages of one Space as they were at one moment; `latest` gives a newer snapshot."""

    @property
    def schema(self) -> pa.Schema:
        """As of `rows.table_schema`."""

    @property
    def version(self) -> int:
        """Grows with every commit."""

    def count(self, where: Where | None = None) -> int:
        """Passages, or those that a filter lets through."""

    def scan(self, columns: Sequence[str], where: Where | None = None) -> Iterator[pa.Table]:
        """Some columns of all rows, in runs of consecutive rows."""

    def fetch(self, keys: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Some columns of some rows, in the order of the keys."""

    def nearest(
        self, query: NDArray[np.float32], limit: int, where: Where | None = None, **search: Any
    ) -> Found:
        """The rows whose vectors have the highest cosine with a query (dim,)."""

    def cosines(self, query: NDArray[np.float32], keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The cosine of a query with some rows: float32 (len(keys),)."""

    def keyword(self, query: str, limit: int, where: Where | None = None) -> Found:
        """The rows with the highest BM25 for a query's words."""

    def commit(self, gone: Collection[str], rows: Iterable[pa.Table]) -> None:
        """In one step: remove all rows of the documents `gone`, and add rows.

        What `rows` yields is written as it comes and seen by nobody before the end; if it
        raises, nothing has changed. `gone` is looked at when the last of `rows` has come.
        """

    def sample(self, count: int, columns: Sequence[str]) -> tuple[NDArray[np.int64], pa.Table]:
        """Some columns of rows from all over the table, the same each time, and their keys."""

    def index_vectors(self) -> bool:
        """Build or bring up to date what a large table needs to be searched fast.

        Returns whether `nearest` is approximate from now on.
        """

    def efforts(self) -> list[dict[str, Any]]:
        """Options of `nearest`, from the cheapest to the most thorough."""

    def kth_best(
        self, queries: NDArray[np.float32], own: NDArray[np.int64], k: int
    ) -> NDArray[np.float32]:
        """For each query (m, dim) the exact k-th highest cosine: (m,). `own` is left out."""

    def add_fields(self, own: Iterable[Field]) -> Table:
        """Add fields, null in all rows there are; returns the newest snapshot."""

    def latest(self) -> Table:
        """The newest snapshot: itself where nothing has changed."""

    def compact(self, keep: timedelta) -> None:
        """Put small files together; drop versions older than `keep`."""

    def faults(self) -> list[str]:
        """What is damaged, in words."""

    def broken_indices(self) -> list[str]:
        """Which indices cannot be used: of `words`, `vectors`."""

    def mend_indices(self, language: str) -> list[str]:
        """Build those that cannot be used again from the rows; returns which these were."""

    def facts(self) -> dict[str, Any]:
        """What `inspect` shows of indices, sizes and versions."""


class Place(Protocol):
    """Where a store is."""

    name: str  # as the user gave it, without secrets

    def read(self) -> State | None:
        """The state; None where there is no store yet."""

    def write(self, state: State) -> None:
        """Replace the state in one step."""

    def lock(self, wait: float) -> AbstractContextManager[None]:
        """Be the only writer; raises StoreError when another is, after `wait` seconds."""

    def create(self, name: str, schema: pa.Schema, language: str) -> Table:
        """An empty table; one of that name that a killed run left is replaced."""

    def open(self, name: str) -> Table:
        """A table; raises StoreError where it is missing or damaged."""

    def drop(self, name: str) -> None:
        """Remove a table, where it exists."""

    def tables(self) -> list[str]:
        """The names of all tables, also of those that no state names."""

    def write_file(self, name: str, data: bytes) -> None:
        """Keep a small file beside the tables."""

    def read_file(self, name: str) -> bytes | None:
        """A file that was kept; None where there is none of that name."""

    def keep_files(self, names: Collection[str]) -> None:
        """Remove all files but these."""
