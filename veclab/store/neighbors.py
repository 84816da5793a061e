"""Neighbors: hits that follow one another in a document are shown as one, overlaps once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from veclab.store.passage import Hit, Passage


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
    joined = list(alone)
    for group in groups.values():
        group.sort(key=lambda item: (item[1].passage.start or 0, item[1].passage.end or 0))
        run = [group[0]]
        for item in group[1:]:
            whole = _joined([hit.passage for _, hit in run], item[1].passage)
            if whole is None:
                joined.append(_as_one(run))
                run = [item]
            else:
                run.append(item)
        joined.append(_as_one(run))
    return [hit for _, hit in sorted(joined, key=lambda item: item[0])]


def _joined(run: Sequence[Passage], after: Passage) -> str | None:
    """The text of consecutive passages and one more; None where they do not touch."""
    whole, start = run[0].text, run[0].start or 0
    for passage in (*run[1:], after):
        gap = (passage.start or 0) - (start + len(whole))
        # A character or two of white space between chunks belong to neither.
        if gap > 2:
            return None
        whole += " " * max(0, gap) + passage.text[max(0, -gap) :]
    return whole


def _as_one(run: Sequence[tuple[int, Hit]]) -> tuple[int, Hit]:
    rank, best = min(run, key=lambda item: item[0])
    if len(run) == 1:
        return rank, best
    parts = [hit.passage for _, hit in run]
    text = _joined(parts[:-1], parts[-1])
    assert text is not None
    boxes = [box for part in parts for box in part.boxes]
    passage = replace(
        best.passage,
        text=text,
        page=parts[0].page,
        heading=_shared([part.heading for part in parts]),
        anchor=parts[0].anchor,
        start=parts[0].start,
        end=max(part.end or 0 for part in parts),
        boxes=tuple(dict.fromkeys(boxes)),
    )
    return rank, replace(best, passage=passage)


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
