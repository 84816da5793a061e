"""The headings of plain text: underlined titles, else lines that begin with a section's number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from veclab.documents.building import Outline
from veclab.documents.document import Block

_LONGEST = 120
_UNDERLINED = re.compile(
    r"(?P<title>\w.{0,119})\n(?P<line>(?P<mark>[=*~^#+\"-])(?P=mark){2,})[ \t]*(?=\n|$)"
)
_NUMBERED = re.compile(
    r"(?P<number>\d{1,3}(?:\.\d{1,3})*)\.?[ \t]+(?=.*[^\W\d_])\S.*(?:\n\S.*)?(?<![.,;])"
)
_FEWEST = 3  # numbered lines that make an outline; two may be anything


class _Heading(NamedTuple):
    """A heading at the beginning of a paragraph: `end` is where its own lines end."""

    level: int
    title: str
    end: int


def with_headings(text: str, spans: Sequence[tuple[int, int]]) -> list[Block]:
    """The paragraphs of a text as blocks, each under the headings before it.

    Underlined titles are headings, as in reStructuredText: the mark that comes first is the highest
    level. Where there are none, numbered lines that stand alone are ("3.15.1. Purpose").
    """
    found = _underlined(text, spans) or _numbered(text, spans)
    outline, blocks = Outline(), []
    for start, end in spans:
        heading = found.get(start)
        if heading is None:
            blocks.append(Block(start, end, outline.path))
            continue
        path = outline.enter(heading.level, heading.title)
        blocks.append(Block(start, heading.end, path, "heading"))
        rest = text[heading.end : end]
        if rest.strip():
            blocks.append(Block(end - len(rest.lstrip()), end, path))
    return blocks


def _underlined(text: str, spans: Sequence[tuple[int, int]]) -> dict[int, _Heading]:
    """Titles with a line of one mark below, about as long as they are."""
    levels: dict[str, int] = {}
    found = {}
    for start, end in spans:
        match = _UNDERLINED.match(text, start, end)
        if match is None:
            continue
        title = match["title"].rstrip()
        if len(title) <= len(match["line"]) <= len(title) + 4:
            level = levels.setdefault(match["mark"], len(levels) + 1)
            found[start] = _Heading(level, title, match.end())
    return found


def _numbered(text: str, spans: Sequence[tuple[int, int]]) -> dict[int, _Heading]:
    """Lines that stand alone at the margin and begin with a section's number.

    A number of one part may be that of a list's item, too: it heads a chapter where it is the last
    one before the chapter's first section.
    """
    found: dict[int, _Heading] = {}
    chapter: tuple[str, int, _Heading] | None = None
    for start, end in spans:
        margin = start == 0 or text[start - 1] == "\n"
        match = _NUMBERED.fullmatch(text, start, end)
        if match is None or not margin or end - start > _LONGEST:
            continue
        parts = match["number"].split(".")
        heading = _Heading(len(parts), " ".join(text[start:end].split()), end)
        if len(parts) == 1:
            chapter = parts[0], start, heading
            continue
        if chapter is not None and parts == [chapter[0], "1"]:
            found[chapter[1]] = chapter[2]
        chapter = None
        found[start] = heading
    return found if len(found) >= _FEWEST else {}
