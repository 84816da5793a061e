"""The main path, from texts to vectors: `embed_block` is read top to bottom.

    prepare -> deduplicate -> look up cache -> count tokens, cut or split -> batch by tokens
    -> model -> check -> normalize -> write cache -> restore order

It works on one block of texts at a time, so memory does not grow with the corpus. The cache is
asked before tokens are counted: it remembers the count, and a text that was embedded before
costs one lookup and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import filterfalse

import numpy as np
from numpy.typing import NDArray

from veclab.cache import PAGES_KEPT
from veclab.errors import EmptyText
from veclab.languages import SAMPLE
from veclab.pipeline.batch_planning import plan_batches, refuse_long, within_cost
from veclab.pipeline.batching import BatchItem, batch_size, run_batches
from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.checks import check_vectors
from veclab.pipeline.claims import claiming
from veclab.pipeline.long_texts import tokenize
from veclab.pipeline.lookup import find_vectors, keep_vectors, nothing_found
from veclab.pipeline.prepare import (
    has_surrogates,
    is_blank,
    prepare_all,
    repair_surrogates,
    text_digests,
)
from veclab.pipeline.run import DistinctTexts, EmbeddedBlock, PlannedBlock, PreparedTexts, Run
from veclab.provider import BatchResult, OtherModel
from veclab.report import extend_ids, shorten

# Unread texts whose reason is asked for in a report.
_EXPLAINED = 5


def embed_block(run: Run, ids: Sequence[str], texts: Sequence[str | None]) -> EmbeddedBlock:
    """Embed one block, the whole way.

    Args:
        run: what to do.
        ids: (n,) what to call the texts in messages.
        texts: (n,) the texts; None counts as empty.

    Raises:
        EmptyText, TextTooLong: the policy is `error`.
        BadVectors: the model gave something else than a finite, non-zero vector per text.
        CacheError: the cache cannot be written (a full disk).
        CostTooHigh: going on would cost more than `max_cost`.
        OtherModel: the endpoint has another model than when the run began.
    """
    prepared = prepare(run, ids, texts)
    take_sample(run, prepared.texts)
    distinct = deduplicate(run, prepared)
    vectors = look_up(run, distinct)
    with claiming(run, distinct, vectors) as turns:
        for _ in turns:
            batches = within_cost(run, plan_batches(run, distinct, vectors))
            results = run_batches(run.provider, run.recipe.role, batches)
            for items, result in results:
                with results.shielded():  # nothing that was computed or paid for is lost
                    taken = leave_out_refused(run, distinct, vectors, items, result)
                    checked = check_result(run, distinct, taken, result)
                    into = vectors if run.made(result) else of_other(run, distinct, result)
                    finished = into.add(taken, checked)
                    write_cache(run, distinct, into, finished)
                    require_own(run, result)
    if run.cache is not None:
        run.cache.release(keep=PAGES_KEPT)
    prepared, place = leave_out_unread(run, prepared, distinct, vectors)
    report_tokens(run, prepared.ids, vectors.tokens[place], vectors.unknown[place])
    return restore_order(prepared, place, vectors)


def take_sample(run: Run, texts: Sequence[str]) -> None:
    """Keep some texts of the first blocks, whose languages the report speaks of."""
    room = SAMPLE - len(run.sample)
    if room > 0 and run.provider.languages:
        run.sample += texts[:: max(1, len(texts) // room)][:room]


def plan_block(run: Run, ids: Sequence[str], texts: Sequence[str | None]) -> PlannedBlock:
    """Go the same way as far as the model, which is asked nothing.

    The report is filled in as far as that goes. A text of an earlier block counts as cached, as
    it would be by then.

    Raises:
        EmptyText, TextTooLong: the policy is `error`.
    """
    prepared = prepare(run, ids, texts)
    distinct = deduplicate(run, prepared)
    vectors = look_up(run, distinct)
    count_earlier(run, distinct, vectors)
    batches = list(plan_batches(run, distinct, vectors))
    for items in batches:
        vectors.count(items)
    run.on_done(distinct.count(list({item.text for items in batches for item in items})))
    prepared, place = leave_out_unread(run, prepared, distinct, vectors)
    report_tokens(run, prepared.ids, vectors.tokens[place], vectors.unknown[place])
    return PlannedBlock(distinct, batches)


def prepare(run: Run, ids: Sequence[str], texts: Sequence[str | None]) -> PreparedTexts:
    """Prepare texts, and leave out those in which there is nothing to read.

    Raises:
        EmptyText: there are such, and the policy is `error`.
    """
    given = ["" if text is None else text for text in texts]
    prepared = prepare_all(run.preparation, given)
    kept = _not_blank(prepared)
    if len(kept) < len(texts):
        full = set(kept)
        empty = [name for position, name in enumerate(ids) if position not in full]
        if run.on_empty == "error":
            raise EmptyText(
                f"{len(empty):,} text(s) are empty or blank: {shorten(empty)}. "
                "Remove them, or have them skipped and reported: on_empty='skip' (--on-empty skip)"
            )
        run.report.empty += len(empty)
        extend_ids(run.report.empty_ids, empty)
        run.on_done(len(empty))
        ids, given = [ids[i] for i in kept], [given[i] for i in kept]
        prepared = [prepared[i] for i in kept]
    repaired = 0 if all(map(str.isascii, given)) else sum(map(has_surrogates, given))
    run.report.texts += len(texts)
    run.report.repaired += repaired
    return PreparedTexts(np.array(kept, np.intp), ids, given, prepared, repaired)


def _not_blank(prepared: Sequence[str]) -> Sequence[int]:
    """Return the positions of the texts that hold something to read."""
    # Stripping says it for text in ASCII, and most blocks need no more than this look.
    others = filterfalse(str.isascii, prepared)
    if all(map(str.strip, prepared)) and not any(map(is_blank, others)):
        return range(len(prepared))
    return [i for i, text in enumerate(prepared) if not is_blank(text)]


def deduplicate(run: Run, prepared: PreparedTexts) -> DistinctTexts:
    """Find the different texts, in order of first appearance."""
    texts, ids = prepared.texts, prepared.ids
    distinct = list(dict.fromkeys(texts))
    if len(distinct) == len(texts):
        place = np.arange(len(texts))
    else:
        among = {text: i for i, text in enumerate(distinct)}
        place = np.fromiter(map(among.__getitem__, texts), np.intp, len(texts))
        first = np.empty(len(distinct), np.intp)
        first[place[::-1]] = np.arange(len(texts) - 1, -1, -1)
        ids = [ids[int(i)] for i in first]
    digests = text_digests(distinct)
    fresh = run.seen.add(digests)
    run.report.distinct += int(fresh.sum())
    repeats = np.bincount(place, minlength=len(distinct)).astype(np.intp)
    return DistinctTexts(distinct, ids, digests, place, repeats, fresh)


def look_up(run: Run, distinct: DistinctTexts) -> BlockVectors:
    """Take from the cache what it has.

    Raises:
        TextTooLong: a text was cut when it was embedded, and the policy is `error`.
    """
    if run.cache is None:
        return BlockVectors(nothing_found(len(distinct.texts), run.recipe), run.recipe)
    vectors = BlockVectors(find_vectors(run.cache, run.recipe, distinct.digests), run.recipe)
    cut = np.flatnonzero(vectors.ready & vectors.truncated).tolist()
    refuse_long(run, [f"{distinct.ids[i]} ({vectors.tokens[i]:,} tokens)" for i in cut])
    # A text of an earlier block of this run was counted there.
    run.report.cached += int((vectors.ready & distinct.fresh).sum())
    run.on_done(distinct.count(vectors.ready))
    return vectors


def of_other(run: Run, distinct: DistinctTexts, result: BatchResult) -> BlockVectors:
    """Begin a block for what another model made; it is kept for a run that begins with that."""
    recipe = replace(run.recipe, space=result.space or run.recipe.space)
    if run.cache is not None:
        for key in (recipe.whole_key, recipe.cut_key):
            run.cache.describe(key, recipe.to_json())
    return BlockVectors(nothing_found(len(distinct.texts), recipe), recipe)


def require_own(run: Run, result: BatchResult) -> None:
    """End the run where another model made a result.

    Raises:
        OtherModel: it did.
    """
    if not run.made(result):
        raise OtherModel(
            f"{run.recipe.space.endpoint} has another model under the name "
            f"{run.recipe.space.model} than when this run began. What either made is kept in a "
            "Space of its own, where there is a cache. Run again: that goes on with the new one, "
            "and embeds the texts of the old one anew"
        )


def count_earlier(run: Run, distinct: DistinctTexts, vectors: BlockVectors) -> None:
    """Take texts of earlier blocks for embedded, for which their tokens are counted again."""
    met = np.flatnonzero(~vectors.ready & ~distinct.fresh).tolist()
    texts = [distinct.texts[i] for i in met]
    tokenized = tokenize(run.provider, texts, run.recipe.role, run.recipe.max_tokens)
    vectors.count([BatchItem(i, one) for i, one in zip(met, tokenized, strict=True)])
    vectors.ready[met] = True
    run.on_done(distinct.count(met))


def leave_out_refused(
    run: Run,
    distinct: DistinctTexts,
    vectors: BlockVectors,
    items: list[BatchItem],
    result: BatchResult,
) -> list[BatchItem]:
    """Count what was bought; the items for which there are vectors in the result."""
    report, price = run.report, run.provider.limits.price
    report.requests += result.requests
    report.tokens_bought += result.tokens
    report.unanswered += result.unanswered
    report.tokens_unanswered += result.tokens_unanswered
    report.dollars = None if price is None else report.tokens_bought * price / 1e6
    if not result.refused:
        return items
    report.note(*(f"refused: {reason}" for reason in result.refused.values()))
    run.on_done(distinct.count(vectors.refuse([items[row].text for row in result.refused])))
    return [item for row, item in enumerate(items) if row not in result.refused]


def check_result(
    run: Run, distinct: DistinctTexts, items: list[BatchItem], result: BatchResult
) -> NDArray[np.float32]:
    """Check the result: the vectors of the items, float32 (n, dim), each sound.

    Raises:
        BadVectors: they are not.
    """
    raw, dim = result.vectors, run.recipe.space.dimensions
    if result.refused:
        taken = [row for row in range(len(raw)) if row not in result.refused]
        raw = raw[taken]
    if not items:
        return np.zeros((0, dim), np.float32)
    vectors = check_vectors(raw, len(items), dim, [distinct.ids[item.text] for item in items])
    useful, computed = batch_size(items, run.provider.limits)
    run.report.tokens_embedded += useful
    run.report.tokens_padding += computed - useful
    return vectors


def write_cache(
    run: Run, distinct: DistinctTexts, vectors: BlockVectors, finished: list[int]
) -> None:
    """Keep the vectors of finished texts.

    Raises:
        CacheError: they cannot be kept.
    """
    if run.cache is not None and finished:
        keep_vectors(
            run.cache,
            vectors.recipe,
            [distinct.digests[i] for i in finished],
            vectors.array[finished],
            vectors.tokens[finished],
            vectors.truncated[finished],
            vectors.unknown[finished],
        )
        if run.claims is not None:
            run.claims.renew()
        # Writing reads the pages on the way to each record: soon all of the cache would be mapped.
        run.cache.release()
    run.report.embedded += len(finished)
    run.on_done(distinct.count(finished))


def leave_out_unread(
    run: Run, prepared: PreparedTexts, distinct: DistinctTexts, vectors: BlockVectors
) -> tuple[PreparedTexts, NDArray[np.intp]]:
    """Leave out texts without a vector; return the others, and the distinct text of each.

    Those that the model refused, and those in which it could read nothing, are reported.

    Raises:
        EmptyText: the model can read nothing in a text, and the policy is `error`.
    """
    place, refused = distinct.place, vectors.refused
    unknown = (vectors.tokens == 0) & ~refused
    out = (unknown | refused)[place]
    if not out.any():
        return prepared, place
    if unknown.any():
        _report_unknown(run, prepared, distinct, unknown)
    ids = [prepared.ids[i] for i in np.flatnonzero(refused[place]).tolist()]
    run.report.refused += len(ids)
    extend_ids(run.report.refused_ids, ids)
    left = np.flatnonzero(~out).tolist()
    read = PreparedTexts(
        kept=prepared.kept[left],
        ids=[prepared.ids[i] for i in left],
        given=[prepared.given[i] for i in left],
        texts=[prepared.texts[i] for i in left],
        repaired=prepared.repaired,
    )
    return read, place[left]


def _report_unknown(
    run: Run, prepared: PreparedTexts, distinct: DistinctTexts, unknown: NDArray[np.bool_]
) -> None:
    ids = [prepared.ids[i] for i in np.flatnonzero(unknown[distinct.place]).tolist()]
    texts = [distinct.texts[i] for i in np.flatnonzero(unknown).tolist()]
    if run.on_empty == "error":
        reason = run.provider.explain_unread(texts)
        raise EmptyText(
            f"the model {run.recipe.space.model} knows no token in {len(ids):,} text(s), so "
            f"they have no vector: {shorten(ids)}. {reason}{' ' if reason else ''}Remove them, "
            "or have them skipped and reported with on_empty='skip' (--on-empty skip)"
        )
    # Of the first texts of a run only: a search for near spellings reads a whole vocabulary.
    if not run.report.unknown and (reason := run.provider.explain_unread(texts[:_EXPLAINED])):
        run.report.note(reason)
    run.report.unknown += len(ids)
    extend_ids(run.report.unknown_ids, ids)
    run.on_done(len(ids))


def report_tokens(
    run: Run, ids: Sequence[str], tokens: NDArray[np.int32], unknown: NDArray[np.int32]
) -> None:
    """Report the tokens of texts, which are over the limit, which hold some that are unknown."""
    report, limit = run.report, run.recipe.max_tokens
    report.tokens += int(tokens.sum())
    partly = np.flatnonzero(unknown).tolist()
    report.partly_unknown += len(partly)
    report.tokens_unknown += int(unknown.sum())
    extend_ids(report.partly_unknown_ids, [ids[i] for i in partly])
    if limit is None:
        return
    over = np.flatnonzero(tokens > limit).tolist()
    named = [ids[i] for i in over]
    if run.on_long == "split":
        report.split += len(named)
        extend_ids(report.split_ids, named)
        return
    report.truncated += len(named)
    report.tokens_lost += int((tokens[over].astype(np.int64) - limit).sum())
    extend_ids(report.truncated_ids, named)


def restore_order(
    prepared: PreparedTexts, place: NDArray[np.intp], vectors: BlockVectors
) -> EmbeddedBlock:
    """Give every text its vector, in the order given."""
    # Without repeats and gaps the rows are in place already: no second copy of all vectors.
    in_place = np.array_equal(place, np.arange(len(vectors.array)))
    given = prepared.given
    return EmbeddedBlock(
        kept=prepared.kept,
        ids=prepared.ids,
        texts=[repair_surrogates(text) for text in given] if prepared.repaired else given,
        vectors=vectors.array if in_place else vectors.array[place],
        tokens=vectors.tokens[place],
        truncated=vectors.truncated[place],
    )
