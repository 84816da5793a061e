"""Batches by tokens, and running them side by side."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import pairwise
from types import FrameType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.provider import (
    BatchResult,
    EmbeddingProvider,
    Limits,
    OtherModel,
    Refused,
    TokenizedText,
    truncated_length,
)
from veclab.space import Role

# What `EmbeddingProvider.embed_batch` gives.
Batch = NDArray[np.float32] | BatchResult


class Window(NamedTuple):
    """One of the windows that a text over the limit was split into.

    Attributes:
        number: from 0.
        windows: of the text, in all.
        tokens: of the whole text.
    """

    number: int
    windows: int
    tokens: int


class BatchItem(NamedTuple):
    """A text, or one window of a text, to be embedded.

    Attributes:
        text: its place among the distinct texts of the block.
        tokenized: what the model is given.
        window: None for a whole text.
    """

    text: int
    tokenized: TokenizedText
    window: Window | None = None


def cut_batches(sizes: Sequence[int], limits: Limits, *, keep_tail: bool = True) -> Iterator[slice]:
    """Cut a run of texts into batches within the limits.

    Args:
        sizes: tokens of each text, in the order they are to be batched; descending sizes pad least.
        limits: of the provider.
        keep_tail: whether the last batch, which may be half empty, is given too.
    """
    ends = _padded_ends(sizes, limits) if limits.padded else _filled_ends(sizes, limits)
    for start, end in pairwise([0, *ends]):
        if keep_tail or end < len(sizes):
            yield slice(start, end)


def _filled_ends(sizes: Sequence[int], limits: Limits) -> list[int]:
    """Return where batches end when each is filled to the limits."""
    total = np.concatenate([[0], np.cumsum(sizes)])
    ends = [0]
    while (start := ends[-1]) < len(sizes):
        fit = int(np.searchsorted(total, total[start] + limits.batch_tokens, "right")) - 1
        ends.append(min(max(fit, start + 1), start + limits.batch_texts, len(sizes)))
    return ends[1:]


def _padded_ends(sizes: Sequence[int], limits: Limits) -> list[int]:
    """Return where batches end when padding is computed as if it were text.

    The cuts that cost least over the whole run, `batch_cost` tokens for each batch included and
    `shape_cost` for each that is not as full as its length allows, by dynamic programming from the
    end. Filling batches to the limits instead wastes 15% on a few hundred texts of mixed lengths,
    where this wastes 1 to 2%.
    """
    n = len(sizes)
    lengths = np.maximum(np.asarray(sizes, np.int64), 1)
    descending = bool((np.diff(lengths) <= 0).all())
    room = np.minimum(limits.batch_tokens // lengths, limits.batch_texts).clip(1).tolist()
    counts = np.arange(1, max(room, default=0) + 1)
    cheapest = np.zeros(n + 1, np.int64)  # tokens it takes to compute all texts from i on
    end = [0] * n
    for i in range(n - 1, -1, -1):
        most = min(room[i], n - i)
        if descending:
            total = counts[:most] * lengths[i]
        else:  # a later text may be longer, and then fewer have room
            total = np.maximum.accumulate(lengths[i : i + most]) * counts[:most]
            total = total[: max(1, int(np.searchsorted(total, limits.batch_tokens, "right")))]
        total += cheapest[i + 1 : i + 1 + len(total)]
        total[: room[i] - 1] += limits.shape_cost
        best = int(total.argmin())
        cheapest[i] = total[best] + limits.batch_cost
        end[i] = i + 1 + best
    ends: list[int] = []
    while (start := ends[-1] if ends else 0) < n:
        ends.append(end[start])
    return ends


def batch_size(items: Sequence[BatchItem], limits: Limits) -> tuple[int, int]:
    """Return the tokens of a batch that are read, and those computed, padding included."""
    sizes = [item.tokenized.tokens for item in items]
    if limits.max_tokens is not None and max(sizes) > limits.max_tokens:
        sizes = [min(size, limits.max_tokens) for size in sizes]
    return sum(sizes), max(sizes) * len(sizes) if limits.padded else sum(sizes)


class Answers:
    """Batches with their results as they arrive; see `run_batches`."""

    def __init__(
        self, provider: EmbeddingProvider, role: Role | None, batches: Iterable[list[BatchItem]]
    ) -> None:
        self._provider, self._role, self._batches = provider, role, batches
        self._limits = provider.limits
        # As many batches as run wait their turn, so that no worker waits while the next one is
        # prepared. Where batches are paid for, no more are unanswered than are in flight.
        width = self._limits.concurrency
        self._most = width if self._limits.paid else 2 * width
        self._flying: dict[Future[Batch], list[BatchItem]] = {}
        self._aloft: dict[Future[Batch], int] = {}  # tokens of each
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[tuple[list[BatchItem], BatchResult]]:
        width = self._limits.concurrency
        with ThreadPoolExecutor(max_workers=width, thread_name_prefix="veclab") as pool:
            try:
                for batch in self._batches:
                    for items in self._fitting(batch):
                        tokens = batch_size(items, self._limits)[1]
                        while self._full(tokens):
                            yield from self._land(pool)
                        self._ask(pool, items, tokens)
                while self._flying:
                    yield from self._land(pool)
            except GeneratorExit:
                raise
            except BaseException as error:
                self._error = error
                for future in [f for f in self._flying if f.cancel()]:
                    del self._flying[future]
                self._provider.stop()
                while self._flying:
                    yield from self._land(pool)
                raise

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Put an error off until the results under way have come in too.

        The loop then ends with it; of several errors the first counts.
        """
        try:
            yield
        except BaseException as error:
            self._error = self._error or error

    def _full(self, tokens: int) -> bool:
        most = self._limits.flight_tokens
        room = most is None or sum(self._aloft.values()) + tokens <= most
        return len(self._flying) >= self._most or (bool(self._flying) and not room)

    def _fitting(self, items: list[BatchItem]) -> list[list[BatchItem]]:
        """Cut a batch within the limits where they shrank since it was planned."""
        limits = self._provider.limits
        if limits is self._limits:
            return [items]
        sizes = [truncated_length(item.tokenized.tokens, limits.max_tokens) for item in items]
        return [items[part] for part in cut_batches(sizes, limits)]

    def _smaller(self, items: list[BatchItem]) -> list[list[BatchItem]]:
        """Cut a batch that was refused: within shrunk limits if that cuts it, else in halves."""
        parts = self._fitting(items)
        if len(parts) > 1 or len(items) == 1:
            return parts if len(parts) > 1 else []
        middle = len(items) // 2
        return [items[:middle], items[middle:]]

    def _ask(self, pool: ThreadPoolExecutor, items: list[BatchItem], tokens: int) -> None:
        batch = [item.tokenized for item in items]
        with _uninterrupted():  # a batch that is asked for and not known is lost
            future = pool.submit(self._provider.embed_batch, batch, self._role)
            self._flying[future], self._aloft[future] = items, tokens

    def _land(self, pool: ThreadPoolExecutor) -> Iterator[tuple[list[BatchItem], BatchResult]]:
        """Wait for a result, give out all that are there, and ask again what was refused."""
        failed = self._error
        for future in wait(self._flying, return_when=FIRST_COMPLETED).done:
            # Until the result is stored, which the caller does before asking for the next one.
            with _uninterrupted():
                items = self._flying.pop(future)
                del self._aloft[future]
                error = future.exception()
                if isinstance(error, Refused):
                    yield _refused(items, error)
                    for part in self._smaller(items) if failed is None else ():
                        self._ask(pool, part, batch_size(part, self._limits)[1])
                elif error is None:
                    given = future.result()
                    yield items, given if isinstance(given, BatchResult) else BatchResult(given)
                else:
                    if isinstance(error, OtherModel) and error.made is not None:
                        yield items, error.made
                    if failed is None:
                        raise error
            if self._error is not failed:
                assert self._error is not None
                raise self._error


