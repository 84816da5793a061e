"""What the cache answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Found:
    """What a lookup found, row by row as asked.

    Attributes:
        hit: (n,) whether there is a record; the other arrays mean nothing where there is none.
        vectors: (n, dim) float32.
        tokens: (n,) tokens of the whole text.
        truncated: (n,) whether the model saw only the beginning of the text.
        unknown: (n,) tokens of what it saw that it does not know; 0 in records of veclab 0.1.0's
            first caches, which did not count them.
    """

    hit: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    unknown: NDArray[np.int32]


@dataclass(frozen=True)
class RecipeStats:
    """One recipe's part of the cache.

    Attributes:
        recipe: the 8-byte prefix.
        description: the JSON text given to `Cache.describe`, or None.
        entries: number of records.
        bytes: bytes of keys and records, without LMDB's pages around them.
        oldest, newest: when records were made, seconds since the epoch; 0 without records.
    """

    recipe: bytes
    description: str | None
    entries: int
    bytes: int
    oldest: int
    newest: int


@dataclass(frozen=True)
class CacheStats:
    """What is in the cache; `bytes` is what its file takes on the disk."""

    path: Path
    version: int
    entries: int
    bytes: int
    recipes: tuple[RecipeStats, ...]


@dataclass(frozen=True)
class PruneResult:
    """What pruning did.

    Attributes:
        removed, kept: numbers of records.
        bytes_before, bytes_after: what the file took and takes on the disk.
        note: why disk space could not be given back, or None.
    """

    removed: int
    kept: int
    bytes_before: int
    bytes_after: int
    note: str | None
