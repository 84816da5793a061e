"""The contract between the main path and whatever computes vectors.

A provider is one small object: it counts tokens and turns one batch of texts into one array.
Preparing, deduplicating, caching, batching, checking, normalizing and restoring the order are
done once, outside, in `veclab.pipeline.embed`. `veclab.testing.check_provider` checks one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.errors import SpaceMismatch
from veclab.space import Role, Space


class TokenizedText(NamedTuple):  # one is made for every text: half the cost of a frozen dataclass
    """A text (or a window of one) with its token count.

    Attributes:
        text: as prepared, without the prompt.
        tokens: of the whole text, special tokens and prompt included; 0 where the model can read
            nothing in it, so that there is no vector.
        ids: int32 token ids, already cut at the limit, where the provider wants them back.
        unknown: tokens of those read that the model does not know: any two of them are the same
            to it, or nothing at all.
    """

    text: str
    tokens: int
    ids: NDArray[np.int32] | None = None
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a provider takes at once.

    Attributes:
        max_tokens: of one text, special tokens and prompt included; None for no limit.
        batch_tokens: of one batch; with `padded` every text counts as much as the longest.
        batch_texts: of one batch.
        concurrency: how many batches may be computed at once.
        padded: whether a batch costs its longest text times its size.
        block_texts: texts that go through the main path together. A block's last batch is only
            part-filled, so where each batch is paid for or slow to ask, a block holds many.
        price: dollars for a million tokens; 0 where nothing is bought, None where the price is
            not known.
        batch_cost: what one more batch costs, in tokens; it weighs against padding.
        shape_cost: what a batch of a new shape costs on top, in tokens. Only full batches come
            again and again in the same shapes.
        flight_tokens: of all batches under way together, those that wait their turn included;
            None for as many as there are.
        worth_keeping: whether a vector costs more to compute than to keep in the cache.
    """

    max_tokens: int | None = None
    batch_tokens: int = 4096
    batch_texts: int = 512
    concurrency: int = 1
    padded: bool = True
    block_texts: int = 8192
    price: float | None = 0.0
    batch_cost: int = 12
    shape_cost: int = 0
    flight_tokens: int | None = None
    worth_keeping: bool = True

    @property
    def block_chars(self) -> int:
        """Characters a block may hold, so that texts of any length stay in bounded memory."""
        return max(16_000_000, 1000 * self.block_texts)

    @property
    def paid(self) -> bool:
        """Whether vectors are, or may be, bought."""
        return self.price != 0


def truncated_length(tokens: int, limit: int | None) -> int:
    """Return how many tokens of a text the model reads."""
    return tokens if limit is None else min(tokens, limit)


def role_of(space: Space, role: Role) -> Role | None:
    """The role to embed with: none for a model that knows no roles.

    It knows them by its prompts, or because each takes a route of its own through it.
    """
    known = {name for name, _ in space.prompts}
    return role if known & {"query", "document"} or has_routes(space) else None


