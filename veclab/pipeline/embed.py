"""The main path, from texts to vectors.

    prepare -> deduplicate -> look up cache -> count tokens, cut or split -> batch by tokens
    -> model -> check -> normalize -> write cache -> restore order

It works on one block of texts at a time, so memory does not grow with the corpus. The cache is
asked before tokens are counted: it remembers the count, and a text that was embedded before
costs one lookup and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import filterfalse

import numpy as np
from numpy.typing import NDArray

from veclab.cache import PAGES_KEPT
from veclab.errors import EmptyText
from veclab.pipeline.batch_planning import (
    CHUNK,
    affordable,
    plan_batches,
    refuse_long,
    tokenize_missing,
)
from veclab.pipeline.batching import Batch, BatchItem, batch_size, run_batches
from veclab.pipeline.checks import check_vectors
from veclab.pipeline.long_texts import tokenize
from veclab.pipeline.lookup import find_vectors, keep_vectors
from veclab.pipeline.prepare import has_surrogates, is_blank, prepare_all, text_digests
from veclab.pipeline.run import BlockTexts, Embedded, Job
from veclab.provider import Answer, truncated_length
from veclab.report import extend_ids, shorten
from veclab.unit_length import normalize


def embed_block(job: Job, ids: Sequence[str], texts: Sequence[str | None]) -> Embedded:
    """One block, the whole way.

    Args:
        job: what to do.
        ids: (n,) what to call the texts in messages.
        texts: (n,) the texts; None counts as empty.

    Raises:
        EmptyText, TextTooLong: the policy is `error`.
        BadVectors: the model gave something else than a finite, non-zero vector per text.
        CacheError: the cache cannot be written (a full disk).
    """
    kept, prepared = _prepare(job, ids, texts)
    names = ids if len(kept) == len(ids) else [ids[i] for i in kept]
    rows, inverse = _deduplicate(job, names, prepared)
    _look_up(job, rows)
    run_batches(
        job.provider,
        job.recipe.role,
        affordable(job, plan_batches(job, rows)),
        lambda items, batch: _commit(job, rows, items, batch),
    )
    if job.cache is not None:
        job.cache.release(keep=PAGES_KEPT)
    kept, inverse = _leave_out_unknown(job, ids, rows, kept, inverse)
    kept, inverse = _leave_out_refused(job, ids, rows, kept, inverse)
    # Without repeats and gaps the rows are in place already: no second copy of all vectors.
    in_place = np.array_equal(inverse, np.arange(len(rows.texts)))
    vectors = rows.vectors if in_place else rows.vectors[inverse]
    embedded = Embedded(kept, vectors, rows.tokens[inverse], rows.truncated[inverse])
    _count(job, ids, embedded)
    return embedded


def plan_block(
    job: Job, ids: Sequence[str], texts: Sequence[str | None]
) -> Iterator[list[BatchItem]]:
    """The batches `embed_block` would hand to the model, without handing them over.

    The report is filled in as far as that goes. A text of an earlier block counts as cached, as
    it would be by then.
    """
    kept, rows, inverse = _plan_rows(job, ids, texts)
    yield from plan_batches(job, rows)
    tokens = rows.tokens[inverse]
    _count(job, ids, Embedded(kept, rows.vectors[:0], tokens, rows.truncated[inverse]))


def missing(
    job: Job, ids: Sequence[str], texts: Sequence[str | None]
) -> tuple[BlockTexts, dict[int, list[BatchItem]]]:
    """What `embed_block` would hand to the model, text by text; the report is as of `plan_block`.

    Returns:
        The distinct texts of the block; and by text, what would have to be embedded of those that
        are neither in the cache nor in an earlier block: one item, or its windows in order.

    Raises:
        EmptyText, TextTooLong: the policy is `error`.
    """
    kept, rows, inverse = _plan_rows(job, ids, texts)
    new = np.flatnonzero(~rows.ready).tolist()
    items: dict[int, list[BatchItem]] = {i: [] for i in new}
    for start in range(0, len(new), CHUNK):
        whole: dict[int, BatchItem] = {}
        windows = tokenize_missing(job, rows, new[start : start + CHUNK], whole)
        for item in (*whole.values(), *windows):
            items[item.text].append(item)
    tokens = rows.tokens[inverse]
    _count(job, ids, Embedded(kept, rows.vectors[:0], tokens, rows.truncated[inverse]))
    return rows, items


def _plan_rows(
    job: Job, ids: Sequence[str], texts: Sequence[str | None]
) -> tuple[NDArray[np.intp], BlockTexts, NDArray[np.intp]]:
    """A block up to the cache; texts of earlier blocks count as being there."""
    kept, prepared = _prepare(job, ids, texts)
    rows, inverse = _deduplicate(job, [ids[i] for i in kept], prepared)
    _look_up(job, rows)
    met = np.flatnonzero(~rows.ready & ~rows.fresh)
    texts_met = [rows.texts[i] for i in met]
    pieces = tokenize(job.provider, texts_met, job.recipe.role, job.recipe.max_tokens)
    rows.tokens[met] = [piece.tokens for piece in pieces]
    rows.ready[met] = True
    return kept, rows, inverse


def _leave_out_refused(
    job: Job,
    ids: Sequence[str],
    rows: BlockTexts,
    kept: NDArray[np.intp],
    inverse: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`kept` and `inverse` without the texts the model will not take, which are reported."""
    out = rows.refused[inverse]
    if not out.any():
        return kept, inverse
    job.report.refused += int(out.sum())
    extend_ids(job.report.refused_ids, (ids[i] for i in kept[out]))
    return kept[~out], inverse[~out]


