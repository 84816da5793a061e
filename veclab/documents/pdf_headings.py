"""The headings of a PDF: from its outline, else from the size of its type."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from veclab.documents.building import Outline
from veclab.documents.document import Block
from veclab.documents.pdf_lines import Line
from veclab.documents.plain import paragraphs

_LEVELS = 4
_LONGEST = 150


class Heading(NamedTuple):
    """A heading.

    Attributes:
        page, line: where it begins, both counted from 0.
        level: from 1.
        title: its words.
        lines: how many it has; 0 where its title is not in the text.
    """

    page: int
    line: int
    level: int
    title: str
    lines: int


TocEntry = tuple[int, str, int | None, float | None]  # level, title, page, height on it


def by_toc(pages: Sequence[Sequence[Line]], toc: Sequence[TocEntry]) -> list[Heading]:
    """Where the entries of an outline stand in the text: at the line that shows the title."""
    found = []
    for level, title, page, height in toc:
        if page is None or not 0 <= page < len(pages) or not pages[page] or not title.strip():
            continue
        if (place := _find(pages[page], title, height)) is not None:
            found.append(Heading(page, place[0], level, " ".join(title.split()), place[1]))
    return found


def _find(lines: Sequence[Line], title: str, height: float | None) -> tuple[int, int] | None:
    """The line that a title begins at, and how many lines it has."""
    wanted = _key(title)
    shown = {i: count for i in range(len(lines)) if (count := _shows(lines, i, wanted))}
    if height is None:
        return next(iter(shown.items())) if shown else (0, 0)
    if shown:
        return min(shown.items(), key=lambda item: abs(lines[item[0]].top - height))
    below = next((i for i, line in enumerate(lines) if line.bottom <= height), None)
    return None if below is None else (below, 0)


def _shows(lines: Sequence[Line], first: int, title: str) -> int:
    """How many lines from the first one on show a title, numbered perhaps; 0 if they do not."""
    seen = ""
    for count in range(1, min(4, len(lines) - first) + 1):
        seen += _key(lines[first + count - 1].text)
        if title and seen.endswith(title) and len(seen) <= len(title) + 12:
            return count
        if len(seen) > len(title) + 12:
            break
    return 0


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def by_size(pages: Sequence[Sequence[Line]]) -> list[Heading]:
    """Short lines in larger type than the body's; a larger size is a higher level."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[_size(line)] += len(line.text)
    if not sizes:
        return []
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size > 1.15 * body), reverse=True)
    levels = {size: min(level, _LEVELS) for level, size in enumerate(larger, 1)}
    found: list[Heading] = []
    for number, page in enumerate(pages):
        index = 0
        while index < len(page):
            size = _size(page[index])
            end = index + 1
            if size in levels:
                while end < len(page) and _size(page[end]) == size:
                    end += 1
                title = " ".join(" ".join(line.text for line in page[index:end]).split())
                if end - index <= 3 and len(title) <= _LONGEST and re.search(r"\w", title):
                    found.append(Heading(number, index, levels[size], title, end - index))
            index = end
    return found


def _size(line: Line) -> float:
    return round(line.height * 2) / 2


def with_paths(text: str, marks: Sequence[tuple[int, Heading]]) -> list[Block]:
    """The paragraphs of a text as blocks under the headings that begin at the given places."""
    outline, blocks, following = Outline(), [], 0
    path: tuple[str, ...] = ()
    for start, end in paragraphs(text):
        kind = "text"
        while following < len(marks) and marks[following][0] <= start:
            place, heading = marks[following]
            path = outline.enter(heading.level, heading.title)
            if place == start and heading.lines:
                kind = "heading"
            following += 1
        blocks.append(Block(start, end, path, kind))
    return blocks
