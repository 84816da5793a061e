"""One shard, the whole way: the very same function in this process and on a cluster.

    fetch -> is it there already? -> check the columns -> embed -> build -> check -> put once

What comes out depends on the shard and the job alone: batches do not cross shards, vectors of local
models are not taken from the cache (where a text may have been computed in another batch, which
changes last bits), and times are in the manifest rather than in the file. So a shard that is
embedded twice, here or on another machine of the same kind, is the same file, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.cluster.inputs import Shard
from veclab.cluster.job import FACTS_KEY, Job, Layout
from veclab.cluster.places import (
    AlreadyThere,
    Entry,
    Place,
    StorageFailed,
    StorageRefused,
    open_place,
)
from veclab.corpus import open_source
from veclab.corpus.embed_file import check_chunks, embedded_blocks
from veclab.corpus.passages import beside, blocks_of, check_passages, without_spans
from veclab.errors import (
    CacheError,
    CostTooHigh,
    InputError,
    MissingExtra,
    ModelUnavailable,
    OutputError,
    ProviderError,
    SpaceMismatch,
    first_line,
)
from veclab.model import Model, load, open_cache
from veclab.provider import role_of
from veclab.report import MAX_IDS, Report
from veclab.space import Space
from veclab.vectorfiles.files import ParquetSink, open_parquet, space_of
from veclab.vectorfiles.quantized import QuantizedSink
from veclab.vectorfiles.schema import REPORT_KEY

if TYPE_CHECKING:
    from veclab.corpus import Source
    from veclab.pipeline.run import Run
    from veclab.vectors import Vectors

# These are no fault of a shard: the next would meet them too.
ENDS_THE_RUN = (
    CacheError,
    CostTooHigh,
    MissingExtra,
    ModelUnavailable,
    OutputError,
    ProviderError,
    SpaceMismatch,
    StorageRefused,
)
_BLAKE2B = partial(hashlib.blake2b, digest_size=16)
_COUNTS = (
    *("texts", "tokens", "truncated", "tokens_lost", "split", "empty", "unknown"),
    *("partly_unknown", "tokens_unknown", "repaired", "refused", "requests", "tokens_bought"),
)


class Worker:
    """A model, loaded once, and the shards it is given.

    Raises:
        What `veclab.load` and `open_place` raise.
    """

    def __init__(self, job: Job) -> None:
        self.source, self.output = open_place(job.source), open_place(job.output)
        self.model = load_model(job)
        self._policies = dict(job.policies)
        if job.chunks and job.layout is not None:
            check_chunks(self._policies.get("on_long"))
            check_passages(job.layout.schema, self.model.max_tokens)
        if job.as_documents and (role := role_of(self.model.space, "document")) is not None:
            self._policies["role"] = role
        self.recipe = self.model.start(**self._policies).recipe
        self.job = replace(job, recipe=self.recipe.id) if not job.recipe else job
        if self.recipe.id != self.job.recipe:
            raise SpaceMismatch(
                f"this machine would make other vectors ({self.recipe.precision}, space "
                f"{self.recipe.space.id}) than the one where the run began: say which with "
                "--precision, and give all the same model"
            )

    @property
    def space(self) -> Space:
        """Of the vectors as they are written."""
        space = self.model.space
        if self.job.quantize is None:
            return space
        return replace(space, normalized=True, quantization=self.job.quantize)

    def embed(self, shard: Shard, max_cost: float | None = None) -> dict[str, Any]:
        """Embed a shard; return what the manifest says of it.

        Raises:
            What no other shard would be spared: StorageRefused, ModelUnavailable, ProviderError,
            CostTooHigh, ...
        """
        start = time.perf_counter()
        try:
            done = self._embed(shard, max_cost)
        except ENDS_THE_RUN:
            raise
        except (InputError, StorageFailed) as error:
            said = " ".join(str(error).split()).removeprefix(shard.input.name).lstrip(":, ")
            done = {"state": "failed", "reason": said}
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception as error:  # of whatever library: the other shards go on
            done = {"state": "failed", "reason": f"{type(error).__name__}: {first_line(error)}"}
        facts = {"input": shard.input.name, "input_tag": shard.input.tag, **done}
        return facts | {"seconds": round(time.perf_counter() - start, 3)}

    def _embed(self, shard: Shard, max_cost: float | None) -> dict[str, Any]:
        with self.source.fetched(shard.input.name) as path:
            digest = digest_of(path, _BLAKE2B)
            facts = {"job": self.job.id, "input": digest, "model": str(self.recipe.space)}
            over = self.output.entry(shard.output)
            if over is not None:
                there = facts_of(self.output, over)
                if there is not None and _same(there, facts):
                    return self._as_there(over, there)
                self._may_replace(shard, there)
            assert self.job.layout is not None
            source = opened(path, shard.input.name, self.job.reading)
            self.job.layout.check(source)
            with self.output.building(shard.output) as built:
                report = self._build(source, shard, path, built, facts, max_cost)
                check(built, report, self.space)
                told = {"rows": rows_of(report), "sha256": digest_of(built, "sha256")}
                try:
                    put = self.output.put(shard.output, built, over)
                except AlreadyThere:
                    return self._of_another(shard, facts)
        counts = {name: getattr(report, name) for name in _COUNTS if getattr(report, name)}
        said = {"notes": report.notes} if report.notes else {}
        dollars = {"dollars": report.dollars} if report.dollars else {}
        return {"state": "done", "bytes": put.size, "tag": put.tag, **told, **counts,
                **dollars, **said}  # fmt: skip

    def _build(
        self,
        source: Source,
        shard: Shard,
        path: Path,
        built: Path,
        facts: Mapping[str, Any],
        max_cost: float | None,
    ) -> Report:
        """Write the vectors of an opened shard."""
        run = self.model.start(**self._policies, max_cost=max_cost)
        run.report.note(*(note.replace(str(path), shard.input.name) for note in source.notes))
        name: Callable[[str], str] = str
        if source.id_column is None:  # numbers would be the same in each shard
            name = f"{shard.input.name}:{{}}".format
        role, prepare = self._policies.get("role"), self._policies.get("prepare", ())
        blocks = blocks_of(source, self.model, role, prepare, self.job.chunks)
        with self._sink(built, run) as sink:
            for vectors in embedded_blocks(self.model, run, source, blocks):
                sink.write(self._fitted(vectors, name))
            report = self.model.finish(run)
            seconds, report.seconds = report.seconds, 0.0
            for field in (f for f in Report.__slots__ if f.endswith("_ids")):
                ids = getattr(report, field)
                ids[:] = map(name, ids[:MAX_IDS])
            sink.finish(report, {FACTS_KEY: json.dumps(facts, sort_keys=True)})
        report.seconds = seconds
        return report

    def _sink(self, built: Path, run: Run) -> ParquetSink | QuantizedSink:
        if self.job.quantize is not None:
            return QuantizedSink(built, run.space, run.recipe, self.job.quantize)
        return ParquetSink(built, run.space, run.recipe)

    def _fitted(self, vectors: Vectors, name: Callable[[str], str]) -> Vectors:
        """The vectors with ids and columns as all shards have them."""
        assert self.job.layout is not None
        own, spans = vectors.columns, None
        if self.job.chunks:
            own, spans = without_spans(vectors.columns, name)
        columns = self.job.layout.fit(own)
        if spans is not None:
            columns = spans if columns is None else beside(spans, columns)
        return replace(vectors, ids=list(map(name, vectors.ids)), columns=columns)

    def _may_replace(self, shard: Shard, there: Mapping[str, Any] | None) -> None:
        """Raise InputError where what is there must not be replaced."""
        if there is None:
            raise InputError(
                f"{shard.output} is there already and was not made by veclab from shards: it is "
                "left alone; give another folder for the output"
            )
        if there.get("job") != self.job.id and not self.job.overwrite:
            raise InputError(
                f"{shard.output} is there already, made with {there.get('model')} or other "
                "options: --overwrite replaces it"
            )

    def _of_another(self, shard: Shard, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Someone put this output while we made it: the same, or a reason to stop."""
        entry = self.output.entry(shard.output)
        there = None if entry is None else facts_of(self.output, entry)
        if entry is None or there is None or not _same(there, facts):
            raise InputError(f"{shard.output} was written by another run meanwhile, otherwise")
        return self._as_there(entry, there)

    def _as_there(self, entry: Entry, there: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the manifest says of an output that is there; a kill may have lost it."""
        with self.output.fetched(entry.name) as path:
            digest = digest_of(path, "sha256")
        counts = {name: there[name] for name in ("rows", *_COUNTS) if there.get(name)}
        return {"state": "there", "bytes": entry.size, "tag": entry.tag, "sha256": digest, **counts}


def load_model(job: Job) -> Model:
    """Load the model of a job: without the cache, unless its vectors are bought."""
    loading = dict(job.loading)
    wanted = loading.pop("cache", True)
    model = load(job.model, **loading, cache=False)
    if not (wanted and model.provider.limits.paid):
        return model
    cache, notes = open_cache(wanted)
    return Model(model.provider, cache, [*model.notes, *notes])


def opened(path: Path, name: str, reading: Mapping[str, Any]) -> Source:
    """Open a shard; errors call it by its own name, wherever its copy lies."""
    try:
        return open_source(path, **reading)
    except InputError as error:
        raise InputError(str(error).replace(str(path), name)) from error


def layout_of(place: Place, shard: Shard, reading: Mapping[str, Any]) -> Layout:
    """Return the columns of a shard; raises InputError where it cannot be read."""
    with place.fetched(shard.input.name) as path:
        return Layout.of_source(shard.input.name, opened(path, shard.input.name, reading))


def digest_of(path: Path, digest: str | Callable[[], Any]) -> str:
    """Return a digest over the content of a file, in hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, digest).hexdigest()


def facts_of(place: Place, entry: Entry) -> dict[str, Any] | None:
    """Return an output's own job, rows and Report; None if it is not ours."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    end = place.tail(entry, 8)
    if len(end) < 8 or end[4:] != b"PAR1":
        return None
    footer = place.tail(entry, int.from_bytes(end[:4], "little") + 8)
    try:
        found = pq.read_metadata(io.BytesIO(b"PAR1" + footer))
        said = found.metadata or {}
        report = Report.from_json(said[REPORT_KEY]).to_dict()
        return {**report, **json.loads(said[FACTS_KEY.encode()]), "rows": found.num_rows}
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None


def check(built: Path, report: Report, space: Space) -> None:
    """Raise InputError if a built file is not what was to be written."""
    with open_parquet(built) as file:
        if file.metadata.num_rows != rows_of(report) or space_of(file, built) != space:
            raise InputError(f"{built.name} was not written as it should: is the disk sound?")


def rows_of(report: Report) -> int:
    """Return how many vectors a run made."""
    return report.texts - report.empty - report.unknown - report.refused


def _same(there: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    return all(there.get(key) == facts[key] for key in ("job", "input"))
