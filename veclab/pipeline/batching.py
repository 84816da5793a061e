"""Batches by tokens, and running them side by side."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import pairwise
from types import FrameType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.errors import VeclabError
from veclab.provider import Answer, EmbeddingProvider, Limits, Refused, TokenizedText
from veclab.space import Role

# What `EmbeddingProvider.embed_batch` gives.
Batch = NDArray[np.float32] | Answer


class BatchItem(NamedTuple):
    """A piece and the distinct text it belongs to (several windows may belong to one)."""

    text: int
    piece: TokenizedText


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
    """Where batches end when each is filled to the limits."""
    total = np.concatenate([[0], np.cumsum(sizes)])
    ends = [0]
    while (start := ends[-1]) < len(sizes):
        fit = int(np.searchsorted(total, total[start] + limits.batch_tokens, "right")) - 1
        ends.append(min(max(fit, start + 1), start + limits.batch_texts, len(sizes)))
    return ends[1:]


def _padded_ends(sizes: Sequence[int], limits: Limits) -> list[int]:
    """Where batches end when padding is computed as if it were text.

    The cuts that cost least over the whole run, `batch_cost` tokens for each batch included, by
    dynamic programming from the end. Filling batches to the limits instead wastes 15% on a few
    hundred texts of mixed lengths, where this wastes 1 to 2%.
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
        best = int(total.argmin())
        cheapest[i] = total[best] + limits.batch_cost
        end[i] = i + 1 + best
    ends: list[int] = []
    while (start := ends[-1] if ends else 0) < n:
        ends.append(end[start])
    return ends


def batch_size(items: Sequence[BatchItem], limits: Limits) -> tuple[int, int]:
    """Tokens of a batch that the model reads, and tokens it computes, padding included."""
    sizes = [item.piece.tokens for item in items]
    if limits.max_tokens is not None and max(sizes) > limits.max_tokens:
        sizes = [min(size, limits.max_tokens) for size in sizes]
    return sum(sizes), max(sizes) * len(sizes) if limits.padded else sum(sizes)


def run_batches(
    provider: EmbeddingProvider,
    role: Role | None,
    batches: Iterable[list[BatchItem]],
    commit: Callable[[list[BatchItem], Batch], None],
) -> None:
    """Embed batches, `provider.limits.concurrency` at once, and commit each as it arrives.

    `commit` runs in the calling thread. The next batches are prepared (tokenized) there while
    the model works: as many as run wait their turn, so that no worker does meanwhile. No more
    than `limits.flight_tokens` are under way, so that many long texts at once do not use up the
    memory; a batch over that goes alone.

    A batch that the provider refuses is halved until the piece at fault is alone, and committed as
    refused. When anything fails, Ctrl-C included, batches not yet begun are dropped and those in
    flight are waited for and committed, so that nothing computed or paid for is lost.
    """
    limits = provider.limits
    width = limits.concurrency
    # Where batches are paid for, no more are uncommitted than are in flight.
    most = width if limits.paid else 2 * width
    flying: dict[Future[Batch], list[BatchItem]] = {}
    aloft: dict[Future[Batch], int] = {}  # tokens of each

    def full(tokens: int) -> bool:
        room = limits.flight_tokens is None or sum(aloft.values()) + tokens <= limits.flight_tokens
        return len(flying) >= most or (bool(flying) and not room)

    with ThreadPoolExecutor(max_workers=width, thread_name_prefix="veclab") as pool:

        def ask(items: list[BatchItem], tokens: int) -> None:
            pieces = [item.piece for item in items]
            with _uninterrupted():  # a batch that is asked for and not known is lost
                future = pool.submit(provider.embed_batch, pieces, role)
                flying[future], aloft[future] = items, tokens

        def land(done: Iterable[Future[Batch]]) -> None:
            for future in done:
                with _uninterrupted():
                    items = flying.pop(future)
                    del aloft[future]
                    try:
                        commit(items, future.result())
                    except Refused as refused:
                        for part in _halves(items, refused, commit):
                            ask(part, batch_size(part, limits)[1])

        try:
            for items in batches:
                tokens = batch_size(items, limits)[1]
                while full(tokens):
                    land(wait(flying, return_when=FIRST_COMPLETED).done)
                ask(items, tokens)
            while flying:
                land(wait(flying, return_when=FIRST_COMPLETED).done)
        except BaseException:
            for future in [f for f in flying if f.cancel()]:
                del flying[future]
            provider.stop()
            for future in wait(flying).done:
                # One answer that cannot be stored must not cost the others.
                if future.exception() is None:
                    with _uninterrupted(), suppress(VeclabError):
                        commit(flying[future], future.result())
            raise


def _halves(
    items: list[BatchItem], refused: Refused, commit: Callable[[list[BatchItem], Batch], None]
) -> list[list[BatchItem]]:
    """What to ask instead of a refused batch; a piece alone is committed as refused."""
    reasons = {0: str(refused)} if len(items) == 1 else {}
    nothing = np.zeros((0, 0), np.float32)
    asked = items if reasons else []
    commit(asked, Answer(nothing, reasons, refused.requests, refused.tokens))
    middle = len(items) // 2
    return [] if reasons else [items[:middle], items[middle:]]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put a Ctrl-C off until the end of the block: an answer that was paid for is stored whole."""
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
