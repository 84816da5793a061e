"""Word: paragraphs, headings, tables, text boxes and notes, as the document stands now.

What was inserted is read and what was deleted is not, whether or not the changes were accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from veclab.documents.building import Builder
from veclab.documents.document import Extracted
from veclab.documents.limits import Unreadable
from veclab.documents.ooxml import Element, Package, attribute, child, local, walk

# `Fallback` says again, for older programs, what `Choice` beside it says.
_SKIPPED = frozenset(
    {"del", "moveFrom", "delText", "instrText", "Fallback", "rPr", "pPr", "sectPr"}
)
_BLOCKS = frozenset({"p", "tbl"})
_BOXES = frozenset({"txbxContent"})
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "ptab": "\t"}


def read_docx(data: bytes, limit: int) -> Extracted:
    """The main text, then footnotes and endnotes; headers and footers are left out."""
    package = Package(data, limit)
    main = next(
        (part for kind, part in package.targets("").values() if kind == "officeDocument"),
        "word/document.xml",
    )
    if main not in package.names:
        raise Unreadable("it is no Word document: it has no main text")
    reader = _Reader(_levels(package, main))
    body = child(package.xml(main), "body")
    if body is not None:
        reader.blocks(body)
    for kind, part in package.targets(main).values():
        if kind in ("footnotes", "endnotes") and part in package.names:
            reader.notes(package.xml(part), kind)
    metadata = package.core()
    title = metadata.pop("title", "")
    builder = reader.builder
    return Extracted(builder.text, builder.blocks, title or reader.title, metadata=metadata)


class _Reader:
    def __init__(self, levels: Mapping[str, int]) -> None:
        self.builder = Builder()
        self.levels = levels
        self.title = ""

    def blocks(self, parent: Element) -> None:
        """Read the paragraphs and tables below an element, those in content controls included."""
        for item in walk(parent, _SKIPPED, _BLOCKS):
            if local(item) == "tbl":
                self.builder.add(_table(item), "table")
            elif local(item) == "p":
                self._paragraph(item)

    def notes(self, root: Element, kind: str) -> None:
        texts = [
            "\n".join(_text(p) for p in walk(note, _SKIPPED, _BLOCKS) if local(p) == "p").strip()
            for note in root
            if attribute(note, "type") in (None, "normal")
        ]
        if any(texts):
            self.builder.heading(1, kind.capitalize())
        for text in texts:
            self.builder.add(text, "notes")

    def _paragraph(self, paragraph: Element) -> None:
        style = child(paragraph, "pPr", "pStyle")
        name = (attribute(style, "val") or "") if style is not None else ""
        own = child(paragraph, "pPr", "outlineLvl")
        level = _outline(own) or self.levels.get(name)
        text = _text(paragraph)
        if level == 0:
            self.title = self.title or " ".join(text.split())
            self.builder.add(text, "heading")
        elif level:
            self.builder.heading(level, text)
        else:
            self.builder.add(text)
        for item in walk(paragraph, _SKIPPED, _BOXES):
            if local(item) in _BOXES:
                self.blocks(item)


def _levels(package: Package, main: str) -> dict[str, int]:
    """The heading level of each paragraph style; 0 for the document's title."""
    part = next((p for kind, p in package.targets(main).values() if kind == "styles"), None)
    if part not in package.names or part is None:
        return {}
    found: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in package.xml(part):
        id, name, base = attribute(style, "styleId"), child(style, "name"), child(style, "basedOn")
        if local(style) != "style" or id is None:
            continue
        if base is not None:
            based[id] = attribute(base, "val") or ""
        words = (attribute(name, "val") or "").lower() if name is not None else ""
        heading = re.fullmatch(r"heading (\d)", words)
        level = 0 if words == "title" else int(heading.group(1)) if heading else None
        level = _outline(child(style, "pPr", "outlineLvl")) if level is None else level
        if level is not None:
            found[id] = level
    for derived, parent in based.items():
        seen = {derived}
        while derived not in found and parent and parent not in seen:
            if parent in found:
                found[derived] = found[parent]
            seen.add(parent)
            parent = based.get(parent, "")
    return found


def _outline(element: Element | None) -> int | None:
    """A level from 1 to 9; None for body text."""
    value = attribute(element, "val") if element is not None else None
    return int(value) + 1 if value and value.isdigit() and int(value) < 9 else None


def _text(paragraph: Element) -> str:
    """A paragraph's words, without those of text boxes in it."""
    parts = []
    for item in walk(paragraph, _SKIPPED, _BOXES | {"t"}):
        if local(item) == "t":
            parts.append(item.text or "")
        else:
            parts.append(_SIGNS.get(local(item), ""))
    return "".join(parts)


def _table(table: Element) -> str:
    """A row a line, cells with tabs between; a table in a cell stands in that cell."""
    rows = []
    for row in walk(table, _SKIPPED, frozenset({"tr"})):
        if local(row) == "tr":
            cells = [c for c in walk(row, _SKIPPED, frozenset({"tc"})) if local(c) == "tc"]
            rows.append("\t".join(_cell(cell) for cell in cells))
    return "\n".join(row for row in rows if row.strip())


def _cell(cell: Element) -> str:
    paragraphs = (_text(p) for p in walk(cell, _SKIPPED, frozenset({"p"})) if local(p) == "p")
    return " ".join(" ".join(paragraphs).split())
