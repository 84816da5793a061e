"""Windows: what a search found, with what stands before and after it in its document.

Small passages are found better, large ones answer better: a question is compared with the passage,
and its neighbors are read as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from veclab.store.fields import BUILT_IN, INTERNAL, Field
from veclab.store.neighbors import follows, joined
from veclab.store.passage import Hit, Passage
from veclab.store.rows import to_passages
from veclab.store.where import Compare, Every, Some, Where

if TYPE_CHECKING:
    from veclab.store.backend import Table

# Characters of a window; about 600 tokens of English.
CHARACTERS = 3000


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a document around a hit.

    Attributes:
        hit: what was found, with the whole stretch as its passage.
        parts: the passages that it is made of, in order.
        members: positions of the hits that it holds.
    """

    hit: Hit
    parts: tuple[Passage, ...]
    members: tuple[int, ...]


def widen(
    table: Table,
    hits: Sequence[Hit],
    top: int,
    where: Where | None = None,
    characters: int = CHARACTERS,
) -> list[Window]:
    """Let hits grow, best first, until there are enough windows.

    A hit takes in its neighbors in turn, after and before, while they stand under the heading that
    its own section stands under and the text keeps within a size. No passage is in two windows: a
    hit that an earlier window has taken in makes none of its own.

    Args:
        table: that was searched.
        hits: best first.
        top: how many windows at most.
        where: the search's filter, which holds for neighbors, too.
        characters: of a window; what is longer already stays as it is.
    """
    around = _around(table, hits, where, characters)
    taken: dict[str, int] = {}
    windows: list[tuple[Hit, list[Passage]]] = []
    for hit in hits:
        if hit.passage.id in taken:
            continue
        if len(windows) == top:
            break
        run = _grown(hit.passage, around[hit.passage.document], taken, characters)
        taken |= {passage.id: len(windows) for passage in run}
        windows.append((hit, run))
    return [
        Window(
            replace(hit, passage=joined(run, hit.passage)),
            tuple(run),
            tuple(i for i, other in enumerate(hits) if taken.get(other.passage.id) == number),
        )
        for number, (hit, run) in enumerate(windows)
    ]


def _around(
    table: Table, hits: Sequence[Hit], where: Where | None, characters: int
) -> dict[str, list[Passage]]:
    """The passages that could be taken in, by document, in their order; the hits among them."""
    found: dict[str, dict[str, Passage]] = defaultdict(dict)
    near: list[Where] = []
    document, start, end = (Field(n, BUILT_IN[n], n) for n in ("document", "start", "end"))
    for passage in (hit.passage for hit in hits):
        found[passage.document][passage.id] = passage
        if passage.start is not None and passage.end is not None:
            near.append(
                Every(
                    (
                        Compare(document, "=", passage.document),
                        Compare(end, ">=", passage.start - characters),
                        Compare(start, "<=", passage.end + characters),
                    )
                )
            )
    if near:
        columns = [n for n in table.schema.names if n not in INTERNAL or n == "boxes"]
        wanted = Some(tuple(near))
        for rows in table.scan(columns, wanted if where is None else Every((where, wanted))):
            for passage in to_passages(rows):
                found[passage.document].setdefault(passage.id, passage)
    return {name: sorted(p.values(), key=_place) for name, p in found.items()}


def _place(passage: Passage) -> tuple[int, int]:
    return passage.start or 0, passage.end or 0


def _grown(
    passage: Passage, document: Sequence[Passage], taken: dict[str, int], characters: int
) -> list[Passage]:
    """A passage with its neighbors, in order."""
    first = last = next(i for i, other in enumerate(document) if other.id == passage.id)
    section = passage.heading[:-1]

    def fits(place: int) -> bool:
        if not 0 <= place < len(document):
            return False
        other = document[place]
        low, high = min(first, place), max(last, place)
        return (
            other.id not in taken
            and other.heading[: len(section)] == section
            and follows(document[low : low + 2] if place < first else document[high - 1 : high + 1])
            and (document[high].end or 0) - (document[low].start or 0) <= characters
        )

    grew = True
    while grew:
        grew = False
        if fits(last + 1):
            last, grew = last + 1, True
        if fits(first - 1):
            first, grew = first - 1, True
    return list(document[first : last + 1])