def has_routes(space: Space) -> bool:
    """Return whether queries and documents take different routes through the model."""
    parts = str(dict(space.configuration).get("modules", "")).split()
    return bool({"Router", "Asym"} & set(parts))


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch of vectors with what it took to get them, from a provider that buys them.

    Attributes:
        vectors: float32 (n, dimensions); rows of refused texts mean nothing.
        refused: the provider's reason, by position, for each text it will not embed.
        requests: sent for this batch, those asked again included.
        tokens: bought with them, those of answers that had to be thrown away included.
        unanswered: requests among them that were sent and not answered, or not so that it tells
            what was bought: they may be billed all the same.
        tokens_unanswered: of those, as counted here.
        space: of the vectors; None for the Space that the run began with.
    """

    vectors: NDArray[np.float32]
    refused: Mapping[int, str] = field(default_factory=dict)
    requests: int = 0
    tokens: int = 0
    unanswered: int = 0
    tokens_unanswered: int = 0
    space: Space | None = None


class Refused(Exception):
    """A provider will not take a batch because of one or more texts, which it does not name.

    The batch is halved until the text is found. Whoever raises this makes sure that it is the
    texts, and not every batch.

    Attributes:
        requests, tokens, unanswered, tokens_unanswered: what finding that out took, as in
            `BatchResult`.
    """

    def __init__(
        self,
        reason: str,
        requests: int = 0,
        tokens: int = 0,
        unanswered: int = 0,
        tokens_unanswered: int = 0,
    ) -> None:
        super().__init__(reason)
        self.requests, self.tokens = requests, tokens
        self.unanswered, self.tokens_unanswered = unanswered, tokens_unanswered


class OtherModel(SpaceMismatch):
    """A batch was made by another model than the run began with.

    The run ends with this error. What was paid for is kept all the same, in the Space it is of.

    Attributes:
        made: the batch, with its Space.
    """

    def __init__(self, message: str, made: BatchResult | None = None) -> None:
        super().__init__(message)
        self.made = made


class EmbeddingProvider(ABC):
    """What computes vectors. A subclass sets `space` and gives `tokenize` and `embed_batch`.

    Attributes:
        space: what the vectors may be compared with. Two providers whose vectors may not be
            compared must not have equal spaces.
        limits: how much it takes at once. They may shrink while it runs, as a server tells.
        precision: of the arithmetic, for the Recipe: `f32`, `bf16`, `int8`; `api` where it is not
            known.
        tokenizer_digest: what tells its tokenizer from another, for the Recipe.
        notes: what a user should know of how it runs; they go into every report.
        languages: codes of those that the model was made for; () where nobody says.
    """

    space: Space
    limits: Limits = Limits()
    precision: str = "f32"
    tokenizer_digest: str | None = None
    notes: Sequence[str] = ()
    languages: Sequence[str] = ()

    @abstractmethod
    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Count tokens: one TokenizedText per text, in order.

        Args:
            texts: as prepared, without a prompt.
            role: whose prompt goes in front, where the model has prompts.
        """

    @abstractmethod
    def embed_batch(
        self, batch: Sequence[TokenizedText], role: Role | None
    ) -> NDArray[np.float32] | BatchResult:
        """Compute float32 (len(batch), dimensions), in order; they need not be normalized.

        Of a text over `limits.max_tokens` it reads the first `max_tokens` tokens. It is called
        from `limits.concurrency` threads at once, never with an empty batch, and never with a
        text of 0 tokens.

        A provider that buys vectors gives a `BatchResult`, and may raise `Refused` or `OtherModel`.
        """

    def reads_role(self, role: Role | None) -> bool:
        """Return whether a text in a role has another vector than without one.

        Where it has not, the Recipe names no role, and the cache serves both.
        """
        return True

    def begin(self) -> None:  # noqa: B027  # most are what they were
        """Take note that a run begins: what can change behind a name may be looked at again."""

    def expect_small_batches(self) -> None:  # noqa: B027  # most have one way only
        """Answer small batches sooner if possible; a server calls it, before the first batch.

        Equal batches may then have vectors that differ in the last bits.
        """

    @property
    def first_tokens(self) -> int:
        """Tokens that the first request of a run holds beside its texts."""
        return 0

    @property
    def unchecked(self) -> str:
        """What the report should say where all came from the cache, in a sentence; or nothing."""
        return ""

    def pop_warnings(self) -> list[str]:
        """Return what the report should say of the texts computed since the last call."""
        return []

    def explain_unread(self, texts: Sequence[str]) -> str:
        """Say why `tokenize` gives these texts 0 tokens, in a sentence; empty where it cannot.

        The sentence is part of an error, or a note of the report where texts are skipped.
        """
        return ""

    def stop(self) -> None:  # noqa: B027  # nothing waits in most providers
        """Let batches that wait for their turn fail at once.

        Those that already cost something are answered as usual, and batches that come later are
        taken as ever.
        """
