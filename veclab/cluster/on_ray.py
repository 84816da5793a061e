"""The same work on a Ray cluster: actors that hold a model each and embed a shard at a time.

Shards do not pass through Ray: a worker reads its own from the folder or bucket and puts its own
output there, so that Ray's object store holds nothing but a few hundred bytes a shard, and no pool
of readers competes with the models for processors (ray#44687). A worker is given its next shard
when it has finished one. One that dies gives its shard back.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from veclab.cluster.inputs import Shard
from veclab.cluster.job import Job
from veclab.cluster.one_shard import ENDS_THE_RUN, Worker
from veclab.cluster.places import AGAIN, Entry, Folder, open_place
from veclab.errors import InputError, MissingExtra, ModelUnavailable, OutputError, VeclabError
from veclab.models.names import OPENAI
from veclab.space import Recipe

_TRIES = 3  # of a shard whose worker died, and of a place for a worker
_CPUS = 4  # processors of a worker without a GPU: more models beat more threads
_ANSWER_S = 5.0  # within which a cluster must take a connection; Ray itself tries for ten minutes
_LOOK_S = 5.0  # how often machines that came and went are looked for
_OBJECT_STORE = 100 << 20  # bytes, where we start Ray: nothing big goes through it
_KINDS: dict[str, type[VeclabError]] = {
    kind.__name__: kind for kind in ENDS_THE_RUN if not issubclass(kind, MissingExtra)
}


class ClusterGone(VeclabError):
    """No machine of the cluster is left."""


class RayWorker:
    """What runs in an actor; errors come back as values, since not every error can be sent."""

    def start(self, job: Mapping[str, Any], threads: int | None) -> dict[str, Any]:
        """Load the model; return the Recipe."""
        given = Job.from_dict(job)
        try:
            self._worker = Worker(_with_threads(given, threads))
        except VeclabError as error:
            return _stop(error)
        return {"recipe": self._worker.recipe.to_json()}

    def embed(self, job: Mapping[str, Any], name: str, size: int, tag: str, output: str) -> Any:
        """Embed a shard."""
        self._worker.job = Job.from_dict(job)
        try:
            return self._worker.embed(Shard(Entry(name, size, tag), output))
        except ENDS_THE_RUN as error:
            return _stop(error)


@dataclass(frozen=True)
class Slot:
    """Room for a worker on a machine."""

    node: str
    number: int
    cpus: int
    gpus: int


class OnRay:
    """Workers on a cluster.

    Args:
        job: without a recipe: the first worker says it.
        address: of the cluster; "" starts one on this machine.
        workers: at most so many.

    Raises:
        MissingExtra: Ray is not installed.
        InputError: nobody answers at the address.
        ClusterGone: the cluster cannot be joined, or has no room.
        And what `Worker` raises.
    """

    def __init__(self, job: Job, address: str, workers: int | None) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray
        except ImportError:
            raise MissingExtra("ray", "--ray") from None
        self._ray, self._most = ray, workers
        self._ours = not ray.is_initialized()
        if self._ours:
            self._connect(address)
        self._job = job
        self._starting: dict[Any, tuple[Slot, Any]] = {}
        self._idle: list[tuple[Slot, Any]] = []
        self._flying: dict[Any, tuple[Slot, Any, Shard]] = {}
        self._deaths: Counter[Slot] = Counter()
        self._recipe: Recipe | None = None
        self._fill()
        while self._recipe is None:
            self._step()

    def _connect(self, address: str) -> None:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if address:
            _answers(address)
        try:
            if address:
                self._ray.init(address=address, **quiet)
            else:
                self._ray.init(
                    address="local",
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE,
                    num_cpus=len(os.sched_getaffinity(0)),
                    **quiet,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ClusterGone(f"Ray at {address or 'this machine'}: {error}") from None

    @property
    def recipe(self) -> Recipe:
        """As the first worker said it; all must say the same."""
        assert self._recipe is not None
        return self._recipe

    def run(self, job: Job, shards: Iterable[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Embed them; yield each when it is done."""
        self._job = job
        plain = job.to_dict()
        todo = deque(shards)
        lost: Counter[str] = Counter()
        output = open_place(job.output)
        while todo or self._flying:
            while todo and self._idle:
                slot, actor = self._idle.pop()
                shard = todo.popleft()
                given = (shard.input.name, shard.input.size, shard.input.tag, shard.output)
                self._flying[actor.embed.remote(plain, *given)] = slot, actor, shard
            for shard, facts in self._step():
                if facts is not None:
                    if isinstance(output, Folder) and facts["state"] != "failed":
                        _seen_from_here(output, shard)
                    yield shard, facts
                    continue
                lost[shard.output] += 1
                if lost[shard.output] < _TRIES:
                    todo.append(shard)
                    continue
                reason = (
                    f"the worker died {_TRIES} times at it, out of memory perhaps: cut it into "
                    "smaller shards, or give the machines fewer workers (--workers)"
                )
                tag = {"input": shard.input.name, "input_tag": shard.input.tag}
                yield shard, {"state": "failed", "reason": reason, **tag, "seconds": 0.0}

    def close(self) -> None:
        """Stop the workers; a cluster that was not started here goes on."""
        for _, actor in [*self._starting.values(), *self._idle]:
            self._ray.kill(actor)
        for _, actor, _ in self._flying.values():
            self._ray.kill(actor)
        if self._ours:
            self._ray.shutdown()

    def _step(self) -> list[tuple[Shard, dict[str, Any] | None]]:
        """Wait for something to happen; return shards that are done, or lost (None)."""
        refs = [*self._starting, *self._flying]
        if not refs and not self._idle:
            self._fill()
            if not self._starting:
                raise ClusterGone(
                    "no machine of the cluster is left that could embed. The shards that are there "
                    f"are complete: {AGAIN}"
                )
            return []
        try:
            ready, _ = self._ray.wait(refs, num_returns=1, timeout=_LOOK_S)
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise ClusterGone(f"the cluster does not answer: {error}. {AGAIN}") from error
        if not ready:
            self._fill()
        found: list[tuple[Shard, dict[str, Any] | None]] = []
        for ref in ready:
            shard: Shard | None = None
            if ref in self._starting:
                slot, actor = self._starting.pop(ref)
            else:
                slot, actor, shard = self._flying.pop(ref)
            facts = self._value(ref)
            if facts is None:
                self._deaths[slot] += 1
                self._fill()
            else:
                self._idle.append((slot, actor))
                if "recipe" in facts:
                    self._recipe = self._recipe or Recipe.from_json(facts["recipe"])
            if shard is not None:
                found.append((shard, facts))
        return found

    def _value(self, ref: Any) -> dict[str, Any] | None:
        """Return what a worker said; None where it died."""
        errors = self._ray.exceptions
        try:
            facts: dict[str, Any] = self._ray.get(ref)
        except (
            errors.RayActorError,
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
        ):
            return None
        if facts.get("state") == "stop":
            raise _KINDS.get(facts["kind"], ModelUnavailable)(facts["said"])
        return facts

    def _fill(self) -> None:
        """Start a worker wherever there is room and none."""
        taken = {slot for slot, _ in [*self._starting.values(), *self._idle]}
        taken |= {slot for slot, _, _ in self._flying.values()}
        job = self._job if self._recipe is None else replace(self._job, recipe=self._recipe.id)
        for slot in self._slots():
            if slot in taken or self._deaths[slot] >= _TRIES:
                continue
            if self._most is not None and len(taken) >= self._most:
                return
            taken.add(slot)
            actor = self._actor(slot)
            threads = None if slot.gpus else slot.cpus
            self._starting[actor.start.remote(job.to_dict(), threads)] = slot, actor

    def _slots(self) -> list[Slot]:
        """Return the room on all machines, the first of each machine first."""
        on_gpus = self._job.loading.get("device") in (None, "cuda")
        threads = self._job.loading.get("threads")
        slots = []
        for node in self._ray.nodes():
            room = node["Resources"] if node["Alive"] else {}
            cpus, gpus = int(room.get("CPU", 0)), int(room.get("GPU", 0)) if on_gpus else 0
            each = threads or (max(1, min(cpus // gpus, _CPUS)) if gpus else min(cpus, _CPUS))
            count = gpus or (cpus // each if each else 0)
            slots += [Slot(node["NodeID"], n, each, min(gpus, 1)) for n in range(count)]
        return sorted(slots, key=lambda slot: (slot.number, slot.node))

    def _actor(self, slot: Slot) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = {
            "num_cpus": slot.cpus,
            "num_gpus": slot.gpus,
            "max_restarts": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        return self._ray.remote(RayWorker).options(**options).remote()


def _answers(address: str) -> None:
    """Raise InputError where nobody takes a connection at a cluster's address."""
    from ray._private.services import canonicalize_bootstrap_address

    try:
        # What "auto" means may be out of date: a cluster that was killed leaves its address behind.
        found = canonicalize_bootstrap_address(address) if address == "auto" else address
        host, _, port = str(found).removeprefix("ray://").rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, ValueError) as error:
        where = "auto (this machine's cluster)" if address == "auto" else address
        raise InputError(
            f"no Ray cluster answers at {where}: {error}. See with `ray status` where one runs, "
            'start one with `ray start --head`, or write --ray (ray="") without an address to '
            "start Ray on this machine for as long as the run takes"
        ) from None


def _with_threads(job: Job, threads: int | None) -> Job:
    """Have a model use the processors that its worker has, where it takes a number of them."""
    from veclab.models.words.model import is_words

    if threads is None or job.model.startswith(OPENAI) or is_words(job.model):
        return job
    return replace(job, loading={"threads": threads, **job.loading})


def _stop(error: VeclabError) -> dict[str, Any]:
    return {"state": "stop", "kind": type(error).__name__, "said": str(error)}


def _seen_from_here(output: Folder, shard: Shard) -> None:
    """Raise OutputError where a worker has written to a folder that is another machine's own."""
    if output.entry(shard.output) is None:
        raise OutputError(
            f"a worker on another machine has written {shard.output}, and it is not in "
            f"{output.address} here: give a folder that all machines share, or s3://..."
        )
