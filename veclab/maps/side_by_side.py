"""Two models' maps of the same texts, linked: what lies elsewhere, and whose neighbors changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veclab.atomic import atomic
from veclab.errors import InputError
from veclab.maps import columns
from veclab.maps.build import make_map
from veclab.maps.map import Map, first_color, frame
from veclab.maps.neighbors import K, shared
from veclab.maps.page import Page
from veclab.maps.projection import Method
from veclab.report import group_notes, shorten
from veclab.vectors import Vectors


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SideBySide:
    """Two maps of the same n texts.

    Attributes:
        first, second: the maps; row i of both is the same text.
        moved: float32 (n,), of each text the share of its true 15 neighbors in the first space that
            are not among those in the second. No projection has a part in it. Of few texts half of
            the others are judged, since all of them are neighbors anywhere.
        notes: what was left out.
    """

    first: Map
    second: Map
    moved: NDArray[np.float32]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        return (
            f"<Maps of {len(self):,} texts by {self.first.title} and {self.second.title}, "
            f"{self.moved.mean():.0%} of neighbors differ>"
        )

    def page(self, color: str | None = None) -> Page:
        """Both maps as one interactive page."""
        made = self.first.columns(color)
        name = "neighbors moved"
        if any(column.name == name for column in made):
            name += " (veclab)"
        made.append(columns.number(name, self.moved, "moved", "share"))
        second = next(c for c in self.second.columns() if c.role == "preservation")
        made.append(replace(second, name=f"{second.name}, {self.second.title}"))
        first = self.first.layer()
        notes = [("note", note) for note in group_notes(self.notes)]
        return Page(
            title=f"{self.first.title} and {self.second.title}",
            ids=self.first.vectors.ids,
            texts=self.first.vectors.texts,
            columns=made,
            layers=[
                replace(first, facts=[*first.facts, *notes]),
                self.second.layer(),
            ],
            color=color or first_color(made),
        )

    def save(self, path: str | Path, color: str | None = None) -> Path:
        """Write the page; raises InputError unless the name ends in .html."""
        path = Path(path)
        if path.suffix != ".html":
            raise InputError(f"two maps side by side are a page: {path.name} must end in .html")
        if color is not None:
            self.first.column(color)
        page = self.page(color)
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as f:
            f.writelines(page.write())
        return path

    def _repr_html_(self) -> str:
        return frame(self.page(), repr(self))


def map_both(
    first: Vectors,
    second: Vectors,
    method: Method = "tsne",
    *,
    seed: int = 42,
    titles: tuple[str, str] | None = None,
    facts: tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]] = ((), ()),
    on_stage: Callable[[str], None] | None = None,
) -> SideBySide:
    """Map the same texts by two models, matched by their ids.

    The two spaces are never compared with each other: only who is whose neighbor is.

    Args:
        first, second: vectors of the same texts, in any order; those that one of them lacks are
            left out, which `notes` says.
        method, seed, on_stage: as for `make_map`.
        titles: what to call them; by default their models' names.
        facts: further (label, value) lines of where each comes from.

    Raises:
        InputError: they share no ids, an id is there twice, or one id has two different texts.
    """
    rows, notes = _match(first, second)
    titles = titles or (first.space.model, second.space.model)
    a, b = (
        make_map(vectors[own], method, seed=seed, title=title, facts=said, on_stage=on_stage)
        for vectors, own, title, said in zip((first, second), rows, titles, facts, strict=True)
    )
    b = _turn(b, a)
    return SideBySide(a, b, _moved(a.neighbors.positions, b.neighbors.positions), notes)


def _moved(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.float32]:
    """Of each row, the share of a's neighbors that b has not; of few rows half the others count."""
    k = min(K, max(len(a) - 1, 0) // 2)
    if not k:
        return np.zeros(len(a), dtype=np.float32)
    return np.asarray(1 - shared(a[:, :k], b[:, :k]), dtype=np.float32)


def _turn(map: Map, to: Map) -> Map:
    """Turn or mirror a map so that its points lie as near to another's as that brings them.

    Which way up a map lies means nothing, and should not look like a difference.
    """
    own, theirs = map.xy.mean(axis=0), to.xy.mean(axis=0)
    left, _, right = np.linalg.svd((map.xy - own).T @ (to.xy - theirs))
    turn = left @ right

    def turned(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((points - own) @ turn, dtype=np.float32)

    places = turned(np.array([(label.x, label.y) for label in map.labels]).reshape(-1, 2))
    labels = [
        replace(label, x=float(x), y=float(y))
        for label, (x, y) in zip(map.labels, places, strict=True)
    ]
    return replace(map, xy=turned(map.xy), labels=labels)


def _match(
    first: Vectors, second: Vectors
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], list[str]]:
    """Rows of both with the same ids, in the first one's order."""
    place = {name: row for row, name in enumerate(second.ids)}
    for vectors in (first, second):
        if len(set(vectors.ids)) < len(vectors):
            raise InputError("rows are matched by id, and some ids are there more than once")
    pairs = [(row, place[name]) for row, name in enumerate(first.ids) if name in place]
    if not pairs:
        raise InputError(
            "the two files have no ids in common: to compare two models, embed the same file "
            "with each"
        )
    if first.texts is not None and second.texts is not None:
        other = [first.ids[i] for i, j in pairs if first.texts[i] != second.texts[j]]
        if other:
            raise InputError(
                f"{len(other):,} ids stand for different texts in the two files: {shorten(other)}; "
                "embed the same file with each model"
            )
    left = [len(first) - len(pairs), len(second) - len(pairs)]
    notes = [
        f"{count:,} rows of the {name} file are not in the other and were left out"
        for count, name in zip(left, ("first", "second"), strict=True)
        if count
    ]
    rows = np.array(pairs, dtype=np.intp)
    return (rows[:, 0], rows[:, 1]), notes
