"""From a page's characters to lines, and from lines to running text."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HYPHEN = "\x02"  # what PDFium gives for a hyphen at a line's end, U+FFFE in other calls
_LEADER = re.compile(r"(?:[.…·]\s?){5,}\s*(?:\d+|[ivxlc]+)(?:,\s*(?:\d+|[ivxlc]+))*\s*$")
_PREFIXES = {"non", "self"}
_RUNNING = 3  # pages that a line must come back on, at the same place, to be a running one


@dataclass(eq=False)
class Line:
    """A line of a page.

    Attributes:
        text: its characters, one for each box.
        boxes: float32 (len(text), 4): left, bottom, right, top; NaN for characters without.
        left, bottom, right, top: around all of them.
        height: of its characters: their median.
    """

    text: str
    boxes: NDArray[np.float32]
    left: float
    bottom: float
    right: float
    top: float
    height: float

    @property
    def middle(self) -> float:
        """Its height on the page."""
        return (self.bottom + self.top) / 2


@dataclass
class Joined:
    """Lines as one text.

    Attributes:
        text, boxes: of all pages.
        pages: their spans.
        lines: where each line that was asked for starts, by (page, line).
        notes: what was done to the text.
    """

    text: str
    boxes: NDArray[np.float32]
    pages: list[tuple[int, int]]
    lines: dict[tuple[int, int], int]
    notes: list[str]


def lines_of(codes: NDArray[np.uint32], boxes: NDArray[np.float32]) -> list[Line]:
    """The lines of a page, blank ones left out."""
    codes, boxes = _pairs(codes, boxes)
    codes[codes == 0xFFFE] = ord(_HYPHEN)
    codes[(codes == 0) | (codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))] = 0xFFFD
    # After a hyphen at a line's end PDFium goes on without a line break.
    ends = np.flatnonzero((codes == 10) | (codes == 13) | (codes == ord(_HYPHEN))) + 1
    lines = []
    for start, end in itertools.pairwise([0, *ends, len(codes)]):
        text = "".join(map(chr, codes[start:end]))  # a line break at its end is cut off later
        if text.strip():
            lines.append(_line(text, boxes[start:end]))
    return lines


def _pairs(
    codes: NDArray[np.uint32], boxes: NDArray[np.float32]
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Make one character of two that are halves of a surrogate pair."""
    high = (codes[:-1] >= 0xD800) & (codes[:-1] < 0xDC00)
    first = np.flatnonzero(high & (codes[1:] >= 0xDC00) & (codes[1:] < 0xE000))
    if not len(first):
        return codes.copy(), boxes
    codes = codes.copy()
    codes[first] = 0x10000 + ((codes[first] - 0xD800) << 10) + (codes[first + 1] - 0xDC00)
    return np.delete(codes, first + 1), np.delete(boxes, first + 1, axis=0)


def _line(text: str, boxes: NDArray[np.float32]) -> Line:
    inked = np.array([not character.isspace() for character in text])
    boxes = np.where((boxes == 0).all(axis=1, keepdims=True), np.nan, boxes)
    seen = boxes[inked & ~np.isnan(boxes[:, 0])]
    if not len(seen):
        return Line(text, boxes, 0, 0, 0, 0, 0)
    left, bottom = (float(edge) for edge in seen[:, :2].min(axis=0))
    right, top = (float(edge) for edge in seen[:, 2:].max(axis=0))
    height = float(np.median(seen[:, 3] - seen[:, 1]))
    return Line(text, boxes, left, bottom, right, top, height)


