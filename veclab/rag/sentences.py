"""Where sentences begin and end, rather one too few than one too many.

A sentence cut in two could lose its "not"; so where it is not clear that one ends, it goes on.
"""

from __future__ import annotations

import re

_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|resp|incl|excl|fig|figs|eq|sec|ch|chap|vol|no|nr|pp?|"
    r"mr|mrs|ms|dr|prof|st|inc|ltd|co|dept|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|z\.b|bzw|"
    r"usw|ca|bspw)|\b[A-Za-z])\.$",
    re.IGNORECASE,
)
# An end of a sentence; or a blank line, or a line that begins a list item, a heading or a cell.
_END = re.compile(
    r"(?P<stop>[.!?…]+[\"'”’)\]]*)(?=\s)|(?P<wide>[。！？]+[」』”]*)"
    r"|(?P<gap>\n[ \t]*\n\s*|\n(?=[ \t]*(?:[-*•·+] |\d{1,3}[.)] |#{1,6} |\|)))"
)
_STARTS = re.compile(r"\s+[\"'“‘(\[]*(?:[A-ZÀ-ÖØ-ÞΑ-ΩА-Я\d`<*_-]|[^\x00-\x7f])")


def split_sentences(text: str, longest: int | None = None) -> list[tuple[int, int]]:
    """Spans of the sentences, without the white space around them.

    Args:
        text: any text.
        longest: split what is longer at line ends as well (tables, lists, code).
    """
    spans, start = [], 0
    for match in _END.finditer(text):
        if match["stop"] and not _stops(text, start, match):
            continue
        spans.append((start, match.end() if not match["gap"] else match.start()))
        start = match.end()
    spans.append((start, len(text)))
    trimmed = [trim(text, *span) for span in spans]
    if longest is not None:
        trimmed = [part for span in trimmed for part in _lines(text, span, longest)]
    return [(a, b) for a, b in trimmed if a < b]


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The same span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _stops(text: str, start: int, match: re.Match[str]) -> bool:
    if not _STARTS.match(text, match.end()):
        return not text[match.end() :].strip()
    mark = match["stop"]
    return mark[0] != "." or len(mark) > 1 or not _ABBREVIATED.search(text, start, match.end())


def _lines(text: str, span: tuple[int, int], longest: int) -> list[tuple[int, int]]:
    start, end = span
    if end - start <= longest:
        return [span]
    spans = []
    for line in text[start:end].splitlines(keepends=True):
        spans.append(trim(text, start, start + len(line)))
        start += len(line)
    return spans
