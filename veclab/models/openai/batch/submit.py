"""Pack, upload, create; each step written down before and after, so that any can be the last."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any

from veclab.cache import Cache
from veclab.errors import InputError
from veclab.models.openai.batch.fetch import adopt, seen
from veclab.models.openai.batch.job_folder import JobFolder, Part, Split, move
from veclab.models.openai.batch.pack import Asked, Opening, Packing, pack, unpack
from veclab.models.openai.batch.progress import absent, recipe_of
from veclab.models.openai.batch.remote import Refusal, Remote
from veclab.pipeline.distinct import Seen
from veclab.pipeline.embed import plan_block
from veclab.pipeline.lookup import find_vectors
from veclab.pipeline.prepare import text_digests
from veclab.pipeline.run import DistinctTexts, PlannedBlock, Run
from veclab.provider import truncated_length

if TYPE_CHECKING:
    from veclab.corpus import Block, Source
    from veclab.pipeline.batching import BatchItem
    from veclab.provider import TokenizedText

# A call that was cut off may reach the other end, and its list, a little later.
SETTLE_S = 15.0


def pack_job(
    folder: JobFolder,
    run: Run,
    source: Source,
    value: Callable[[TokenizedText], Any],
    body: dict[str, Any],
    packing: Packing,
    opening: Opening | None = None,
    blocks: Iterable[Block] | None = None,
) -> None:
    """Write the request files for all texts of a corpus whose vectors are not in the cache.

    Args:
        folder: of the job, not packed yet.
        run: of `Model.start`: the policies, the recipe, the cache.
        source: of `veclab.corpus.open_source`.
        value: what is sent for a text.
        body: of every request, without `input`.
        packing: the limits.
        opening: of every request file.
        blocks: of the corpus's passages; by default those of its texts.

    Raises:
        EmptyText, TextTooLong: the policy is `error`.
        InputError, OutputError: see `pack`.
    """
    with folder.writing("splits.jsonl") as splits:
        asked = ask(run, source.blocks() if blocks is None else blocks, value, splits)
        parts = pack(folder, asked, body, packing, 1, opening)
    manifest, report = folder.manifest, run.report
    report.note(*source.notes)
    manifest.recipe = run.recipe.to_json()
    manifest.plan = report.to_dict()
    manifest.parts = parts
    manifest.packed = True
    folder.save()


def ask(
    run: Run, blocks: Iterable[Block], value: Callable[[TokenizedText], Any], splits: IO[bytes]
) -> Iterator[Asked]:
    """Yield what is to be sent for a corpus, in its order; each distinct text or window once.

    Texts that are split go into `splits`, one a line.
    """
    asked = Seen()
    limit = run.recipe.max_tokens
    for block in blocks:
        planned = plan_block(run, block.ids, block.texts)
        distinct = planned.distinct
        wanted: dict[bytes, BatchItem] = {}
        for text, items in _by_text(planned).items():
            wanted |= (
                {distinct.digests[text]: items[0]}
                if items[0].window is None
                else _windows(run, distinct, text, items, splits)
            )
        for (digest, item), new in zip(wanted.items(), asked.add(list(wanted)), strict=True):
            if new:
                tokens = item.tokenized.tokens
                billed = truncated_length(tokens, limit)
                sent = value(item.tokenized)
                yield Asked(sent, digest, tokens, billed, distinct.ids[item.text])


def _by_text(planned: PlannedBlock) -> dict[int, list[BatchItem]]:
    """Return what would be asked for, text by text: one item, or its windows in order."""
    items = [item for batch in planned.batches for item in batch]
    items.sort(key=lambda item: (item.text, item.window or ()))
    return {text: list(its) for text, its in groupby(items, key=attrgetter("text"))}


def _windows(
    run: Run, distinct: DistinctTexts, text: int, items: list[BatchItem], splits: IO[bytes]
) -> dict[bytes, BatchItem]:
    """Write down how a text was split; the windows of it that are not in the cache."""
    digests = text_digests(item.tokenized.text for item in items)
    window = items[0].window
    assert window is not None
    split = Split(
        distinct.digests[text],
        window.tokens,
        tuple((d, item.tokenized.tokens) for d, item in zip(digests, items, strict=True)),
        distinct.ids[text],
    )
    pairs = [[d.hex(), tokens] for d, tokens in split.windows]
    row = [split.digest.hex(), split.tokens, pairs, split.id]
    splits.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    new = dict(zip(digests, items, strict=True))
    if run.cache is None:
        return new
    found = find_vectors(run.cache, run.recipe, list(new))
    return {d: item for (d, item), hit in zip(new.items(), found.hit, strict=True) if not hit}


def pack_again(
    folder: JobFolder,
    cache: Cache,
    packing: Packing,
    opening: Opening | None = None,
    *,
    refused: bool = False,
) -> tuple[int, int]:
    """Put into new request files what finished batches left without a vector.

    What was refused in company is asked alone, so that it stops no others; what was refused
    alone is asked again only with `refused`.

    Returns:
        (inputs to be sent again, inputs left out because they were refused).
    """
    recipe = recipe_of(folder)
    again: list[tuple[Part, set[bytes], set[bytes]]] = []
    left = 0
    for part, inputs in folder.latest():
        if not part.read:
            continue
        lost = {one.digest for one in absent(cache, recipe, inputs)}
        failures = [f for f in folder.failures(part.name) if f.digest in lost]
        left += sum(f.refused for f in failures if not refused)
        send = {f.digest for f in failures if refused or not f.refused}
        apart = {f.digest for f in failures if f.code.startswith("4")}
        if send:
            again.append((part, send, apart))
    if not again:
        return 0, left

    def asked() -> Iterator[Asked]:
        for part, send, apart in again:
            for one, sent in unpack(folder, part):
                if one.digest in send:
                    billed = truncated_length(one.tokens, recipe.max_tokens)
                    alone = one.digest in apart
                    yield Asked(sent, one.digest, one.tokens, billed, one.id, alone)

    body = _body(folder, again[0][0])
    first = int(folder.manifest.parts[-1].name) + 1
    parts = pack(folder, asked(), body, packing, first, opening)
    folder.manifest.parts += parts
    folder.save()
    return sum(part.inputs for part in parts), left


def _body(folder: JobFolder, part: Part) -> dict[str, Any]:
    body: dict[str, Any] = next(iter(folder.lines("requests", part.name)))["body"]
    return {name: value for name, value in body.items() if name != "input"}


def revive(folder: JobFolder, packing: Packing) -> int:
    """Make batches that failed as a whole ready to be created again, from the same files.

    The usual cause is an account's queue that was full. A file that is too large for the queue
    as it is now known is left to `pack_again`. Returns how many there are.
    """
    count = 0
    for part in folder.manifest.parts:
        whole = part.status == "failed" and not part.output_file_id and not part.error_file_id
        if not whole or part.batch_id is None or part.tokens > packing.batch_tokens:
            continue
        folder.file("failed", part.name).unlink(missing_ok=True)
        earlier = (*part.earlier, part.batch_id)
        # `uploading`: the file is probably there, and is looked for.
        fresh = replace(part, batch_id=None, file_id=None, earlier=earlier, read=False)
        folder.update(move(fresh, "uploading", time.time(), unanswered=0))
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class Bill:
    """What is packed and not yet sent."""

    files: int
    requests: int
    inputs: int
    tokens: int
    bytes: int


def bill(folder: JobFolder) -> Bill:
    """Add up what is not sent."""
    parts = unsent(folder)
    return Bill(
        len(parts),
        sum(part.requests for part in parts),
        sum(part.inputs for part in parts),
        sum(part.tokens for part in parts),
        sum(part.bytes for part in parts),
    )


def unsent(folder: JobFolder) -> list[Part]:
    """Return the parts without a batch."""
    return [part for part in folder.manifest.parts if part.batch_id is None]


def settle(folder: JobFolder, remote: Remote, seconds: float | None = None) -> None:
    """Find out about calls that a killed run left open.

    Args:
        folder: of the job.
        remote: where they went.
        seconds: after which a call that was cut off is taken as lost; SETTLE_S if None.
    """
    adopt(folder, remote)
    for name in [part.name for part in folder.manifest.parts if part.status == "creating"]:
        span = SETTLE_S if seconds is None else seconds
        until = folder.part(name).since + span
        while folder.part(name).batch_id is None and time.time() < until:
            time.sleep(min(1.0, span / 4))
            adopt(folder, remote)
        if folder.part(name).batch_id is None:
            folder.update(move(folder.part(name), "uploaded", time.time()))


def send(
    folder: JobFolder,
    remote: Remote,
    queue_tokens: int,
    on_part: Callable[[Part], None] | None = None,
) -> int:
    """Upload what is packed and create its batches, until the account's queue is full.

    Args:
        folder: of the job, settled.
        remote: where to.
        queue_tokens: how many tokens of this job may wait at once.
        on_part: called with each part that was sent.

    Returns:
        How many files wait for room in the queue.

    Raises:
        InputError: a request file was changed since it was packed.
        ProviderError: what cannot be mended by trying again.
    """
    for part in unsent(folder):
        running = sum(other.tokens for other in folder.manifest.parts if other.running)
        if running and running + part.tokens > queue_tokens:
            break
        sent = _create(folder, remote, _upload(folder, remote, part))
        if on_part:
            on_part(sent)
    adopt(folder, remote)
    return len(unsent(folder))


def _upload(folder: JobFolder, remote: Remote, part: Part) -> Part:
    if part.file_id is not None:
        return part
    found = remote.find_file(part.name, part.sha256) if part.status == "uploading" else None
    if found is None:
        path = folder.file("requests", part.name)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                raise InputError(
                    f"{path} was changed since it was packed; restore it, or start a new job"
                )
        part = move(part, "uploading", time.time())
        folder.update(part)
        found = remote.upload(path, part.name, part.sha256)
    part = move(part, "uploaded", time.time(), file_id=found)
    folder.update(part)
    return part


def _create(folder: JobFolder, remote: Remote, part: Part) -> Part:
    assert part.file_id is not None
    asking = move(part, "creating", time.time())
    folder.update(asking)
    try:
        batch = remote.create(part.file_id, part.name, len(part.earlier) + 1)
    except Refusal:
        # There is no batch. Perhaps the file is gone: it is looked for next time.
        folder.update(move(part, "uploading", time.time(), file_id=None))
        raise
    part = seen(asking, batch)
    folder.update(part)
    return part
