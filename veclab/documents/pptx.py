"""PowerPoint: each slide is a page, with its groups, tables and the speaker's notes."""

from __future__ import annotations

from veclab.documents.building import Builder
from veclab.documents.document import Extracted, Page
from veclab.documents.limits import Unreadable
from veclab.documents.ooxml import Element, Package, attribute, child, local, walk

_SKIPPED = frozenset({"Fallback", "rPr", "pPr", "endParaRPr", "bodyPr", "lstStyle"})
# Placeholders that hold no words of the slide's own.
_FURNITURE = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
_SHAPES = frozenset({"sp", "tbl"})
_TITLES = frozenset({"title", "ctrTitle"})


def read_pptx(data: bytes, limit: int) -> Extracted:
    """The slides in the order they are shown, hidden ones included and noted."""
    package = Package(data, limit)
    main = "ppt/presentation.xml"
    if main not in package.names:
        raise Unreadable("it is no PowerPoint presentation: it has no list of slides")
    targets = package.targets(main)
    listed = child(package.xml(main), "sldIdLst")
    items = () if listed is None else listed
    slides = [targets.get(_relation(item), ("", ""))[1] for item in items]
    builder, pages, hidden = Builder(), [], []
    for number, part in enumerate(slides, 1):
        if part not in package.names:
            raise Unreadable(f"its slide {number} is missing")
        before = len(builder.blocks)
        root = package.xml(part)
        if root.get("show") == "0":
            hidden.append(str(number))
        _slide(builder, root)
        for kind, notes in package.targets(part).values():
            if kind == "notesSlide" and notes in package.names:
                _notes(builder, package.xml(notes))
        start = builder.blocks[before].start if len(builder.blocks) > before else builder.length
        pages.append(Page(number, start, builder.length))
    remarks = [f"hidden slides, read as well: {', '.join(hidden)}"] if hidden else []
    metadata = package.core()
    title = metadata.pop("title", "")
    if title in ("", "PowerPoint Presentation") and builder.blocks and builder.blocks[0].headings:
        title = builder.blocks[0].headings[0]
    return Extracted(builder.text, builder.blocks, title, pages, metadata, remarks)


def _relation(item: Element) -> str:
    """The id of a relation, which is not the attribute of that name without a namespace."""
    return next((value for key, value in item.attrib.items() if key.endswith("}id")), "")


def _slide(builder: Builder, root: Element) -> None:
    shapes = [s for s in walk(root, _SKIPPED, _SHAPES) if local(s) in _SHAPES]
    title = next((s for s in shapes if _placeholder(s) in _TITLES and _text(s).strip()), None)
    builder.outline.leave(1)
    if title is not None:
        builder.heading(1, " ".join(_text(title).split()))
    for shape in shapes:
        if local(shape) == "tbl":
            builder.add(_table(shape), "table")
        elif shape is not title and _placeholder(shape) not in _FURNITURE:
            builder.add(_text(shape))


def _notes(builder: Builder, root: Element) -> None:
    for shape in walk(root, _SKIPPED, frozenset({"sp"})):
        if local(shape) == "sp" and _placeholder(shape) not in _FURNITURE:
            builder.add(_text(shape), "notes")


def _placeholder(shape: Element) -> str:
    mark = child(shape, "nvSpPr", "nvPr", "ph")
    return (attribute(mark, "type") or "body") if mark is not None else ""


def _text(shape: Element) -> str:
    """A paragraph a line."""
    lines = []
    for paragraph in walk(shape, _SKIPPED, frozenset({"p"})):
        if local(paragraph) == "p":
            parts = []
            for item in walk(paragraph, _SKIPPED, frozenset({"t"})):
                parts.append((item.text or "") if local(item) == "t" else "")
                parts.append("\n" if local(item) == "br" else "")
            lines.append("".join(parts))
    return "\n".join(line for line in lines if line.strip())


def _table(table: Element) -> str:
    rows = []
    for row in walk(table, _SKIPPED, frozenset({"tr"})):
        if local(row) == "tr":
            cells = [c for c in walk(row, _SKIPPED, frozenset({"tc"})) if local(c) == "tc"]
            rows.append("\t".join(" ".join(_text(cell).split()) for cell in cells))
    return "\n".join(row for row in rows if row.strip())
