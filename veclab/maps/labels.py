"""Words at places: what the texts of a dense part of a map have that others have not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.maps.regions import Regions, find_regions
from veclab.maps.words import GroupCounts, WordTable, count_by_group, count_words, distinctive

_ZOOMS = (1, 2, 4, 8, 16)
# Texts whose words are counted; a label of a million needs no more.
_MOST_TEXTS = 200_000


@dataclass(frozen=True, slots=True)
class Label:
    """Words for a place.

    Attributes:
        text: the words.
        x, y: where, in the projection's own numbers.
        zoom: magnification from which it is meant to be read: 1, 2, 4, ...
        n: points it speaks for.
    """

    text: str
    x: float
    y: float
    zoom: int
    n: int


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of a map, and the coarsest regions as a category.

    Attributes:
        labels: coarse ones first, those of many points first.
        regions: for each of n points the name of its region, None where it lies in no large one.
        texts: how many texts the words were taken from.
    """

    labels: list[Label]
    regions: list[str | None]
    texts: int


def label_map(
    xy: NDArray[np.float32], texts: Sequence[str | None] | None, seed: int = 42
) -> Labels:
    """Labels for several zooms from the texts' own distinctive words.

    Args:
        xy: float32 (n, 2).
        texts: n texts; None gives regions with numbers for names, and no labels.
        seed: which texts are read where there are more than 200,000.
    """
    n = len(xy)
    coarse = find_regions(xy, 1)
    if texts is None:
        names = [f"region {number + 1}" for number in range(len(coarse.sizes))]
        return Labels([], _names_of_points(coarse, names, _fewest(n)), 0)
    read = np.arange(n)
    if n > _MOST_TEXTS:
        read = np.sort(np.random.default_rng(seed).choice(n, _MOST_TEXTS, replace=False))
    found = count_words([texts[int(i)] for i in read])
    labels: list[Label] = []
    levels: list[_Level] = []
    for zoom in _ZOOMS:
        regions = coarse if zoom == 1 else find_regions(xy, zoom)
        levels.append(_tell(regions, found, read, levels[-1] if levels else None))
        level = [
            Label(", ".join(words), float(x), float(y), zoom, int(size))
            for words, (x, y), size in zip(
                levels[-1].words, regions.peaks, regions.sizes, strict=True
            )
            if words and size >= _fewest(n)
        ]
        if not level:
            break
        labels += sorted(level, key=lambda label: -label.n)
    names = [", ".join(words) for words in levels[0].words]
    return Labels(labels, _names_of_points(coarse, names, _fewest(n)), len(read))


def _fewest(n: int) -> int:
    """Points that make a region worth a name."""
    return min(10, 3 + n // 200)


@dataclass(frozen=True, slots=True)
class _Level:
    """Regions of one zoom with the words of their texts."""

    regions: Regions
    counts: GroupCounts  # texts of each region that have each word
    sizes: NDArray[np.int64]  # texts of each region that were read
    words: list[list[str]]


def _tell(
    regions: Regions, found: WordTable, read: NDArray[np.intp], outer: _Level | None
) -> _Level:
    """Words for each region: what its texts have more often than all do, and than those around."""
    of, groups = regions.of[read], len(regions.sizes)
    counts = count_by_group(found, of, groups)
    sizes = np.bincount(of[of >= 0], minlength=groups)
    usual = found.counts / max(len(of), 1)
    parent = np.full(groups, -1)
    if outer is not None:  # a region lies in the larger one that its points lie in
        parent[of[of >= 0]] = outer.regions.of[read][of >= 0]
    told = []
    for number, size in enumerate(sizes):
        columns, count = counts.of(number)
        expected = usual[columns]
        if outer is not None and parent[number] >= 0:
            larger = outer.counts.of_words(int(parent[number]), columns)
            expected = (expected + larger / max(outer.sizes[parent[number]], 1)) / 2
        told.append(distinctive([found.words[i] for i in columns], count, int(size), expected))
    return _Level(regions, counts, sizes, told)


def _names_of_points(regions: Regions, names: list[str], fewest: int) -> list[str | None]:
    """The name of each point's region; two of one name get a number."""
    seen: dict[str, int] = {}
    unique: list[str | None] = []
    order = sorted(range(len(names)), key=lambda i: (-regions.sizes[i], i))
    for i in order:
        name = names[i]
        seen[name] = seen.get(name, 0) + 1
        unique.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    named = dict(zip(order, unique, strict=True))
    large = {i: name for i, name in named.items() if name and regions.sizes[i] >= fewest}
    return [large.get(int(i)) for i in regions.of]
