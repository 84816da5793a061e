"""The values of the main path: what one run is to do, and what its stages hand on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.cache.claims import Claims
from veclab.pipeline.distinct import Seen
from veclab.pipeline.prepare import Preparation
from veclab.provider import BatchResult, EmbeddingProvider
from veclab.report import Report
from veclab.space import OnLong, Recipe, Space

if TYPE_CHECKING:
    from veclab.pipeline.batching import BatchItem

OnEmpty = Literal["error", "skip"]


@dataclass(slots=True)
class Run:
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
    # What this run alone buys at the moment, where others could.
    claims: Claims | None = None
    # Texts that are looked at for their languages when the run ends.
    sample: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @property
    def space(self) -> Space:
        """That of its vectors, as it is known by now.

        The provider's own may have become another meanwhile, where another run met a new model.
        """
        own, now = self.recipe.space, self.provider.space
        return now if now.id == own.id else own

    def made(self, result: BatchResult) -> bool:
        """Return whether vectors are of the Space that the run began with."""
        return result.space is None or result.space.id == self.recipe.space.id


@dataclass(frozen=True, slots=True)
class PreparedTexts:
    """The texts of a block in which there is something to read; m of n.

    Attributes:
        kept: (m,) their positions in the block, ascending.
        ids: (m,).
        given: (m,) as given.
        texts: (m,) as prepared.
        repaired: how many of those given hold lone surrogates.
    """

    kept: NDArray[np.intp]
    ids: Sequence[str]
    given: Sequence[str]
    texts: Sequence[str]
    repaired: int


@dataclass(frozen=True, slots=True)
class DistinctTexts:
    """The k different texts among m prepared ones, in order of first appearance.

    Attributes:
        texts: (k,).
        ids: (k,) of the first of each.
        digests: (k,) 16 bytes that stand for each.
        place: (m,) where each prepared text is among them.
        repeats: (k,) how often each is there.
        fresh: (k,) not met in an earlier block of this run.
    """

    texts: list[str]
    ids: Sequence[str]
    digests: list[bytes]
    place: NDArray[np.intp]
    repeats: NDArray[np.intp]
    fresh: NDArray[np.bool_]

    def count(self, which: NDArray[np.bool_] | Sequence[int]) -> int:
        """Return how many prepared texts some of the distinct ones stand for."""
        return int(self.repeats[which].sum())


@dataclass(frozen=True, slots=True)
class EmbeddedBlock:
    """What became of a block of n texts: m were neither empty, nor refused, nor unknown.

    Attributes:
        kept: (m,) their positions in the block, ascending.
        ids: (m,).
        texts: (m,) as given; lone surrogates became U+FFFD.
        vectors: float32 (m, dim).
        tokens: int32 (m,), of the whole text.
        truncated: bool (m,).
    """

    kept: NDArray[np.intp]
    ids: Sequence[str]
    texts: Sequence[str]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """What would be asked of the model for a block.

    Attributes:
        distinct: the different texts of the block.
        batches: items of those that are neither in the cache nor in an earlier block.
    """

    distinct: DistinctTexts
    batches: list[list[BatchItem]]
