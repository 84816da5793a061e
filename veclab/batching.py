"""Batches by tokens, and running them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.models.provider import Limits, Piece, Provider
from veclab.space import Role


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece and the distinct text it belongs to (several windows may belong to one)."""

    text: int
    piece: Piece


def cut_batches(sizes: Sequence[int], limits: Limits, *, keep_tail: bool = True) -> Iterator[slice]:
    """Cut a run of texts into batches that fill the limits.

    Args:
        sizes: tokens of each text, in the order they are to be batched; descending sizes pad least.
        limits: of the provider.
        keep_tail: whether the last batch, which may be half empty, is given too.
    """
    start = tokens = longest = 0
    for position, size in enumerate(sizes):
        count = position - start
        longest_now = max(longest, size)
        tokens_now = longest_now * (count + 1) if limits.padded else tokens + size
        if count and (tokens_now > limits.batch_tokens or count >= limits.batch_texts):
            yield slice(start, position)
            start, tokens, longest_now = position, 0, size
        tokens, longest = tokens + size, longest_now
    if keep_tail and start < len(sizes):
        yield slice(start, len(sizes))


def run_batches(
    provider: Provider,
    role: Role | None,
    batches: Iterable[list[Unit]],
    commit: Callable[[list[Unit], NDArray[np.float32]], None],
) -> None:
    """Embed batches, `provider.limits.concurrency` at once, and commit each as it arrives.

    `commit` runs in the calling thread. The next batches are prepared (tokenised) there while
    the model works. When anything fails, Ctrl-C included, batches not yet begun are dropped and
    those in flight are waited for and committed, so that nothing computed or paid for is lost.
    """
    width = provider.limits.concurrency
    flying: dict[Future[NDArray[np.float32]], list[Unit]] = {}

    def land(done: Iterable[Future[NDArray[np.float32]]]) -> None:
        for future in done:
            commit(flying.pop(future), future.result())

    with ThreadPoolExecutor(max_workers=width, thread_name_prefix="veclab") as pool:
        try:
            for units in batches:
                pieces = [unit.piece for unit in units]
                flying[pool.submit(provider.embed_batch, pieces, role)] = units
                # One more than can run waits its turn, so that no worker does.
                while len(flying) > width:
                    land(wait(flying, return_when=FIRST_COMPLETED).done)
            while flying:
                land(wait(flying, return_when=FIRST_COMPLETED).done)
        except BaseException:
            for future in [f for f in flying if f.cancel()]:
                del flying[future]
            for future in wait(flying).done:
                if future.exception() is None:
                    commit(flying[future], future.result())
            raise
