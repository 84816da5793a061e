"""The values of one run on the main path: what to do, and what has become of the texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.pipeline.distinct import Seen
from veclab.pipeline.prepare import Preparation
from veclab.provider import EmbeddingProvider
from veclab.report import Report
from veclab.space import OnLong, Recipe

OnEmpty = Literal["error", "skip"]


@dataclass(slots=True)
class Job:
    """One run of texts through one model: what to do, and what has happened so far."""

    provider: EmbeddingProvider
    recipe: Recipe
    preparation: Preparation
    on_long: OnLong = "truncate"
    on_empty: OnEmpty = "error"
    cache: Cache | None = None
    # Dollars; what would cost more is not asked for.
    max_cost: float | None = None
    report: Report = field(default_factory=Report)
    # Called with the number of texts finished since the last call.
    on_done: Callable[[int], None] = lambda texts: None
    seen: Seen = field(default_factory=Seen)
    # Where there is a `max_cost`: tokens of all batches given to the model, answered or not.
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of a block of n texts: m were neither empty, nor refused, nor unknown.

    Attributes:
        kept: (m,) positions in the block, ascending.
        vectors: float32 (m, dim).
        tokens: int32 (m,), of the whole text.
        truncated: bool (m,).
    """

    kept: NDArray[np.intp]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]


@dataclass(slots=True)
class BlockTexts:
    """The distinct texts of a block, filled in as their vectors arrive."""

    texts: list[str]
    ids: Sequence[str]
    digests: list[bytes]
    repeats: NDArray[np.intp]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    ready: NDArray[np.bool_]
    # Not met in an earlier block of this run.
    fresh: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    # Windows still to come, by text, for texts that were split.
    waiting: dict[int, int] = field(default_factory=dict)
