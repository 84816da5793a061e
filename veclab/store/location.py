"""Which back end a store's address names, and what its tables are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from veclab.errors import InputError

if TYPE_CHECKING:
    from veclab.space import Space
    from veclab.store.backend import Place


def table_name(space: Space) -> str:
    """The name of the table for a Space."""
    return f"passages_{space.id}"


def open_place(path: str | Path) -> Place:
    """The back end for an address; nothing is opened yet."""
    text = str(path)
    if text.startswith(("postgresql://", "postgres://")):
        from veclab.store.postgres_location import PostgresPlace

        return PostgresPlace(text)
    if "://" in text:
        raise InputError(f"a store is a folder or postgresql://..., not {text!r}")
    from veclab.store.lance_location import LancePlace

    return LancePlace(path)