def _prepare(
    job: Job, ids: Sequence[str], texts: Sequence[str | None]
) -> tuple[NDArray[np.intp], list[str]]:
    """Prepared texts that hold something, and their positions."""
    present = ["" if text is None else text for text in texts]
    prepared = prepare_all(job.preparation, present)
    kept = _not_blank(prepared)
    empty: list[str] = []
    if len(kept) < len(texts):
        full = set(kept)
        empty = [name for position, name in enumerate(ids) if position not in full]
        prepared = [prepared[position] for position in kept]
        present = [present[position] for position in kept]
    if empty and job.on_empty == "error":
        raise EmptyText(
            f"{len(empty):,} text(s) are empty or blank: {shorten(empty)}. "
            "Take them out, or leave them out and have them reported with on_empty='skip' "
            "(--on-empty skip)"
        )
    job.report.texts += len(texts)
    if not all(map(str.isascii, present)):
        job.report.repaired += sum(map(has_surrogates, present))
    job.report.empty += len(empty)
    extend_ids(job.report.empty_ids, empty)
    job.on_done(len(empty))
    return np.array(kept, dtype=np.intp), prepared


def _not_blank(prepared: Sequence[str]) -> Sequence[int]:
    """Positions of the texts that hold something to read."""
    # Stripping says it for text in ASCII, and most blocks need no more than this look.
    others = filterfalse(str.isascii, prepared)
    if all(map(str.strip, prepared)) and not any(map(is_blank, others)):
        return range(len(prepared))
    return [i for i, text in enumerate(prepared) if not is_blank(text)]


def _deduplicate(
    job: Job, ids: Sequence[str], prepared: list[str]
) -> tuple[BlockTexts, NDArray[np.intp]]:
    """The distinct texts in order of first appearance, and each text's place among them."""
    distinct = list(dict.fromkeys(prepared))
    if len(distinct) == len(prepared):
        inverse = first = np.arange(len(prepared))
    else:
        place = {text: i for i, text in enumerate(distinct)}
        inverse = np.fromiter(map(place.__getitem__, prepared), np.intp, len(prepared))
        first = np.empty(len(distinct), dtype=np.intp)
        first[inverse[::-1]] = np.arange(len(prepared) - 1, -1, -1)
    digests = text_digests(distinct)
    fresh = job.seen.add(digests)
    job.report.distinct += int(fresh.sum())
    # Looking up brings an array of its own: clearing another here would cost as much as a lookup.
    room = len(distinct) if job.cache is None else 0
    rows = BlockTexts(
        texts=distinct,
        ids=ids if first is inverse else [ids[int(i)] for i in first],
        digests=digests,
        repeats=np.bincount(inverse, minlength=len(distinct)).astype(np.intp),
        vectors=np.zeros((room, job.recipe.space.dimensions), dtype=np.float32),
        tokens=np.zeros(len(distinct), dtype=np.int32),
        truncated=np.zeros(len(distinct), dtype=np.bool_),
        ready=np.zeros(len(distinct), dtype=np.bool_),
        fresh=fresh,
        refused=np.zeros(len(distinct), dtype=np.bool_),
    )
    return rows, inverse


