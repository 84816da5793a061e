"""From shards of texts to shards of vectors, one output for an input, on one machine or many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from veclab.cluster.inputs import Inputs, Shard, find_shards
from veclab.cluster.job import Job, Layout
from veclab.cluster.manifest import Manifest
from veclab.cluster.one_shard import Worker, facts_of, layout_of
from veclab.cluster.places import Entry, Place, StorageFailed, open_place
from veclab.errors import InputError, VeclabError
from veclab.models.names import DEFAULT_MODEL
from veclab.report import shorten
from veclab.space import Recipe, Space
from veclab.vectorfiles.sidecar import check_quantize

if TYPE_CHECKING:
    from veclab.vectorfiles.quantized import Quantization

# Shards whose columns are looked at first, so that one odd one does not speak for all.
_ASKED = 3
# Outputs of another job that a message names.
_NAMED = 3


class Workers(Protocol):
    """What embeds shards: this process, or actors of a cluster."""

    @property
    def recipe(self) -> Recipe:
        """What all of them make."""

    def run(self, job: Job, shards: Iterable[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Embed them; yield each with what the manifest says of it, in any order."""

    def close(self) -> None:
        """Let go of what was started."""


class Here:
    """This process, one shard after the other."""

    def __init__(self, job: Job, max_cost: float | None = None) -> None:
        self._worker = Worker(job)
        self._max_cost = max_cost

    @property
    def recipe(self) -> Recipe:
        """What its model makes."""
        return self._worker.recipe

    def run(self, job: Job, shards: Iterable[Shard]) -> Iterator[tuple[Shard, dict[str, Any]]]:
        """Embed them in order."""
        self._worker.job = job  # by now it has a recipe
        left = self._max_cost
        for shard in shards:
            facts = self._worker.embed(shard, left)
            if left is not None:
                left = max(0.0, left - facts.get("dollars", 0.0))
            yield shard, facts

    def close(self) -> None:
        """Nothing was started."""


def embed_shards(
    input: str | Sequence[str],
    output: str,
    *,
    model: str = DEFAULT_MODEL,
    loading: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    ray: str | None = None,
    workers: int | None = None,
    max_cost: float | None = None,
    as_documents: bool = False,
    chunks: bool = False,
    quantize: Quantization | None = None,
    on_space: Callable[[Space], None] | None = None,
    on_start: Callable[[int], Callable[[int], None]] | None = None,
    on_failed: Callable[[str, str], None] | None = None,
    **policies: Any,
) -> Manifest:
    """Embed many files of texts; each becomes a Parquet file of vectors of the same name.

    An output is complete or absent. A run that was stopped or killed goes on where it was: what is
    there, was made by the same job and of the same content is not made again. A shard that cannot
    be used is set aside with the reason, and the others go on. `_veclab.json` in the output says
    what became of each.

    Args:
        input: a folder, a glob, or an address: s3://bucket/folder, gs://..., az://...; or files.
        output: a folder or an address.
        model: a name for `veclab.load`.
        loading: further arguments of `veclab.load`.
        reading: arguments of `veclab.open_source`, for all shards.
        overwrite: replace vectors that another model or other options made.
        ray: the address of a Ray cluster ("auto" for the one of this machine, "" to start one
            here); None for this process.
        workers: how many models on the cluster; by default as many as it has room for.
        max_cost: dollars, for all; the run stops before a request that would cost more in sum.
        as_documents: give the texts the role of documents, where the model has roles.
        chunks, quantize: as in `embed_file`. int8 has steps of its own in each shard's file.
        on_space: called with the Space of the vectors before any is made; may raise.
        on_start: called with how many shards there are to do; what it returns is called with the
            number of shards finished since the last call.
        on_failed: called with the name and the reason of each shard that is set aside.
        policies: role, on_long, on_empty and prepare, as in `Model.embed`.

    Returns:
        The manifest, as it was written.

    Raises:
        InputError: there are no shards, none can be read, or the output was made otherwise.
        StorageRefused: no rights, no credentials, a full disk or bucket.
        And what `veclab.load` raises.
    """
    start = time.perf_counter()
    place = open_place(output)
    reading, loading = _given(reading), _given(loading)
    inputs = find_shards(input, place, reading.get("format"))
    addresses = inputs.place.address, place.address
    given = _given(policies)
    if quantize is not None:
        check_quantize(Path("shard.parquet"), quantize)
    job = Job(*addresses, model, loading, reading, given, overwrite, as_documents, chunks, quantize)
    before = Manifest.of_place(place)
    job = replace(job, layout=_layout(inputs, job, before))
    running = _workers(job, ray, workers, max_cost)
    try:
        if on_space is not None:
            on_space(running.recipe.space)
        job = replace(job, recipe=running.recipe.id)
        manifest = Manifest(job, {} if before is None else before.shards)
        todo = _what_is_left(inputs, place, manifest, before)
        manifest.write(place)  # a place that cannot be written to is found out before the work
        advance = (lambda done: None) if on_start is None else on_start(len(todo))
        _run(running, manifest, place, todo, start, advance, on_failed)
    finally:
        running.close()
    return manifest