def running_lines(pages: Sequence[Sequence[Line]]) -> set[int]:
    """The ids of headers, footers and page numbers.

    A first or last line of a page is one where a line of the same words, numbers apart, stands at
    the same place on three pages or more. Where most first (or last) lines at a place are such, so
    are the others there: the headers of short chapters.
    """
    found: set[int] = set()
    for edge in (0, -1):
        for _ in range(2):  # a page number under a chapter's name is two lines
            rest = [[line for line in page if id(line) not in found] for page in pages]
            lines = [page[edge] for page in rest if len(page) > 1]
            words = Counter((_place(line), _words(line)) for line in lines)
            places = Counter(_place(line) for line in lines)
            again = [line for line in lines if words[_place(line), _words(line)] >= _RUNNING]
            by_place = Counter(_place(line) for line in again)
            found |= {id(line) for line in again}
            found |= {
                id(line) for line in lines if by_place[_place(line)] > places[_place(line)] / 2
            }
    return found


def contents_lines(pages: Sequence[Sequence[Line]]) -> set[int]:
    """The ids of the lines of tables of contents and indexes: a title, dots and page numbers.

    They hold the words of all headings and say nothing about them. A page with many of them is
    left out whole: what else is on it are titles without dots.
    """
    found: set[int] = set()
    for page in pages:
        leaders = {id(line) for line in page if _LEADER.search(line.text)}
        found |= {id(line) for line in page} if len(leaders) > 0.3 * len(page) else leaders
    return found


def _place(line: Line) -> tuple[int, int]:
    return round(line.bottom / 2), round(line.height)


def _words(line: Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "#", " ".join(line.text.split()))


def join(pages: Sequence[Sequence[Line]], apart: Mapping[tuple[int, int], int]) -> Joined:
    """Join lines to paragraphs, and words that were broken at a line's end.

    Args:
        pages: their lines.
        apart: headings: (page, line) where they begin, and how many lines they have.
    """
    words = _words_of(pages)
    inside = {(p, i + n) for (p, i), count in apart.items() for n in range(1, count)}
    breaks = apart.keys() | {(p, i + count) for (p, i), count in apart.items()}
    columns = _Columns(pages)
    text = _Text()
    spans: list[tuple[int, int]] = []
    starts: dict[tuple[int, int], int] = {}
    before: Line | None = None
    right = pitch = 0.0
    for number, page in enumerate(pages):
        page_pitch = _pitch(page)
        first: int | None = None
        for index, line in enumerate(page):
            if before is not None:
                follows = index > 0
                gap = _gap(before, line, right, pitch if follows else float("inf"))
                if (number, index) in inside:
                    gap = " "
                elif (number, index) in breaks or (not follows and gap == "\n"):
                    gap = "\n\n"
                if gap == " " and _spaceless(before.text.rstrip()[-1]) and _spaceless(line.text[0]):
                    gap = ""
                text.gap(gap, line, words)
            starts[number, index] = text.length
            first = text.length if first is None else first
            text.add(*_stripped(line))
            before, right, pitch = line, columns.end(line), page_pitch
        spans.append((text.length if first is None else first, text.length))
    return Joined(text.whole(), np.concatenate(text.boxes), spans, starts, text.notes())


