"""Plain text: decoding it, and its paragraphs."""

from __future__ import annotations

import codecs
import re

from veclab.documents.document import Extracted
from veclab.documents.limits import Unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PARAGRAPH = re.compile(r"\S.*(?:\n.*\S.*)*")


def decode(data: bytes) -> tuple[str, list[str]]:
    """The text of a file, and a note where it is not UTF-8.

    Raises:
        Unreadable: it is no text.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(encoding), []
            except UnicodeDecodeError as error:
                raise Unreadable(f"its first bytes say {encoding}, but it is not") from error
    if b"\0" in data:
        raise Unreadable("it holds binary data, not text")
    try:
        return data.decode(), []
    except UnicodeDecodeError as error:
        if controls := len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]", data)):
            raise Unreadable(f"it is not text ({controls:,} control characters)") from error
        note = f"not UTF-8 (byte {error.start:,}); read as Windows-1252"
        return data.decode("cp1252", "replace"), [note]


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Spans of the runs of lines between empty lines."""
    return [(m.start(), m.start() + len(m.group().rstrip())) for m in _PARAGRAPH.finditer(text)]


def read_text(data: bytes) -> Extracted:
    """Plain text, kept as it is; its blocks are its paragraphs, under the headings it has."""
    from veclab.documents.plain_headings import with_headings

    text, notes = decode(data)
    return Extracted(text, with_headings(text, paragraphs(text)), notes=notes)