def _run(
    running: Workers,
    manifest: Manifest,
    place: Place,
    todo: list[Shard],
    start: float,
    advance: Callable[[int], None],
    on_failed: Callable[[str, str], None] | None,
) -> None:
    """Have shards embedded, and keep the manifest; it is written whatever happens."""
    try:
        for shard, facts in running.run(manifest.job, todo):
            manifest.take(shard, facts)
            if facts["state"] == "failed" and on_failed is not None:
                on_failed(shard.input.name, facts["reason"])
            advance(1)
            manifest.seconds = round(time.perf_counter() - start, 3)
            manifest.write(place, now=False)
        manifest.state = "complete"
    except BaseException as error:
        manifest.state = "stopped"
        manifest.reason = str(error) if isinstance(error, VeclabError) else type(error).__name__
        with suppress(VeclabError):  # the first error is the story
            manifest.write(place)
        raise
    manifest.seconds = round(time.perf_counter() - start, 3)
    manifest.write(place)


def _given(options: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: v for name, v in (options or {}).items() if v not in (None, (), [])}


def _workers(job: Job, ray: str | None, workers: int | None, max_cost: float | None) -> Workers:
    if ray is None:
        if workers is not None:
            raise InputError("workers are those of a cluster: give --ray too")
        return Here(job, max_cost)
    if max_cost is not None:
        raise InputError("a limit of cost (--max-cost) is kept by one process: leave --ray out")
    from veclab.cluster.on_ray import OnRay

    return OnRay(job, ray, workers)


def _layout(inputs: Inputs, job: Job, before: Manifest | None) -> Layout:
    """Return the columns that every shard must have: as an earlier run found them, or most do.

    Raises:
        InputError: no shard can be read.
    """
    if before is not None and before.job.layout is not None and _reads_alike(before.job, job):
        return before.job.layout
    found: dict[Layout, list[Layout]] = {}
    said = ""
    for shard in inputs.shards:
        try:
            layout = layout_of(inputs.place, shard, job.reading)
        except (InputError, StorageFailed) as error:  # it is set aside when its turn comes
            said = said or str(error)
            continue
        found.setdefault(replace(layout, of=""), []).append(layout)
        if sum(map(len, found.values())) == _ASKED:
            break
    if not found:
        raise InputError(
            f"none of the {len(inputs.shards):,} shards can be used; the first: {said}"
        )
    return max(found.values(), key=len)[0]  # of equals the first


def _reads_alike(before: Job, job: Job) -> bool:
    return bool(before.to_dict()["reading"] == job.to_dict()["reading"])


def _what_is_left(
    inputs: Inputs, place: Place, manifest: Manifest, before: Manifest | None
) -> list[Shard]:
    """Return the shards that are still to be done; notes and the manifest say what was found.

    Raises:
        InputError: outputs of another job are there, and may not be replaced.
    """
    job, there = manifest.job, {entry.name: entry for entry in place.entries()}
    wanted = {shard.output for shard in inputs.shards}
    todo, changed = [], []
    others: dict[str, str] = {}
    for shard in inputs.shards:
        entry = there.get(shard.output)
        if before is not None and before.knows(shard, job, entry):
            manifest.again += 1
            continue
        todo.append(shard)
        facts = None if entry is None else facts_of(place, entry)
        if facts is not None and facts.get("job") != job.id:
            others[shard.output] = str(facts.get("model"))
        elif before is not None and _was_done(before, shard):
            changed.append(shard.input.name)
    if others and not job.overwrite:
        names, made = list(others), sorted(set(others.values()))
        raise InputError(
            f"{len(others):,} of the shards in {place.address} ({shorten(names, _NAMED)}) were "
            f"made with {' and '.join(made)} or with other options. Give another folder, or "
            "--overwrite to make them anew"
        )
    manifest.shards = {name: facts for name, facts in manifest.shards.items() if name in wanted}
    manifest.notes = _notes(inputs, there, wanted, others, changed)
    return todo


def _was_done(before: Manifest, shard: Shard) -> bool:
    known = before.shards.get(shard.output)
    return known is not None and known.get("state") == "done"


def _notes(
    inputs: Inputs,
    there: Mapping[str, Entry],
    wanted: set[str],
    others: Mapping[str, str],
    changed: list[str],
) -> list[str]:
    notes = []
    if inputs.others:
        notes.append(f"{len(inputs.others):,} files are no shards: {shorten(inputs.others)}")
    if others:
        notes.append(f"{len(others):,} shards were made otherwise and are replaced")
    if changed:
        what = "shards, or their vectors, changed since the last run and are looked at again"
        notes.append(f"{len(changed):,} {what}: {shorten(changed)}")
    left = [n for n in there if n.endswith(".parquet") and n not in wanted]
    if left:
        notes.append(f"{len(left):,} files of vectors have no shard any more: {shorten(left)}")
    return notes
