"""Texts of all clients in batches together, by the stages of the main path.

    arrivals -> a reader: prepare, deduplicate, look up the cache, count tokens
             -> a queue, fair to all -> a worker for each stream: batch by tokens, model, check
             -> answers -> a keeper: write the cache

A worker takes what waits when its stream is free. What nobody waits for any more is dropped when
its turn comes. Results are written to the cache after they were handed out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors, CacheError, SpaceMismatch, VeclabError
from veclab.model import Model
from veclab.pipeline.batching import BatchItem
from veclab.pipeline.embed import check_result, of_other
from veclab.provider import BatchResult, OtherModel, Refused, truncated_length
from veclab.server.admission import Admission
from veclab.server.fair_queue import FairQueue
from veclab.server.jobs import PART_CHARS, Block, Job, Part
from veclab.server.keeper import Keeper
from veclab.server.metrics import ModelMetrics
from veclab.server.problems import Problem, internal
from veclab.server.reading import Reader
from veclab.server.staging import Stage
from veclab.space import OnLong, Role

# Batches that are next in turn, from which a worker takes one: more makes for less padding, and a
# longer wait for who comes next.
_WINDOW = 4
# A batch is this share of what waits, so that its texts are of like lengths, but not below the
# tokens at which a stream is at its full speed.
_SHARE = 3
_LEAST_SHARE = 128
# Seconds in which the reader collects arrivals while every stream is busy.
_COLLECT = 0.002
# For a batch under way when the server ends.
_LAST_SECONDS = 5.0


class Entry(NamedTuple):
    """An item that waits for the model, with the block that it belongs to."""

    block: Block
    item: BatchItem


class Batcher:
    """Computes the jobs of all clients of one model.

    Attributes:
        model: what computes.
        admission: who may wait.
    """

    def __init__(
        self,
        model: Model,
        *,
        on_long: OnLong = "error",
        max_wait: float = 30.0,
        metrics: ModelMetrics | None = None,
        on_fault: Callable[[str, Exception], None] = lambda what, error: None,
    ) -> None:
        """Start its threads; `close` ends them.

        Args:
            model: what computes.
            on_long: what becomes of a text over the limit.
            max_wait: seconds of work that may wait.
            metrics: where to count.
            on_fault: is told of errors that no client should see.
        """
        self.model, self.metrics = model, metrics
        self._on_fault = on_fault
        self._provider, self._limits = model.provider, model.provider.limits
        self._reader = Reader(model, on_long)
        self._keeper = (
            None if model.cache is None else Keeper(model.cache, partial(on_fault, "keeping"))
        )
        streams = self._limits.concurrency
        least = 2 * streams * self._limits.batch_tokens
        self.admission = Admission(self._warm_up(), max_wait, least)
        lock = threading.Lock()
        self._lock, self._arrived = threading.Condition(lock), threading.Condition(lock)
        self._arrivals: FairQueue[Part] = FairQueue()
        self._waiting: dict[Role | None, FairQueue[Entry]] = {}
        self._staged: dict[Role | None, Stage[Entry]] = {}
        self._idle, self._closed = 0, False
        names = [(self._read_all, "veclab-read")]
        names += [(self._work, f"veclab-stream-{i}") for i in range(streams)]
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True) for target, name in names
        ]
        for thread in self._threads:
            thread.start()

    def _warm_up(self) -> float:
        """Compute one small batch, for the first measure of the pace: tokens per second."""
        if self._limits.paid:
            return 10_000.0
        self._provider.expect_small_batches()
        most = min(8, self._limits.batch_texts)
        texts = self._provider.tokenize(["the first text of a server"] * most, None)
        if not all(one.tokens for one in texts):
            return 10_000.0
        self._provider.embed_batch(texts, None)
        start = time.perf_counter()
        self._provider.embed_batch(texts, None)
        seconds = max(time.perf_counter() - start, 1e-6)
        return self._limits.concurrency * sum(one.tokens for one in texts) / seconds

    def submit(self, job: Job, tries: int = 0) -> None:
        """Take a job; `job.on_done` is called, from any thread, when it is over.

        Raises:
            Problem: the queue is full.
        """
        self.admission.enter(job.cost, tries)
        with self._lock:
            for part in job.parts:
                self._arrivals.put(job.client, job.flow, part, len(part.texts) + part.cost)
            self._arrived.notify()

    def leave(self, job: Job) -> bool:
        """Give a job up: nobody waits for it any more. Return whether it was still going on."""
        with self._lock:
            return self._end(job, None)

    def waiting(self) -> int:
        """Return the tokens that are counted and wait for the model."""
        with self._lock:
            return sum(self._cost(role) for role in self._waiting)

    def _cost(self, role: Role | None) -> int:
        """Return the tokens that wait in a role."""
        return self._waiting[role].cost + self._staged[role].cost

    def close(self) -> None:
        """End the threads; jobs that are not done stay so, results are kept.

        A batch that takes longer than a few seconds is not waited for.
        """
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            self._arrived.notify_all()
        for thread in self._threads:
            thread.join(_LAST_SECONDS)
        if self._keeper is not None:
            self._keeper.close()

    # -- reading ---------------------------------------------------------------------------------

    def _read_all(self) -> None:
        while True:
            with self._lock:
                while not len(self._arrivals) and not self._closed:
                    self._arrived.wait()
                busy = not self._idle
            if busy and not self._closed:
                time.sleep(_COLLECT)  # no stream waits for it, and read together it costs less
            with self._lock:
                if self._closed:
                    return
                parts = self._arrivals.take(PART_CHARS // 4, lambda part: part.job.dead)
            by_role: dict[Role | None, list[Part]] = {}
            for part in parts:
                by_role.setdefault(part.job.role, []).append(part)
            for role, some in by_role.items():
                self._read(role, some)

    def _read(self, role: Role | None, parts: list[Part]) -> None:
        try:
            read = self._reader.read(role, parts)
        except Exception as error:  # a fault of the cache or the tokenizer: not of these clients
            self._on_fault("reading", error)
            if isinstance(error, CacheError) and self._reader.drop_cache():
                self._read(role, parts)
                return
            with self._lock:
                for part in parts:
                    self._end(part.job, internal())
            return
        with self._lock:
            for part, problem in read.problems:
                self._end(part.job, problem)
            waiting = self._waiting.setdefault(role, FairQueue())
            self._staged.setdefault(role, Stage())
            limit = self._limits.max_tokens
            for item in read.items:
                owners = [p for p in read.block.owners[item.text] if not p.job.over]
                if owners:
                    job = owners[0].job
                    cost = truncated_length(item.tokenized.tokens, limit)
                    waiting.put(job.client, job.flow, Entry(read.block, item), cost)
            for part in parts:
                if not part.missing and not part.job.over:
                    self._finish(part, computed=False)
            if self.metrics is not None:
                self.metrics.read(read.cached)
            self._lock.notify_all()

    # -- computing -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
                while not (role := self._next_role()) and not self._closed:
                    self._lock.wait()
                self._idle -= 1
                if self._closed:
                    return
                assert role is not None
                entries = self._take(role[0])
            self._compute(entries, role[0])

    def _next_role(self) -> tuple[Role | None] | None:
        """Return a role that has work waiting, the longest queue first."""
        role = max(self._waiting, key=self._cost, default=None)
        return (role,) if role in self._waiting and self._cost(role) else None

    def _take(self, role: Role | None) -> list[Entry]:
        """Take a batch: from what is next in turn, the oldest and what is like it in length."""
        waiting, staged = self._waiting[role], self._staged[role]
        limits = self._limits
        window = limits.batch_tokens * (1 if limits.paid else _WINDOW)
        if window > staged.cost:
            for entry in waiting.take(window - staged.cost, _unwanted):
                tokens = truncated_length(entry.item.tokenized.tokens, limits.max_tokens)
                staged.add(entry, tokens)
        budget = limits.batch_tokens
        if not limits.paid:
            share = staged.cost // (self._idle + 1 if self._idle else _SHARE)
            budget = max(share, _LEAST_SHARE)
        entries = staged.take(budget, limits)
        now = time.monotonic()
        for block, item in entries:
            for part in block.owners.get(item.text, ()):
                if part.job.waited is None:
                    part.job.waited = now - part.job.arrived
        return entries

    def _compute(self, entries: list[Entry], role: Role | None) -> None:
        """Compute a batch; one that fails is halved until the text at fault is alone."""
        entries = [entry for entry in entries if not _unwanted(entry)]
        if not entries:
            return
        try:
            given = self._provider.embed_batch([one.item.tokenized for one in entries], role)
            result = given if isinstance(given, BatchResult) else BatchResult(given)
            blocks = _by_block(entries, result)
            checked = [check_result(b.run, b.distinct, items, some) for b, items, some in blocks]
        except OtherModel as error:
            for entry in entries:
                self._fail(entry, error)
            with suppress(BadVectors):
                self._keep_other(entries, error)
            return
        except Exception as error:
            if len(entries) > 1:
                middle = len(entries) // 2
                self._compute(entries[:middle], role)
                self._compute(entries[middle:], role)
            else:
                self._fail(entries[0], error)
            return
        with self._lock:
            for (block, items, some), vectors in zip(blocks, checked, strict=True):
                self._add(block, items, some, vectors)
        if self.metrics is not None:
            sizes = [e.item.tokenized.tokens for e in entries]
            self.metrics.batch([truncated_length(s, self._limits.max_tokens) for s in sizes])

    def _keep_other(self, entries: list[Entry], error: OtherModel) -> None:
        """Keep what another model than the server began with has made, for when it is served."""
        if error.made is None or self._keeper is None:
            return
        for block, items, some in _by_block(entries, error.made):
            taken = [item for row, item in enumerate(items) if row not in some.refused]
            other = of_other(block.run, block.distinct, some)
            finished = other.add(taken, check_result(block.run, block.distinct, items, some))
            self._keeper.put(block, finished, other)

    def _add(
        self,
        block: Block,
        items: list[BatchItem],
        result: BatchResult,
        vectors: NDArray[np.float32],
    ) -> None:
        for text in block.vectors.refuse([items[row].text for row in result.refused]):
            reason = next(iter(result.refused.values()))
            problem = Problem(400, f"The model's endpoint refused a text: {reason}", param="input")
            for part in block.owners.pop(text, ()):
                self._end(part.job, problem)
        taken = [item for row, item in enumerate(items) if row not in result.refused]
        finished = block.vectors.add(taken, vectors) if taken else []
        for text in finished:
            for part in block.owners.pop(text, ()):
                part.missing -= 1
                if not part.missing and not part.job.over:
                    self._finish(part, computed=True)
        if self._keeper is not None and finished:
            self._keeper.put(block, finished)

    def _fail(self, entry: Entry, error: Exception) -> None:
        """Fail the jobs of a text that cannot be embedded."""
        self._on_fault("computing", error)
        problem: Exception = internal()
        if isinstance(error, Refused):
            problem = Problem(400, f"The model's endpoint refused a text: {error}", param="input")
        elif isinstance(error, SpaceMismatch):
            said = "The model's endpoint has another model than when this server began: restart it."
            problem = Problem(502, said, code="bad_gateway")
        elif isinstance(error, VeclabError) and self._limits.paid:
            problem = Problem(502, "The model's endpoint did not answer.", code="bad_gateway")
        with self._lock:
            for part in entry.block.owners.pop(entry.item.text, ()):
                self._end(part.job, problem)

    # -- ending; all of it under the lock --------------------------------------------------------

    def _finish(self, part: Part, *, computed: bool) -> None:
        if part.done:
            return
        part.done = True
        self.admission.leave(part.cost, computed=computed)
        job = part.job
        job.left -= 1
        if not job.left:
            job.over = True
            job.on_done(job)

    def _end(self, job: Job, error: Exception | None) -> bool:
        """End a job before it is done."""
        if job.over:
            return False
        job.over, job.error = True, error
        for part in job.parts:
            if not part.done:
                part.done = True
                self.admission.leave(part.cost, computed=False)
        if error is not None:
            job.on_done(job)
        return True


def _unwanted(entry: Entry) -> bool:
    owners = entry.block.owners.get(entry.item.text, ())
    return all(part.job.dead for part in owners)


def _by_block(
    entries: Sequence[Entry], result: BatchResult
) -> list[tuple[Block, list[BatchItem], BatchResult]]:
    """Take a batch's result apart, for each block its items and their rows."""
    rows: dict[int, list[int]] = {}
    for row, entry in enumerate(entries):
        rows.setdefault(id(entry.block), []).append(row)
    if len(rows) == 1:
        return [(entries[0].block, [entry.item for entry in entries], result)]
    apart = []
    for some in rows.values():
        refused = {i: result.refused[row] for i, row in enumerate(some) if row in result.refused}
        part = BatchResult(np.asarray(result.vectors)[some], refused, space=result.space)
        apart.append((entries[some[0]].block, [entries[row].item for row in some], part))
    return apart
