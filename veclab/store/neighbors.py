"""Neighbors: hits that follow one another in a document are shown as one, overlaps once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from veclab.store.passage import Hit, Passage

# Characters of white space between two passages at most.
_GAP = 2
# The same where their numbers say that no passage is between: indented text begins further on.
_WIDE_GAP = 40


def join_neighbors(hits: Sequence[Hit]) -> list[Hit]:
    """Join hits whose spans touch or overlap in one document; the best score of each stays.

    Only passages with spans are joined, and only where the text between them is known: one begins
    where the other goes on. The order is by the best hit of each, as it was.
    """
    groups: dict[str, list[tuple[int, Hit]]] = defaultdict(list)
    alone: list[tuple[int, Hit]] = []
    for rank, hit in enumerate(hits):
        passage = hit.passage
        if passage.start is None or passage.end is None:
            alone.append((rank, hit))
        else:
            groups[passage.document].append((rank, hit))
    found = list(alone)
    for group in groups.values():
        group.sort(key=lambda item: (item[1].passage.start or 0, item[1].passage.end or 0))
        run = [group[0]]
        for item in group[1:]:
            furthest = max((hit.passage for _, hit in run), key=lambda p: p.end or 0)
            if follows((furthest, item[1].passage)):
                run.append(item)
            else:
                found.append(_as_one(run))
                run = [item]
        found.append(_as_one(run))
    return [hit for _, hit in sorted(found, key=lambda item: item[0])]


def follows(pair: Sequence[Passage]) -> bool:
    """Whether the second of two passages touches or overlaps the first in their document."""
    before, after = pair
    if before.end is None or after.start is None:
        return False
    gap = after.start - before.end
    return gap <= _GAP or (gap <= _WIDE_GAP and _number(after) == _number(before) + 1)


def _number(passage: Passage) -> float:
    """Of a chunk in its document; no number where its id has none."""
    number = passage.id.rpartition("#")[2]
    return int(number) if number.isdecimal() else math.nan


def joined(parts: Sequence[Passage], best: Passage) -> Passage:
    """Consecutive passages as one, with the id and the fields of the best."""
    if len(parts) == 1:
        return parts[0]
    boxes = [box for part in parts for box in part.boxes]
    return replace(
        best,
        text=_text(parts),
        page=parts[0].page,
        heading=_shared([part.heading for part in parts]),
        anchor=parts[0].anchor,
        start=parts[0].start,
        end=max(part.end or 0 for part in parts),
        boxes=tuple(dict.fromkeys(boxes)),
    )


def _text(parts: Sequence[Passage]) -> str:
    """Their text, overlaps once; the white space between chunks, which belongs to neither, is made
    of as many characters, so that places in the text stay places in the document."""
    whole, start = parts[0].text, parts[0].start or 0
    for passage in parts[1:]:
        gap = (passage.start or 0) - (start + len(whole))
        whole += ("\n\n" if gap > 1 else "").ljust(max(0, gap)) + passage.text[max(0, -gap) :]
    return whole


def _as_one(run: Sequence[tuple[int, Hit]]) -> tuple[int, Hit]:
    rank, best = min(run, key=lambda item: item[0])
    return rank, replace(best, passage=joined([hit.passage for _, hit in run], best.passage))


def _shared(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The beginning that all heading paths share."""
    shared = paths[0]
    for path in paths[1:]:
        length = next(
            (i for i, (a, b) in enumerate(zip(shared, path, strict=False)) if a != b),
            min(len(shared), len(path)),
        )
        shared = shared[:length]
    return shared
