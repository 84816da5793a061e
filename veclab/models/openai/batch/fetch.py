"""How far a job is, and its answers into the cache.

What is done is what the cache holds, so that a fetch may be killed and run again at any moment:
it reads again only what did not get there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.errors import BadVectors, ProviderError, VeclabError
from veclab.models.openai.batch.generations import made_by, recipes, settle_generations
from veclab.models.openai.batch.job_folder import Failure, Input, JobFolder, Part, move
from veclab.models.openai.batch.pack import canary_of
from veclab.models.openai.batch.progress import CHUNK, Progress, absent, chunks, recipe_of, survey
from veclab.models.openai.batch.remote import Remote, labels
from veclab.models.openai.batch.results import RequestResult, failed, read_answers
from veclab.models.openai.canary import TWICE, Canary
from veclab.pipeline.lookup import find_vectors, keep_vectors
from veclab.pipeline.windows import pool
from veclab.space import Recipe
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from openai.types import Batch


def refresh(folder: JobFolder, remote: Remote) -> None:
    """Write down what OpenAI says of every batch of this job that is not finished."""
    adopt(folder, remote)
    for part in folder.manifest.parts:
        late = part.final and part.done > 0 and part.output_file_id is None
        if part.batch_id is not None and (part.running or late):
            folder.update(seen(part, remote.batch(part.batch_id)))


def adopt(folder: JobFolder, remote: Remote) -> None:
    """Find batches that were created and not recorded, and cancel those that are there twice."""
    known = {p.batch_id for p in folder.manifest.parts} | set(folder.manifest.cancelled)
    known |= {batch for part in folder.manifest.parts for batch in part.earlier}
    for batch in remote.batches():
        if batch.id in known:
            continue
        name, attempt = labels(batch)
        part = next((p for p in folder.manifest.parts if p.name == name), None)
        if part and part.batch_id is None and attempt == len(part.earlier) + 1:
            folder.update(seen(replace(part, batch_id=batch.id), batch))
            continue
        if batch.status in ("validating", "in_progress", "finalizing"):
            remote.cancel(batch.id)
        folder.manifest.cancelled.append(batch.id)
        folder.save()


def seen(part: Part, batch: Batch) -> Part:
    """Return the part as its batch is now."""
    counts = batch.request_counts
    errors = (batch.errors.data if batch.errors else None) or []
    return move(
        part,
        batch.status,
        part.since if part.status == batch.status else time.time(),
        batch_id=batch.id,
        done=counts.completed if counts else 0,
        failed=counts.failed if counts else 0,
        output_file_id=batch.output_file_id or None,
        error_file_id=batch.error_file_id or None,
        problems=tuple(f"{e.code}: {e.message}" for e in errors),
    )


def fetch(
    folder: JobFolder, remote: Remote, cache: Cache, on_done: Callable[[int], None] | None = None
) -> Progress:
    """Bring the answers of all finished batches into the cache.

    Args:
        folder: of the job.
        remote: where its batches are.
        cache: the one `veclab embed` uses.
        on_done: called with the number of inputs answered since the last call.

    Raises:
        BadVectors, ProviderError: a file did not come, or not whole; all others were read.
        CacheError: the cache cannot be written.
    """
    refresh(folder, remote)
    recipe = recipe_of(folder)
    canary = Canary(remote.url, recipe.space.model)
    canary.begin(recipe.space.dimensions)
    notes: list[str] = []
    trouble: VeclabError | None = None
    for name in [part.name for part in folder.manifest.parts if part.final]:
        part = folder.part(name)
        if part.done and part.output_file_id is None:
            # Taken for unanswered, its requests would be bought a second time.
            notes.append(f"the answers of {part.batch_id} are not there yet; fetch again later")
            continue
        try:
            report = on_done or (lambda inputs: None)
            notes += _read(folder, remote, cache, recipe, part, canary, report)
        except (BadVectors, ProviderError) as error:  # one file must not keep the others back
            trouble = trouble or error
    notes += settle_generations(folder, cache, canary)
    for made in recipes(folder):
        pool_splits(folder, cache, made)
    if trouble is not None:
        raise trouble
    progress = survey(folder, cache)
    progress.notes += notes
    return progress


def _read(
    folder: JobFolder,
    remote: Remote,
    cache: Cache,
    recipe: Recipe,
    part: Part,
    canary: Canary,
    on_done: Callable[[int], None],
) -> list[str]:
    """Bring one part's answers into the cache; returns notes about what was odd in them."""
    inputs = list(folder.inputs(part.name))
    recipe = made_by(recipe, part)
    lost = {one.digest for one in absent(cache, recipe, inputs)}
    if part.read and lost <= {failure.digest for failure in folder.failures(part.name)}:
        return []
    asked: dict[str, list[Input]] = {}
    for one in inputs:
        asked.setdefault(one.request, []).append(one)
    notes: list[str] = []
    failures: list[Failure] = []
    billed = 0
    unanswered = set(asked)
    own = canary_of(part.name)
    texts = [Input(own, i, b"", 0, own) for i in range(len(TWICE))]
    for file_id in (part.output_file_id, part.error_file_id):
        if file_id is None:
            continue
        path = folder.private("answers", part.name)
        remote.download(file_id, path)
        dim = recipe.space.dimensions
        try:
            part = _recognize(canary, path, part, texts, dim)
        except BadVectors as error:  # of nobody knows which model: to be asked again
            part = replace(part, problems=(str(error),))
            break
        recipe = made_by(recipe, part)
        answers = read_answers(path, asked | {own: texts}, dim, notes)
        for answer in _kept(cache, recipe, own, answers):
            billed += answer.tokens
            if answer.request == own:
                continue
            unanswered.discard(answer.request)
            failures += answer.failures
            on_done(len(asked[answer.request]))
    folder.file("answers", part.name).unlink(missing_ok=True)
    reason = (
        "; ".join(part.problems) or f"the batch is {part.status} and the endpoint gave no reason"
    )
    for request in sorted(unanswered):
        failures += failed(asked[request], "not_answered", reason)
        on_done(len(asked[request]))
    # One that failed here may have been bought elsewhere in the meantime.
    lost = {one.digest for one in absent(cache, recipe, inputs)}
    failures = [failure for failure in failures if failure.digest in lost]
    folder.write_failures(part.name, failures)
    folder.update(replace(part, read=True, unanswered=len(failures), billed=billed))
    return notes