def run_batches(
    provider: EmbeddingProvider, role: Role | None, batches: Iterable[list[BatchItem]]
) -> Answers:
    """Embed batches, `provider.limits.concurrency` at once; iterate over (items, result).

    The next batches are prepared (tokenized) in the calling thread while the model works. No more
    than `limits.flight_tokens` are under way, so that many long texts at once do not use up the
    memory; a batch over that goes alone.

    A batch that the provider refuses is halved until the text at fault is alone, and comes as
    refused. One that another model made comes with its Space, and then the loop ends with
    `OtherModel`. When anything fails, Ctrl-C included, batches not yet begun are dropped, and those
    in flight are waited for and come as ever before the error is raised, so that nothing computed
    or paid for is lost. For that, what stores a result stands in a `with results.shielded():`,
    which puts its own errors off; Ctrl-C waits from a result's arrival to the call for the next
    one.
    """
    return Answers(provider, role, batches)


def _refused(items: list[BatchItem], refused: Refused) -> tuple[list[BatchItem], BatchResult]:
    """What it took to have a batch refused; a text alone is itself refused for good."""
    alone = items if len(items) == 1 else []
    reasons = {0: str(refused)} if alone else {}
    nothing = np.zeros((len(alone), 0), np.float32)
    return alone, BatchResult(
        nothing,
        reasons,
        refused.requests,
        refused.tokens,
        refused.unanswered,
        refused.tokens_unanswered,
    )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put a Ctrl-C off until the end of the block: a result that was paid for is stored whole."""
    pressed: list[tuple[int, FrameType | None]] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual):  # ignored, or not Python's
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if pressed:
            usual(*pressed[0])
