"""Which batches a block is computed in: tokens counted, long texts cut or split, costs held to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import CostTooHigh, TextTooLong
from veclab.pipeline.batching import BatchItem, cut_batches
from veclab.pipeline.long_texts import tokenize
from veclab.pipeline.run import BlockTexts, Job
from veclab.pipeline.windows import split_text
from veclab.provider import TokenizedText, truncated_length
from veclab.report import shorten

# Texts whose tokens are counted together: enough for even batches, few enough that the model
# starts soon.
CHUNK = 1024


def refuse_long(job: Job, rows: BlockTexts, long: NDArray[np.intp]) -> None:
    """Raise TextTooLong for the texts at these positions where the policy is `error`."""
    if not len(long) or job.on_long != "error":
        return
    named = [f"{rows.ids[i]} ({rows.tokens[i]:,} tokens)" for i in long]
    raise TextTooLong(
        f"{len(named):,} text(s) are over the limit of {job.recipe.max_tokens:,} tokens: "
        f"{shorten(named)}. Shorten them, embed them in windows (on_long='split', "
        "--on-long split), or cut them and have it reported (on_long='truncate')"
    )


def plan_batches(job: Job, rows: BlockTexts) -> Iterator[list[BatchItem]]:
    """Batches of what is still missing, longest texts first.

    Batches are laid out over all texts of the block, the known ones included, and those without
    a known text go as they are: a run that was killed and started again then computes the very
    batches it would have computed undisturbed, and its vectors are the same to the last bit.
    Texts missing between known ones, and windows of split texts, are batched among themselves.
    """
    if rows.ready.all():
        return
    limits = job.provider.limits
    # Characters tell the order well enough to begin before everything is tokenized.
    order = descending(np.fromiter(map(len, rows.texts), np.int64, len(rows.texts))).tolist()
    items: dict[int, BatchItem] = {}
    scattered: list[BatchItem] = []
    carried: list[int] = []
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        scattered += tokenize_missing(job, rows, chunk, items)
        there = np.array(carried + [i for i in chunk if rows.ready[i] or i in items], np.intp)
        tokens = rows.tokens[there]
        by_length = descending(tokens)
        laid = there[by_length].tolist()
        last = start + CHUNK >= len(order)
        done = 0
        read = tokens if limits.max_tokens is None else np.minimum(tokens, limits.max_tokens)
        sizes = read[by_length].tolist()
        for part in cut_batches(sizes, limits, keep_tail=last):
            missing = [items.pop(i) for i in laid[part] if i in items]
            if len(missing) == part.stop - part.start:
                yield missing
            else:
                scattered += missing
            done = part.stop
        carried = laid[done:]
    scattered.sort(key=lambda item: -item.piece.tokens)
    for part in cut_batches([item.piece.tokens for item in scattered], limits):
        yield scattered[part]


def descending(sizes: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Positions from the largest size to the smallest; of equals the first comes first."""
    return np.argsort(-sizes, kind="stable")


def tokenize_missing(
    job: Job, rows: BlockTexts, chunk: list[int], items: dict[int, BatchItem]
) -> list[BatchItem]:
    """Count the tokens of what is missing in the chunk; cut or split what is too long.

    Puts texts that are one piece into `items`; returns the windows of those that are several.
    """
    missing = [i for i in chunk if not rows.ready[i]]
    if not missing:
        return []
    role, limit = job.recipe.role, job.recipe.max_tokens
    pieces = tokenize(job.provider, [rows.texts[i] for i in missing], role, limit)
    windows: list[BatchItem] = []
    over: list[int] = []
    rows.tokens[missing] = counts = [piece.tokens for piece in pieces]
    if min(counts) > 0 and (limit is None or max(counts) <= limit):  # the usual case
        items.update(zip(missing, map(BatchItem, missing, pieces), strict=True))
        return []
    for i, piece in zip(missing, pieces, strict=True):
        if piece.tokens == 0:
            rows.ready[i] = True  # left out at the end of the block
        elif limit is None or piece.tokens <= limit:
            items[i] = BatchItem(i, piece)
        elif job.on_long == "split":
            parts = _split(job, rows.texts[i], piece.tokens, limit)
            rows.waiting[i] = len(parts)
            rows.vectors[i] = 0  # the sum begins; a lookup may have left something here
            windows += [BatchItem(i, part) for part in parts]
        else:
            over.append(i)
            rows.truncated[i] = True
            items[i] = BatchItem(i, piece)
    refuse_long(job, rows, np.array(over, dtype=np.intp))
    return windows


def _split(job: Job, text: str, tokens: int, limit: int) -> list[TokenizedText]:
    def count(parts: list[str]) -> list[int]:
        return [piece.tokens for piece in job.provider.tokenize(parts, job.recipe.role)]

    windows = split_text(text, tokens, limit, count)
    pieces = tokenize(job.provider, windows, job.recipe.role, limit)
    return [piece for piece in pieces if piece.tokens]  # nothing in a window: nothing to pool


def affordable(job: Job, batches: Iterator[list[BatchItem]]) -> Iterator[list[BatchItem]]:
    """The same batches, as long as `max_cost` pays for them.

    Raises:
        CostTooHigh: it does not pay for the next one, or nobody knows what that would cost.
    """
    if job.max_cost is None:
        yield from batches
        return
    price, limit = job.provider.limits.price, job.provider.limits.max_tokens
    for items in batches:
        job.asked += sum(truncated_length(item.piece.tokens, limit) for item in items)
        # Answers that had to be thrown away were paid for as well.
        wasted = max(0, job.report.tokens_bought - job.report.tokens_embedded)
        if price is None:
            raise CostTooHigh(
                f"the price of {job.recipe.space.model} is not known, so a limit cannot be "
                "held to: write it into prices.json (docs/openai.md), or leave the limit out"
            )
        cost = (job.asked + wasted) * price / 1e6
        if cost > job.max_cost:
            raise CostTooHigh(
                f"the next request would bring the cost to {cost:.4f} dollars, over the limit "
                f"of {job.max_cost:.4f}. What was bought is in the cache; a higher limit goes "
                "on from there"
            )
        yield items
