"""PDF: what PDFium reads, made into paragraphs, with each character's place on its page."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from veclab.documents.document import Extracted, Page
from veclab.documents.limits import Unreadable
from veclab.documents.pdf_headings import Heading, by_size, by_toc, with_paths
from veclab.documents.pdf_lines import Line, contents_lines, join, lines_of, running_lines
from veclab.errors import MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_LISTED = 10


def read_pdf(data: bytes) -> Extracted:
    """The text layer of a PDF; pages without one are noted, a file without one is refused."""
    document = _open(data)
    pages: list[list[Line]] = []
    labels: list[str] = []
    for index in range(len(document)):
        page = document[index]
        pages.append(lines_of(*_characters(page)))
        labels.append(document.get_page_label(index) or "")
        page.close()
    notes = _check(pages)
    running = running_lines(pages)
    contents = contents_lines(pages) - running
    if len(running | contents) == sum(map(len, pages)):  # forms, or a file of contents alone
        running = contents = set()
    if running:
        notes.append(f"{len(running):,} running header and footer line(s) left out")
    if contents:
        notes.append(f"{len(contents):,} line(s) of contents and index left out")
    kept = [[line for line in page if id(line) not in running | contents] for page in pages]
    toc = [_toc_entry(item) for item in document.get_toc(max_depth=8)]
    headings = by_toc(kept, toc) if toc else by_size(kept)
    extracted = _assemble(kept, labels, headings)
    metadata = _metadata(document)
    title = str(metadata.pop("title", ""))
    return Extracted(
        extracted.text,
        extracted.blocks,
        title,
        extracted.pages,
        metadata,
        (*notes, *extracted.notes),
        extracted.boxes,
    )


def _open(data: bytes) -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise MissingExtra("documents", "reading PDF") from None
    if b"%PDF-" not in data[:1024]:
        raise Unreadable("it is not a PDF")
    try:
        document = pypdfium2.PdfDocument(data)
        count = len(document)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("it is encrypted: it opens only with a password") from error
        if b"%%EOF" not in data[-2048:]:
            raise Unreadable("it is cut short: its end is missing") from error
        raise Unreadable(f"it is damaged ({error})") from error
    if b"%%EOF" not in data[-2048:]:
        raise Unreadable("it is cut short: its end is missing")
    if not count:
        raise Unreadable("it has no pages")
    return document


def _characters(page: Any) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Code points and boxes of a page's characters, in PDFium's reading order."""
    from pypdfium2 import raw

    text = page.get_textpage()
    count = text.count_chars()
    codes, boxes = np.zeros(count, np.uint32), np.full((count, 4), np.nan, np.float32)
    box = raw.FS_RECTF()
    pointer = ctypes.byref(box)
    for index in range(count):
        codes[index] = raw.FPDFText_GetUnicode(text, index)
        if raw.FPDFText_GetLooseCharBox(text, index, pointer):
            boxes[index] = box.left, box.bottom, box.right, box.top
    text.close()
    return codes, boxes


def _check(pages: list[list[Line]]) -> list[str]:
    """Notes on what has no text; raises where nothing has."""
    empty = [number for number, page in enumerate(pages, 1) if not page]
    if len(empty) == len(pages):
        raise Unreadable(
            f"it has no text layer: its {len(pages):,} page(s) are pictures, as scanners make "
            "them; run OCR on it first (for instance with ocrmypdf)"
        )
    characters = "".join(line.text for page in pages for line in page)
    unknown = sum(characters.count(code) for code in "\0\ufffd") + len(
        re.findall("[\ue000-\uf8ff]", characters)
    )
    if unknown > 0.3 * len(characters):
        raise Unreadable(
            f"its fonts do not say which letters they show ({unknown:,} of {len(characters):,} "
            "characters are unknown); run OCR on it first (for instance with ocrmypdf)"
        )
    notes = []
    if empty:
        shown = ", ".join(map(str, empty[:_MAX_LISTED])) + (", ..." * (len(empty) > _MAX_LISTED))
        notes.append(f"{len(empty):,} of {len(pages):,} pages have no text: {shown}")
    if unknown:
        notes.append(f"{unknown:,} character(s) of unknown meaning: fonts without Unicode")
    return notes


def _toc_entry(item: Any) -> tuple[int, str, int | None, float | None]:
    """Level from 1, title, page from 0, height on the page."""
    target = item.get_dest()
    page = target.get_index() if target else None
    height = None
    if target:
        view, numbers = target.get_view()
        # 1: XYZ (left, top, zoom); 3 and 7: fit to width (top). Others only name the page.
        position = {1: 1, 3: 0, 7: 0}.get(view)
        height = numbers[position] if position is not None and len(numbers) > position else None
    return item.level + 1, item.get_title(), page, height


def _metadata(document: Any) -> dict[str, str]:
    found = document.get_metadata_dict()
    names = {"Title": "title", "Author": "author", "Subject": "subject", "Keywords": "keywords"}
    metadata = {
        to: found[name].strip() for name, to in names.items() if found.get(name, "").strip()
    }
    if date := re.match(r"D:(\d{4})(\d\d)(\d\d)", found.get("CreationDate", "")):
        metadata["date"] = "-".join(date.groups())
    return metadata


def _assemble(pages: list[list[Line]], labels: list[str], headings: list[Heading]) -> Extracted:
    """One text of all lines, with the spans of pages and blocks."""
    starts: dict[tuple[int, int], Heading] = {}
    for heading in headings:
        starts.setdefault((heading.page, heading.line), heading)
    joined = join(pages, {key: heading.lines for key, heading in starts.items()})
    spans = [
        Page(number, start, end, label)
        for number, ((start, end), label) in enumerate(zip(joined.pages, labels, strict=True), 1)
    ]
    marks = [(joined.lines[key], heading) for key, heading in starts.items() if key in joined.lines]
    blocks = with_paths(joined.text, sorted(marks, key=lambda mark: mark[0]))
    return Extracted(joined.text, blocks, pages=spans, notes=joined.notes, boxes=joined.boxes)
