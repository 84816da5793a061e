"""What a document is once it has been read: plain text, and where each part of it stands."""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Metadata: TypeAlias = Mapping[str, str | int | float | bool | None]


class Block(NamedTuple):
    """A heading, a paragraph, a table, a function: a run of the text under one heading path.

    Attributes:
        start, end: of its characters in the document's text.
        headings: the path down to it, a heading's own words included.
        kind: `text`, `heading`, `table`, `code` or `notes`.
        anchor: what leads there in the source after a `#`, where the source has such a mark.
    """

    start: int
    end: int
    headings: tuple[str, ...] = ()
    kind: str = "text"
    anchor: str = ""


class Page(NamedTuple):
    """A page or a slide.

    Attributes:
        number: counted from 1.
        start, end: of its characters in the document's text.
        label: what is printed on it ("iv"), or "".
    """

    number: int
    start: int
    end: int
    label: str = ""


class Box(NamedTuple):
    """A rectangle on a page, in points (1/72 inch) from the page's lower left corner."""

    page: int
    left: float
    bottom: float
    right: float
    top: float


@dataclass(frozen=True)
class Extracted:
    """What a reader makes of one file.

    Attributes:
        text: its words, in reading order, without mark-up.
        blocks: from the first to the last, none overlapping.
        title: that the file gives itself, or "".
        pages: of formats that have some.
        metadata: what else the file says of itself: author, language, date.
        notes: what was left out or done to the text.
        boxes: float32 (len(text), 4): left, bottom, right, top of each character on its page, NaN
            where it has none; None for formats without places.
    """

    text: str
    blocks: Sequence[Block]
    title: str = ""
    pages: Sequence[Page] = ()
    metadata: Metadata = field(default_factory=dict)
    notes: Sequence[str] = ()
    boxes: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Document:
    """A document that was read.

    Attributes:
        id: its path below the folder that was read, with `/` between; of a record, the file's path
            with `#` and the record's id.
        path: of the file.
        text: its words, in reading order; spans of blocks, pages and chunks count its characters.
        title: that it gives itself, else its name.
        kind: of the reader: `pdf`, `html`, `markdown`, ...
        blocks: its structure, in order.
        pages: of formats that have some.
        digest: SHA-256 of the file's bytes (of a record: of its text and columns).
        fingerprint: of the digest and the reader's version: while it stays, so does the text.
        metadata: what the file says of itself, or the record's other columns.
        notes: what was left out or done to the text.
    """

    id: str
    path: str
    text: str
    title: str
    kind: str
    blocks: tuple[Block, ...]
    pages: tuple[Page, ...]
    digest: str
    fingerprint: str
    metadata: Metadata = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    character_boxes: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    def page_at(self, position: int) -> Page | None:
        """The page that holds a character, None for formats without pages."""
        index = bisect_right(self.pages, position, key=lambda page: page.start) - 1
        return self.pages[index] if index >= 0 else None

    def block_at(self, position: int) -> Block | None:
        """The block that holds a character, or the last one before it."""
        index = bisect_right(self.blocks, position, key=lambda block: block.start) - 1
        return self.blocks[index] if index >= 0 else None

    def boxes(self, start: int, end: int) -> tuple[Box, ...]:
        """Where a span stands: a rectangle for each line, page by page; () without places."""
        if self.character_boxes is None:
            return ()
        found: list[Box] = []
        for page in self.pages:
            first, last = max(start, page.start), min(end, page.end)
            if first < last:
                found += _lines(self.character_boxes[first:last], page.number)
        return tuple(found)


@dataclass(frozen=True)
class Chunk:
    """A part of a document that is embedded as one text.

    Attributes:
        text: always `document.text[start:end]`.
        start, end: of its characters in the document's text.
        headings: the path down to it, from the outermost.
        prefix: what is embedded before the text: the headings, or "".
        page: where it begins; None for formats without pages.
        boxes: one rectangle a line, for formats that have places.
        tokens: of prefix and text as the model counts them.
        anchor: what leads there in the source after a `#`, or "".
    """

    text: str
    start: int
    end: int
    headings: tuple[str, ...]
    prefix: str
    page: int | None
    boxes: tuple[Box, ...]
    tokens: int
    anchor: str = ""

    @property
    def to_embed(self) -> str:
        """The text that a model should read: the heading path and the chunk's own words."""
        return self.prefix + self.text


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why.

    Attributes:
        path: of the file, or of a folder that could not be opened.
        reason: for the user.
        id: of the document it would have been, where something is there that could not be read: a
            file that is half written, damaged, or on a disk that does not answer. It is not gone,
            and what is known of it may still stand.
    """

    path: str
    reason: str
    id: str | None = None

    @classmethod
    def by_system(cls, path: str | Path, error: OSError, id: str) -> Self:
        """What the operating system did not let us read."""
        gone = error.errno in (errno.ENOENT, errno.ELOOP)
        reason = f"it cannot be read: {error.strerror or error}"
        return cls(str(path), reason, None if gone else id)


@dataclass(frozen=True)
class Unchanged:
    """A document whose fingerprint is the one that the caller knows: it was not read again."""

    id: str
    path: str
    fingerprint: str


def _lines(boxes: NDArray[np.float32], page: int) -> list[Box]:
    """Join the boxes of consecutive characters into one for each line."""
    boxes = boxes[~np.isnan(boxes[:, 0])]
    if not len(boxes):
        return []
    left, bottom, right, top = boxes.T
    middle, height = (bottom + top) / 2, top - bottom
    # A line ends where the next character starts further left, or stands higher or lower.
    apart = np.abs(np.diff(middle)) > 0.5 * np.maximum(height[:-1], height[1:])
    back = left[1:] < left[:-1] - 2 * np.maximum(height[:-1], height[1:])
    starts = np.concatenate([[0], np.flatnonzero(apart | back) + 1])
    edges = (
        np.minimum.reduceat(left, starts),
        np.minimum.reduceat(bottom, starts),
        np.maximum.reduceat(right, starts),
        np.maximum.reduceat(top, starts),
    )
    return [
        Box(page, *(round(float(edge), 2) for edge in line)) for line in zip(*edges, strict=True)
    ]
