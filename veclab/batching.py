"""Batches by tokens, and running them side by side."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from veclab.errors import VeclabError
from veclab.models.provider import Answer, Limits, Piece, Provider, Refused, Stoppable
from veclab.space import Role

# What `Provider.embed_batch` gives.
Batch = NDArray[np.float32] | Answer


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
    commit: Callable[[list[Unit], Batch], None],
) -> None:
    """Embed batches, `provider.limits.concurrency` at once, and commit each as it arrives.

    `commit` runs in the calling thread. The next batches are prepared (tokenised) there while
    the model works. A batch that the provider refuses is halved until the piece at fault is
    alone, and committed as refused. When anything fails, Ctrl-C included, batches not yet begun
    are dropped and those in flight are waited for and committed, so that nothing computed or
    paid for is lost.
    """
    width = provider.limits.concurrency
    # Where batches are paid for, no more are uncommitted than are in flight. Else one more than
    # can run waits its turn, so that no worker does.
    most = width if provider.limits.paid else width + 1
    flying: dict[Future[Batch], list[Unit]] = {}

    with ThreadPoolExecutor(max_workers=width, thread_name_prefix="veclab") as pool:

        def ask(units: list[Unit]) -> None:
            flying[pool.submit(provider.embed_batch, [unit.piece for unit in units], role)] = units

        def land(done: Iterable[Future[Batch]]) -> None:
            for future in done:
                with _uninterrupted():
                    units = flying.pop(future)
                    try:
                        commit(units, future.result())
                    except Refused as refused:
                        for part in _halves(units, refused, commit):
                            ask(part)

        try:
            for units in batches:
                while len(flying) >= most:
                    land(wait(flying, return_when=FIRST_COMPLETED).done)
                ask(units)
            while flying:
                land(wait(flying, return_when=FIRST_COMPLETED).done)
        except BaseException:
            for future in [f for f in flying if f.cancel()]:
                del flying[future]
            if isinstance(provider, Stoppable):
                provider.stop()
            for future in wait(flying).done:
                # One answer that cannot be stored must not cost the others.
                if future.exception() is None:
                    with _uninterrupted(), suppress(VeclabError):
                        commit(flying[future], future.result())
            raise


def _halves(
    units: list[Unit], refused: Refused, commit: Callable[[list[Unit], Batch], None]
) -> list[list[Unit]]:
    """What to ask instead of a refused batch; a piece alone is committed as refused."""
    reasons = {0: str(refused)} if len(units) == 1 else {}
    nothing = np.zeros((0, 0), np.float32)
    asked = units if reasons else []
    commit(asked, Answer(nothing, reasons, refused.requests, refused.tokens))
    middle = len(units) // 2
    return [] if reasons else [units[:middle], units[middle:]]


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
