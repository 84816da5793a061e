"""The texts of one request on their way to vectors: a job, in parts that are read one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.run import DistinctTexts, Run
from veclab.space import Role

# Texts and characters of one part: what is read together, and how long others wait for it.
PART_TEXTS = 64
PART_CHARS = 65_536


def estimate_tokens(texts: Sequence[str]) -> int:
    """Guess the tokens of texts before they are counted: one for four characters, and two."""
    return sum(map(len, texts)) // 4 + 2 * len(texts)


@dataclass(slots=True, eq=False)
class Block:
    """Texts of many jobs that were read together.

    Attributes:
        run: settings and report.
        distinct: the different texts.
        vectors: theirs, as far as they are there.
        owners: by distinct text that is not there yet, the parts that wait for it.
    """

    run: Run
    distinct: DistinctTexts
    vectors: BlockVectors
    owners: dict[int, list[Part]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Part:
    """Some texts of a job.

    Attributes:
        job: theirs.
        start: place of the first among the job's texts.
        texts: as given.
        cost: tokens, estimated.
        block: where they were read; None before.
        rows: their places among the block's distinct texts.
        missing: how many distinct texts it still waits for.
        done: its vectors are there, or nobody waits for them any more.
    """

    job: Job
    start: int
    texts: Sequence[str]
    cost: int
    block: Block | None = None
    rows: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    missing: int = 0
    done: bool = False


class Job:
    """One request's texts.

    Attributes:
        role: whose prompt goes in front.
        client, flow: for whom, and on which connection; see `FairQueue`.
        deadline: when nobody waits any more (`time.monotonic`); None for never.
        parts: of its texts, in order.
        over: it is done, has failed, or was left by its client.
        error: why it failed.
        computed, cached: how many of its parts' distinct texts were computed, and found.
        waited: seconds until the model began with it; None where it was not asked.
    """

    def __init__(
        self,
        texts: Sequence[str],
        *,
        role: Role | None = None,
        client: str = "",
        flow: str = "",
        deadline: float | None = None,
        on_done: Callable[[Job], None] = lambda job: None,
    ) -> None:
        self.role, self.client, self.flow, self.deadline = role, client, flow, deadline
        self.on_done = on_done
        self.parts = [Part(self, start, some, estimate_tokens(some)) for start, some in _cut(texts)]
        self.left = len(self.parts)
        self.cost = sum(part.cost for part in self.parts)
        self.over = False
        self.error: Exception | None = None
        self.computed = self.cached = 0
        self.arrived = time.monotonic()
        self.waited: float | None = None

    @property
    def dead(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.over or (self.deadline is not None and time.monotonic() > self.deadline)

    def vectors(self) -> NDArray[np.float32]:
        """Return its vectors: float32 (n, dim)."""
        rows = [p.block.vectors.array[p.rows] for p in self.parts if p.block is not None]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def tokens(self) -> NDArray[np.int32]:
        """Return the tokens of its texts, whole: int32 (n,)."""
        return np.concatenate(
            [p.block.vectors.tokens[p.rows] for p in self.parts if p.block is not None]
        )

    def truncated(self) -> list[int]:
        """Return the places of its texts of which only the beginning was read."""
        found: list[int] = []
        for part in self.parts:
            if part.block is not None:
                cut = np.flatnonzero(part.block.vectors.truncated[part.rows])
                found += (cut + part.start).tolist()
        return found


def _cut(texts: Sequence[str]) -> list[tuple[int, Sequence[str]]]:
    """Cut texts into parts: (place of the first, texts)."""
    if len(texts) <= PART_TEXTS and sum(map(len, texts)) <= PART_CHARS:
        return [(0, texts)]
    parts: list[tuple[int, Sequence[str]]] = []
    start, chars = 0, 0
    for i, text in enumerate(texts):
        if i > start and (i - start == PART_TEXTS or chars + len(text) > PART_CHARS):
            parts.append((start, texts[start:i]))
            start, chars = i, 0
        chars += len(text)
    parts.append((start, texts[start:]))
    return parts
