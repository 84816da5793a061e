"""Where the texts of a job are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from veclab.cache import Cache
from veclab.errors import InputError
from veclab.hints import typed
from veclab.models.openai.batch.job_folder import JobFolder
from veclab.pipeline.lookup import find_vectors
from veclab.report import group_notes, shorten
from veclab.space import Recipe

T = TypeVar("T")

# Vectors looked up, or written, together.
CHUNK = 2048


@dataclass(slots=True)
class Progress:
    """Where the texts of a job are; counts are of inputs, windows each counted.

    Attributes:
        asked: in all.
        there: in the cache.
        waiting: in files that are not finished, or finished and not read.
        failed: without a usable answer; `submit` sends them again.
        refused: of those, asked alone and refused: sending them again would not help.
        unpooled: texts that were split and have no vector though nothing is waiting.
        reasons: (code, message) -> ids of the texts, for those that failed.
        notes: what else the user should know.
    """

    asked: int = 0
    there: int = 0
    waiting: int = 0
    failed: int = 0
    refused: int = 0
    unpooled: int = 0
    reasons: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every vector is in the cache."""
        return self.there == self.asked and not self.unpooled

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come: what is not there was refused."""
        return self.complete or (not self.waiting and self.failed == self.refused > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        reasons = [
            {"code": code, "message": text, "texts": len(ids), "ids": ids[:1000]}
            for (code, text), ids in self.reasons.items()
        ]
        counts = {n: getattr(self, n) for n in ("asked", "there", "waiting", "failed", "refused")}
        return counts | {"complete": self.complete, "reasons": reasons, "notes": self.notes}

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, value) pairs for people."""
        rows = [("in the cache", f"{self.there:,} of {self.asked:,} inputs")]
        if self.waiting:
            rows.append(("waiting", f"{self.waiting:,}"))
        if self.unpooled:
            rows.append(("missing", f"{self.unpooled:,} split texts lack windows; embed buys them"))
        failed = [
            f"{len(ids):,} ({code}: {text:.160}): {shorten(ids)}"
            for (code, text), ids in self.reasons.items()
        ]
        rows += [("failed", line) for line in group_notes(failed)]
        return rows + [("note", note) for note in group_notes(self.notes)]


def recipe_of(folder: JobFolder) -> Recipe:
    """Return the recipe of the job's vectors."""
    if folder.manifest.recipe is None:
        raise InputError(
            f"the job in {folder.path} is not packed yet: "
            f"{typed('batch', 'submit', '--job', folder.path)}"
        )
    return Recipe.from_json(folder.manifest.recipe)


def survey(folder: JobFolder, cache: Cache) -> Progress:
    """Count where everything is; asks nobody."""
    recipe = recipe_of(folder)
    progress = Progress()
    for part, inputs in folder.latest():
        lost = {one.digest for one in absent(cache, recipe, inputs)}
        failures = [f for f in folder.failures(part.name) if f.digest in lost]
        progress.asked += len(inputs)
        progress.there += len(inputs) - len(lost)
        progress.waiting += len(lost) - len(failures)
        progress.failed += len(failures)
        progress.refused += sum(f.refused for f in failures)
        for failure in failures:
            progress.reasons.setdefault((failure.code, failure.message), []).append(failure.id)
    if not progress.waiting and not progress.failed:
        lacking = (len(absent(cache, recipe, some)) for some in chunks(folder.splits(), 64))
        progress.unpooled = sum(lacking)
    return progress


def absent(cache: Cache, recipe: Recipe, wanted: Sequence[Any]) -> list[Any]:
    """Return the inputs, or splits, that have no vector in the cache."""
    missing = []
    for some in chunks(wanted, CHUNK):
        found = find_vectors(cache, recipe, [one.digest for one in some])
        missing += [one for one, hit in zip(some, found.hit, strict=True) if not hit]
        cache.release()
    return missing


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` values, the last one shorter."""
    stream = iter(values)
    while chunk := list(islice(stream, size)):
        yield chunk
