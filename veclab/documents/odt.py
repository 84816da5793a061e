"""OpenDocument text: headings, paragraphs and tables."""

from __future__ import annotations

from veclab.documents.building import Builder
from veclab.documents.document import Extracted
from veclab.documents.limits import Unreadable
from veclab.documents.ooxml import Element, Package, attribute, dublin_core, local, walk

_SKIPPED = frozenset({"tracked-changes", "annotation", "sequence-decls", "table-of-content"})


def read_odt(data: bytes, limit: int) -> Extracted:
    """The words of a text document; deleted passages and comments are left out."""
    package = Package(data, limit)
    if "content.xml" not in package.names:
        raise Unreadable("it is no OpenDocument file: it has no contents")
    builder = Builder()
    for item in walk(package.xml("content.xml"), _SKIPPED, frozenset({"h", "p", "table"})):
        if local(item) == "h":
            builder.heading(int(attribute(item, "outline-level") or 1), _text(item))
        elif local(item) == "p":
            builder.add(_text(item))
        elif local(item) == "table":
            builder.add(_table(item), "table")
    metadata = dublin_core(package.xml("meta.xml")) if "meta.xml" in package.names else {}
    return Extracted(builder.text, builder.blocks, metadata.pop("title", ""), metadata=metadata)


def _text(element: Element) -> str:
    """Text and what follows each child, in order: OpenDocument mixes both."""
    parts = [element.text or ""]
    for item in element:
        name = local(item)
        if name == "s":
            parts.append(" " * min(int(attribute(item, "c") or 1), 100))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name not in _SKIPPED:
            parts.append(_text(item))
        parts.append(item.tail or "")
    return "".join(parts)


def _table(table: Element) -> str:
    rows = []
    for row in walk(table, _SKIPPED, frozenset({"table-row"})):
        if local(row) == "table-row":
            cells = (" ".join(_text(cell).split()) for cell in row if local(cell) == "table-cell")
            rows.append("\t".join(cells))
    return "\n".join(row for row in rows if row.strip())
