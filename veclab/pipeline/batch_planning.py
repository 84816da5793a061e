"""Planning the batches of a block: count tokens, truncate or split long texts, limit costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.errors import CostTooHigh, TextTooLong
from veclab.pipeline.batching import BatchItem, Window, cut_batches
from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.long_texts import tokenize
from veclab.pipeline.run import DistinctTexts, Run
from veclab.pipeline.windows import split_text
from veclab.provider import TokenizedText, truncated_length
from veclab.report import shorten

# Texts whose tokens are counted together: enough for even batches, few enough that the model
# starts soon.
CHUNK = 1024


def plan_batches(
    run: Run, distinct: DistinctTexts, vectors: BlockVectors
) -> Iterator[list[BatchItem]]:
    """Plan batches of the texts whose vectors are not there yet, longest texts first.

    Batches are laid out over all texts of the block, the known ones included, and those without
    a known text go as they are: a run that was killed and started again then computes the very
    batches it would have computed undisturbed, and its vectors are the same to the last bit.
    Texts missing between known ones, and windows of split texts, are batched among themselves.

    Raises:
        TextTooLong: the policy is `error`.
    """
    there = vectors.ready | vectors.refused | vectors.elsewhere
    if there.all():
        return
    # As it is before the first batch: what arrives meanwhile does not change the plan.
    known, tokens = there.tolist(), vectors.tokens.copy()
    limits = run.provider.limits
    # Characters tell the order well enough to begin before everything is tokenized.
    lengths = np.fromiter(map(len, distinct.texts), np.int64, len(distinct.texts))
    order = descending(lengths).tolist()
    items: dict[int, BatchItem] = {}
    scattered: list[BatchItem] = []
    carried: list[int] = []
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        missing = [i for i in chunk if not known[i]]
        counted = count_tokens(run, distinct, missing)
        tokens[missing] = counted.tokens
        items |= counted.whole
        scattered += counted.windows
        split = {item.text for item in counted.windows}
        whole = np.array(carried + [i for i in chunk if i not in split], np.intp)
        by_length = descending(tokens[whole])
        laid = whole[by_length].tolist()
        last = start + CHUNK >= len(order)
        done = 0
        sizes = _truncated(tokens[whole], limits.max_tokens)[by_length].tolist()
        for part in cut_batches(sizes, limits, keep_tail=last):
            batch = [items.pop(i) for i in laid[part] if i in items]
            if len(batch) == part.stop - part.start:
                yield batch
            else:
                scattered += batch
            done = part.stop
        carried = laid[done:]
    scattered.sort(key=lambda item: -item.tokenized.tokens)
    for part in cut_batches([item.tokenized.tokens for item in scattered], limits):
        yield scattered[part]


def descending(sizes: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Return the positions from the largest size to the smallest; equals keep their order."""
    return np.argsort(-sizes, kind="stable")


def _truncated(tokens: NDArray[np.int32], limit: int | None) -> NDArray[np.int32]:
    return tokens if limit is None else np.minimum(tokens, limit)


class Counted(NamedTuple):
    """Texts with their tokens counted.

    Attributes:
        tokens: of each text; 0 where the model can read nothing.
        whole: by text, those that are embedded as they are, or cut.
        windows: of those that are split.
    """

    tokens: list[int]
    whole: dict[int, BatchItem]
    windows: list[BatchItem]


def count_tokens(run: Run, distinct: DistinctTexts, which: list[int]) -> Counted:
    """Count the tokens of some of the texts; cut or split what is too long."""
    if not which:
        return Counted([], {}, [])
    limit = run.recipe.max_tokens
    texts = [distinct.texts[i] for i in which]
    tokenized = tokenize(run.provider, texts, run.recipe.role, limit)
    counts = [one.tokens for one in tokenized]
    if min(counts) > 0 and (limit is None or max(counts) <= limit):  # the usual case
        whole = dict(zip(which, map(BatchItem, which, tokenized), strict=True))
        return Counted(counts, whole, [])
    whole, windows, over = {}, [], []
    for i, one in zip(which, tokenized, strict=True):
        if one.tokens == 0:
            continue  # left out at the end of the block
        if limit is None or one.tokens <= limit:
            whole[i] = BatchItem(i, one)
        elif run.on_long == "split":
            parts = _split(run, distinct.texts[i], one.tokens, limit)
            windows += [
                BatchItem(i, part, Window(number, len(parts), one.tokens))
                for number, part in enumerate(parts)
            ]
        else:
            over.append(f"{distinct.ids[i]} ({one.tokens:,} tokens)")
            whole[i] = BatchItem(i, one)
    refuse_long(run, over)
    return Counted(counts, whole, windows)


def refuse_long(run: Run, over: list[str]) -> None:
    """Raise TextTooLong for texts over the limit, given in words, where the policy is `error`."""
    if not over or run.on_long != "error":
        return
    raise TextTooLong(
        f"{len(over):,} text(s) are over the limit of {run.recipe.max_tokens:,} tokens: "
        f"{shorten(over)}. Shorten them, embed them in windows (on_long='split', "
        "--on-long split), or have them truncated and reported (on_long='truncate')"
    )


def _split(run: Run, text: str, tokens: int, limit: int) -> list[TokenizedText]:
    def count(parts: list[str]) -> list[int]:
        return [one.tokens for one in run.provider.tokenize(parts, run.recipe.role)]

    windows = split_text(text, tokens, limit, count)
    tokenized = tokenize(run.provider, windows, run.recipe.role, limit)
    return [one for one in tokenized if one.tokens]  # nothing in a window: nothing to pool


def within_cost(run: Run, batches: Iterator[list[BatchItem]]) -> Iterator[list[BatchItem]]:
    """Yield the same batches, as long as `max_cost` pays for them.

    Raises:
        CostTooHigh: it does not pay for the next one, or nobody knows what that would cost.
    """
    if run.max_cost is None:
        yield from batches
        return
    price, limit = run.provider.limits.price, run.provider.limits.max_tokens
    for items in batches:
        run.asked += sum(truncated_length(item.tokenized.tokens, limit) for item in items)
        # What is sent besides, and answers that had to be thrown away, are paid for as well.
        wasted = max(
            run.provider.first_tokens, run.report.tokens_bought - run.report.tokens_embedded
        )
        wasted += run.report.tokens_unanswered
        if price is None:
            raise CostTooHigh(
                f"the price of {run.recipe.space.model} is not known, so a limit cannot be "
                "applied: add it to prices.json (docs/openai.md), or leave the limit out"
            )
        cost = (run.asked + wasted) * price / 1e6
        if cost > run.max_cost:
            raise CostTooHigh(
                f"the next request would bring the cost to {cost:.4f} dollars, over the limit "
                f"of {run.max_cost:.4f}. What was bought is in the cache; with a higher limit "
                "the run continues from there"
            )
        yield items
