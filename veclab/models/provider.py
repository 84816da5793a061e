"""The contract between the main path and whatever computes vectors.

A provider is one small object: it counts tokens and turns one batch of texts into one array.
Preparing, deduplicating, caching, batching, checking, normalising and restoring the order are
done once, outside, in `veclab.pipeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from veclab.space import Role, Space


@dataclass(frozen=True, slots=True)
class Piece:
    """A text (or a window of one) with its token count.

    Attributes:
        text: as prepared, without the prompt.
        tokens: of the whole text, special tokens and prompt included.
        ids: int32 token ids, already cut at the limit, where the provider wants them back.
    """

    text: str
    tokens: int
    ids: NDArray[np.int32] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a provider takes.

    Attributes:
        max_tokens: of one text, special tokens and prompt included; None for no limit.
        batch_tokens: of one batch; with `padded` every text counts as much as the longest.
        batch_texts: of one batch.
        concurrency: how many batches may be computed at once.
        padded: whether a batch costs its longest text times its size.
    """

    max_tokens: int | None
    batch_tokens: int = 4096
    batch_texts: int = 512
    concurrency: int = 1
    padded: bool = True


class Provider(Protocol):
    """What a model must offer. Fakes in tests and third parties implement just this."""

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""

    @property
    def limits(self) -> Limits:
        """How much it takes at once."""

    @property
    def precision(self) -> str:
        """Of its arithmetic, for the Recipe: `f32`, `bf16`, `int8`, `api`."""

    @property
    def tokenizer_digest(self) -> str | None:
        """What tells its tokenizer from another, for the Recipe."""

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[Piece]:
        """One Piece per text, in order."""

    def embed_batch(self, pieces: Sequence[Piece], role: Role | None) -> NDArray[np.float32]:
        """float32 (len(pieces), dimensions), in order; need not be normalised.

        Of a piece over `max_tokens` it reads the first `max_tokens` tokens. It is called from
        `concurrency` threads at once.
        """
