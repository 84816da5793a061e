"""Several columns of texts, named by the caller and joined to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from veclab.errors import InputError

BLANK_LINE = "\n\n"  # what stands between the columns where the caller does not say


def join_texts(parts: Iterable[str | None], join: str = BLANK_LINE) -> str | None:
    """Join the texts in which there is something; None where there is nothing in any."""
    kept = [part for part in parts if part and not part.isspace()]
    return join.join(kept) if kept else None


def named_columns(column: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns that a caller names; raises InputError for one named twice."""
    names = () if column is None else (column,) if isinstance(column, str) else tuple(column)
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        raise InputError(f"column {twice[0]!r} is named twice")
    return names
