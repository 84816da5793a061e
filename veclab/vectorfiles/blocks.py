"""What every source of vectors gives: blocks of rows, and what is known before they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space

_VECTOR_NAMES = ("embedding", "embeddings", "vector", "vectors")
# Rows that are read at once.
BATCH = 2048


@dataclass(frozen=True, slots=True)
class VectorBlock:
    """A run of m consecutive rows.

    Attributes:
        array: float32 (m, dim), not checked in any way; NaN where a row has no vector.
        missing: bool (m,), rows without a vector.
        tokens: int (m,), or None where the file does not tell.
        truncated: bool (m,), or None where the file does not tell.
    """

    array: NDArray[np.float32]
    missing: NDArray[np.bool_]
    tokens: NDArray[np.int64] | None = None
    truncated: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A run of m consecutive rows, whole.

    Attributes:
        ids: (m,).
        texts: (m,), None where there is none; None where the source has none at all.
        array: float32 (m, dim), NaN where a row has no vector; None where not asked for.
        more: what else the source keeps: an Arrow table of m rows, or a list of m JSON texts.
    """

    ids: list[str]
    texts: list[str | None] | None
    array: NDArray[np.float32] | None
    more: Any = None


@dataclass(frozen=True, slots=True)
class About:
    """What is known of vectors before they are read.

    Attributes:
        name: what to call the file or the object.
        column: where in it the vectors are.
        rows, dimensions: n and dim.
        dtype: how the numbers are stored.
        has_texts: whether `VectorSource.texts` gives texts.
        space, recipe, report: what the file says of itself; None where it does not.
    """

    name: str
    column: str
    rows: int
    dimensions: int
    dtype: str
    has_texts: bool
    space: Space | None = None
    recipe: Recipe | None = None
    report: Report | None = None


class VectorSource(Protocol):
    """Vectors that can be gone through any number of times."""

    @property
    def about(self) -> About:
        """What is known before reading."""

    def blocks(self) -> Iterator[VectorBlock]:
        """Yield all rows, in order."""

    def rows(self, vectors: bool) -> Iterator[Rows]:
        """Yield all rows, in order, with ids, texts and the rest; with vectors if asked."""

    def names(self, positions: Sequence[int]) -> list[str]:
        """Return the ids of some rows, in the order asked; else "row 1", "row 2", …"""

    def texts(self, positions: Sequence[int]) -> list[str | None]:
        """Return the texts of some rows, in the order asked; None where there is none."""

    def all_texts(self) -> Iterator[list[str | None]]:
        """Yield the texts of all rows, in runs of consecutive rows; nothing if there are none."""


def choose_column(name: str, fitting: list[str], every: list[str], asked: str | None) -> str:
    """Choose the column of vectors."""
    if asked is not None:
        if asked not in every:
            raise InputError(f"{name} has no column {asked!r}; its columns are {', '.join(every)}")
        return asked
    usual = [n for n in fitting if n.lower() in _VECTOR_NAMES]
    chosen = usual if len(usual) == 1 else fitting
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise InputError(
            f"{name} has several columns of vectors: {', '.join(chosen)}; choose one with "
            "--column NAME"
        )
    raise InputError(
        f"{name} has no column of vectors (a list of numbers in each row); "
        f"its columns are {', '.join(every) or 'none'}"
    )