def _leave_out_unknown(
    job: Job,
    ids: Sequence[str],
    rows: BlockTexts,
    kept: NDArray[np.intp],
    inverse: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`kept` and `inverse` without texts of which the model knows no token, which are reported."""
    out = (rows.tokens == 0)[inverse] & ~rows.refused[inverse]
    if not out.any():
        return kept, inverse
    unknown = [ids[i] for i in kept[out]]
    if job.on_empty == "error":
        raise EmptyText(
            f"the model {job.recipe.space.model} knows no token in {len(unknown):,} text(s), so "
            f"they have no vector: {shorten(unknown)}. {_reason(job, rows)}Take them out, or leave "
            "them out and have them reported with on_empty='skip' (--on-empty skip)"
        )
    job.report.unknown += len(unknown)
    extend_ids(job.report.unknown_ids, unknown)
    job.on_done(len(unknown))
    return kept[~out], inverse[~out]


def _reason(job: Job, rows: BlockTexts) -> str:
    """Why the model can read nothing in texts, where it can tell; ends in a space."""
    texts = [rows.texts[i] for i in np.flatnonzero((rows.tokens == 0) & ~rows.refused)]
    reason = job.provider.explain_unread(texts)
    return f"{reason} " if reason else ""


def _look_up(job: Job, rows: BlockTexts) -> None:
    """Fill in what the cache knows."""
    if job.cache is None or not rows.texts:
        return
    found = find_vectors(job.cache, job.recipe, rows.digests)
    rows.vectors, rows.tokens = found.vectors, found.tokens
    rows.truncated, rows.ready = found.truncated, found.hit
    refuse_long(job, rows, np.flatnonzero(rows.ready & rows.truncated))
    # A text of an earlier block of this run was counted there.
    job.report.cached += int((rows.ready & rows.fresh).sum())
    job.on_done(int(rows.repeats[rows.ready].sum()))


def _commit(job: Job, rows: BlockTexts, items: list[BatchItem], batch: Batch) -> None:
    """Check a batch, add it to its texts, and write those that are complete to the cache."""
    answer = batch if isinstance(batch, Answer) else Answer(batch)
    _count_bought(job, answer)
    raw, limit = answer.vectors, job.recipe.max_tokens
    if answer.refused:
        _refuse(job, rows, items, answer.refused)
        taken = [row for row in range(len(items)) if row not in answer.refused]
        items, raw = [items[row] for row in taken], raw[taken]
    if not items:
        return
    vectors = check_vectors(
        raw, len(items), rows.vectors.shape[1], [rows.ids[item.text] for item in items]
    )
    unit_length = normalize(vectors)
    useful, computed = batch_size(items, job.provider.limits)
    job.report.tokens_embedded += useful
    job.report.tokens_padding += computed - useful
    texts = [item.text for item in items]
    if not rows.waiting:  # no text in windows: every item is a whole text
        rows.vectors[texts] = unit_length if job.recipe.space.normalized else vectors
        _store(job, rows, np.array(texts, dtype=np.intp))
        return
    finished = []
    for row, (i, piece) in enumerate(items):
        if rows.refused[i]:  # another window of it was
            continue
        if i not in rows.waiting:
            rows.vectors[i] = unit_length[row] if job.recipe.space.normalized else vectors[row]
            finished.append(i)
            continue
        # Windows are pooled by their token counts, each token with the same say.
        rows.vectors[i] += truncated_length(piece.tokens, limit) * unit_length[row]
        rows.waiting[i] -= 1
        if rows.waiting[i] == 0:
            rows.vectors[i] = normalize(rows.vectors[i : i + 1])[0]
            finished.append(i)
    _store(job, rows, np.array(finished, dtype=np.intp))


def _count_bought(job: Job, answer: Answer) -> None:
    report, price = job.report, job.provider.limits.price
    report.requests += answer.requests
    report.tokens_bought += answer.tokens
    report.dollars = None if price is None else report.tokens_bought * price / 1e6


def _refuse(job: Job, rows: BlockTexts, items: list[BatchItem], reasons: Mapping[int, str]) -> None:
    """Take texts out that the model will not embed."""
    for row, reason in reasons.items():
        i = items[row].text
        if not rows.refused[i]:
            rows.refused[i] = True
            job.report.note(f"refused: {reason}")
            job.on_done(int(rows.repeats[i]))


def _store(job: Job, rows: BlockTexts, finished: NDArray[np.intp]) -> None:
    rows.ready[finished] = True
    if job.cache is not None:
        keep_vectors(
            job.cache,
            job.recipe,
            [rows.digests[i] for i in finished],
            rows.vectors[finished],
            rows.tokens[finished],
            rows.truncated[finished],
        )
        # Writing reads the pages on the way to each record: soon all of the cache would be mapped.
        job.cache.release()
    job.report.embedded += len(finished)
    job.on_done(int(rows.repeats[finished].sum()))


def _count(job: Job, ids: Sequence[str], embedded: Embedded) -> None:
    """Put the block into the report, by text as given."""
    report, limit = job.report, job.recipe.max_tokens
    report.tokens += int(embedded.tokens.sum())
    if limit is None:
        return
    over = embedded.tokens > limit
    named = [ids[i] for i in embedded.kept[over]]
    if job.on_long == "split":
        report.split += len(named)
        extend_ids(report.split_ids, named)
        return
    report.truncated += len(named)
    report.tokens_lost += int((embedded.tokens[over].astype(np.int64) - limit).sum())
    extend_ids(report.truncated_ids, named)
