"""A source over rows that can only be gone through in order, as most stores give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from veclab.errors import InputError
from veclab.vectorfiles.blocks import About, Rows, VectorBlock

TEXT_NAMES = ("text", "texts", "page_content", "content", "document", "chunk", "sentence", "body")
ID_NAMES = ("id", "_id")


class Reader(Protocol):
    """How a store gives its rows."""

    def __call__(self, vectors: bool) -> Iterator[Rows]:
        """Yield all rows, always in the same order; with their vectors if those are asked for."""


class RowVectors:
    """Vectors of a store; see `VectorSource`."""

    def __init__(self, about: About, rows: Reader) -> None:
        self.about = about
        self.rows = rows

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order; raises InputError where they have become more or fewer."""
        done = 0
        for part in self.rows(True):
            assert part.array is not None
            yield VectorBlock(part.array, np.asarray(np.isnan(part.array).all(axis=1)))
            done += len(part.array)
        if done != self.about.rows:
            raise InputError(
                f"{self.about.name} had {self.about.rows:,} rows, and now has {done:,}: it was "
                "written to meanwhile; start again"
            )

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows."""
        found = self._pick(positions, lambda part: part.ids)
        return [found[p] for p in positions]

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows."""
        if not self.about.has_texts:
            return [None] * len(positions)
        found = self._pick(positions, lambda part: part.texts)
        return [found[p] for p in positions]

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows."""
        if self.about.has_texts:
            for part in self.rows(False):
                yield part.texts or [None] * len(part.ids)

    def _pick(self, positions: Sequence[int], column: Any) -> dict[int, Any]:
        wanted = np.unique(np.asarray(positions, dtype=np.intp))
        found: dict[int, Any] = {}
        start = 0
        for part in self.rows(False) if len(wanted) else ():
            values = column(part)
            here = wanted[(wanted >= start) & (wanted < start + len(values))]
            found.update((p, values[p - start]) for p in here.tolist())
            start += len(values)
            if len(found) == len(wanted):
                break
        if len(found) < len(wanted):
            raise InputError(f"{self.about.name} has fewer rows than before; start again")
        return found


def usual(names: Sequence[str], asked: Sequence[str], name: str) -> tuple[str, ...]:
    """Choose the fields that hold the texts: those asked for, or one of a usual name."""
    for one in asked:
        if one not in names:
            raise InputError(f"{name} has no field {one!r}; there are {', '.join(names) or 'none'}")
    return tuple(asked) or tuple([n for n in TEXT_NAMES if n in names][:1])


def one_of(kind: str, place: str, names: Sequence[str], asked: str | None) -> str:
    """Choose a collection or table: the one asked for, or the only one."""
    if asked is not None:
        if asked not in names:
            raise InputError(f"{place} has no {kind} {asked!r}; there are {', '.join(names)}")
        return asked
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise InputError(
            f"{place} has several {kind}s: {listed}; choose one: {place}#NAME"
            if names
            else f"{place} has no {kind} with vectors"
        )
    return names[0]