def _recognize(canary: Canary, path: Path, part: Part, texts: Sequence[Input], dim: int) -> Part:
    """Return the part with the model that answered it, where its file tells; see `Canary`."""
    if part.canary is not None:
        return part
    own = texts[0].request
    found = (a for a in read_answers(path, {own: texts}, dim, []) if len(a.good) == len(texts))
    answer = next(found, None)
    if answer is None or answer.vectors is None:
        return part
    return replace(part, **canary.recognize(answer.vectors))


def _kept(
    cache: Cache, recipe: Recipe, own: str, answers: Iterable[RequestResult]
) -> Iterator[RequestResult]:
    """Yield the answers; their vectors are written to the cache some thousand at a time.

    The answer to `own`, the canary, is none of the user's.
    """
    good: list[Input] = []
    rows: list[NDArray[np.float32]] = []
    for answer in answers:
        if answer.vectors is not None and answer.request != own:
            good += answer.good
            rows.append(answer.vectors)
        if len(good) >= CHUNK:
            _keep(cache, recipe, good, np.concatenate(rows))
            good, rows = [], []
        yield answer
    if rows:
        _keep(cache, recipe, good, np.concatenate(rows))


def _keep(
    cache: Cache, recipe: Recipe, inputs: Sequence[Input], vectors: NDArray[np.float32]
) -> None:
    """Write checked answers under the keys that `veclab embed` looks under."""
    tokens = np.array([one.tokens for one in inputs], np.int32)
    limit = recipe.max_tokens
    # A window is within the limit; of a text over it the model read only the beginning.
    truncated = np.zeros(len(inputs), np.bool_) if limit is None else tokens > limit
    item = normalize(vectors) if recipe.space.normalized else vectors
    keep_vectors(cache, recipe, [one.digest for one in inputs], item, tokens, truncated)
    cache.release()


def pool_splits(folder: JobFolder, cache: Cache, recipe: Recipe) -> None:
    """Give every text that was split its vector, once all its windows have theirs."""
    for splits in chunks(folder.splits(), 64):
        lacking = absent(cache, recipe, splits)
        digests = [digest for split in lacking for digest, _ in split.windows]
        found = find_vectors(cache, recipe, digests)
        start = 0
        for split in lacking:
            rows = slice(start, start + len(split.windows))
            start = rows.stop
            if not found.hit[rows].all():
                continue
            pooled = pool(found.vectors[rows], [tokens for _, tokens in split.windows])
            keep_vectors(
                cache,
                recipe,
                [split.digest],
                pooled[None],
                np.array([split.tokens], np.int32),
                np.zeros(1, np.bool_),
            )