class _Text:
    """A text that grows line by line, with a box for each of its characters."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.boxes: list[NDArray[np.float32]] = []
        self.length = 0
        self._joined = 0

    def add(self, text: str, boxes: NDArray[np.float32]) -> None:
        self.parts.append(text)
        self.boxes.append(boxes)
        self.length += len(text)

    def gap(self, gap: str, following: Line, words: set[str]) -> None:
        """What stands before the next line: nothing where a word goes on there."""
        if not self.parts[-1].endswith(_HYPHEN):
            self.add(gap, np.full((len(gap), 4), np.nan, np.float32))
        elif not _keeps_hyphen(self.parts[-1], following.text, words):
            self.parts[-1] = self.parts[-1][:-1]
            self.boxes[-1] = self.boxes[-1][:-1]
            self.length -= 1
            self._joined += 1

    def whole(self) -> str:
        return "".join(self.parts).replace(_HYPHEN, "-")

    def notes(self) -> list[str]:
        return [f"{self._joined:,} word(s) broken at a line's end joined"] if self._joined else []


def _stripped(line: Line) -> tuple[str, NDArray[np.float32]]:
    start = len(line.text) - len(line.text.lstrip())
    end = len(line.text.rstrip())
    return line.text[start:end], line.boxes[start:end]


def _spaceless(character: str) -> bool:
    """Whether it belongs to a script that puts no spaces between words: Chinese and Japanese."""
    return "\u2e80" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef"


def _alike(first: Line, second: Line) -> bool:
    """Whether two lines are of one size of type."""
    return abs(first.height - second.height) < 0.12 * max(first.height, second.height, 1e-6)


def _gap(before: Line, line: Line, right: float, pitch: float) -> str:
    """What stands between two lines: a space, a line break or an empty line.

    Args:
        before, line: the two.
        right: how far to the right the first one's column goes.
        pitch: the usual distance between lines; infinite where the second is on the next page.
    """
    if not _alike(before, line):
        return "\n\n"
    step = before.bottom - line.bottom
    if step < -0.5 * line.height:  # further up: the next column
        return " " if _full(before, right, line) else "\n\n"
    if step > 1.35 * pitch:
        return "\n\n"
    if _full(before, right, line):
        return " "
    ends = before.text.rstrip()[-1:] in ".!?:。！？"
    return "\n\n" if ends and line.left > before.left + 0.8 * line.height else "\n"


def _full(line: Line, right: float, following: Line) -> bool:
    """Whether the next line's first word would not have fitted on this one."""
    text, boxes = _stripped(following)
    word = boxes[: len(text.split(maxsplit=1)[0])]
    if np.isnan(word).all():
        return False
    width = float(np.nanmax(word[:, 2]) - np.nanmin(word[:, 0]))
    return line.right + width + 0.15 * line.height > right


class _Columns:
    """How far to the right the lines of a document go that begin at one place."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        lines = [line for page in pages for line in page]
        self._lefts = np.array([line.left for line in lines])
        order = np.argsort(self._lefts)
        self._lefts = self._lefts[order]
        self._rights = np.array([line.right for line in lines])[order]
        self._known: dict[tuple[int, int], float] = {}

    def end(self, line: Line) -> float:
        """The right end of the column that a line stands in."""
        place = round(line.left / 4), round(line.height)
        if place not in self._known:
            # Nineteen in twenty: so the few lines that span two columns do not count.
            reach = 3 * line.height
            span = np.searchsorted(self._lefts, [line.left - reach, line.left + reach], "left")
            near = self._rights[span[0] : max(span[1], span[0] + 1)]
            self._known[place] = float(near.max() if len(near) < 20 else np.quantile(near, 0.95))
        return self._known[place]


def _pitch(page: Sequence[Line]) -> float:
    """The usual distance from one line to the next."""
    steps = [
        a.bottom - b.bottom
        for a, b in itertools.pairwise(page)
        if _alike(a, b) and 0.5 * b.height < a.bottom - b.bottom < 3 * b.height
    ]
    return (
        float(np.quantile(steps, 0.3)) if steps else 1.2 * max((x.height for x in page), default=0)
    )


def _words_of(pages: Sequence[Sequence[Line]]) -> set[str]:
    """The words that stand whole somewhere in the document, also those with hyphens in them."""
    found: set[str] = set()
    for page in pages:
        broken = False
        for line in page:
            words = re.findall(rf"\w+(?:-\w+)*(?![\w{_HYPHEN}])", line.text)
            found.update(word.lower() for word in words[broken:])
            broken = line.text.endswith(_HYPHEN)
    return found


def _keeps_hyphen(before: str, after: str, words: set[str]) -> bool:
    """Whether a hyphen at a line's end belongs to the word: `well-` / `known`."""
    head = re.search(r"[\w-]*$", before[:-1])
    tail = re.match(r"[\w-]*", after.lstrip())
    if not head or not tail or not head.group() or not tail.group():
        return True
    first, second = head.group().lower(), tail.group().lower()
    if first + second in words:
        return False
    if f"{first}-{second}" in words or first in _PREFIXES or {first, second} <= words:
        return True
    # Numbers and names are not hyphenated at a line's end.
    return first[-1].isdigit() or second[0].isdigit() or tail.group()[0].isupper()
