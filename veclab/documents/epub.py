"""EPUB: the chapters in reading order, each read as the HTML it is."""

from __future__ import annotations

from urllib.parse import unquote

from veclab.documents.building import Builder
from veclab.documents.document import Extracted
from veclab.documents.html import read_into
from veclab.documents.limits import Unreadable
from veclab.documents.ooxml import Package, attribute, dublin_core, local, resolve


def read_epub(data: bytes, limit: int) -> Extracted:
    """The words of a book; its own table of contents is left out."""
    package = Package(data, limit)
    container = "META-INF/container.xml"
    if container not in package.names:
        raise Unreadable("it is no EPUB book: it does not say where its contents are")
    book = next(
        (
            attribute(e, "full-path")
            for e in package.xml(container).iter()
            if local(e) == "rootfile"
        ),
        None,
    )
    if book is None or book not in package.names:
        raise Unreadable("it does not say where its contents are")
    root = package.xml(book)
    items = {
        item.get("id", ""): (resolve(book, item.get("href", "")), item.get("properties") or "")
        for item in root.iter()
        if local(item) == "item"
    }
    locked = _locked(package)
    builder, missing = Builder(), []
    for reference in root.iter():
        if local(reference) != "itemref" or reference.get("idref", "") not in items:
            continue
        part, properties = items[reference.get("idref", "")]
        if part in locked:
            raise Unreadable("it is encrypted: its seller's software alone can open it")
        if part not in package.names:
            missing.append(part)
        elif "nav" not in properties.split():
            read_into(builder, package.read(part))
    notes = [f"chapters that it names and does not hold: {', '.join(missing)}"] if missing else []
    metadata = dublin_core(root)
    return Extracted(
        builder.text, builder.blocks, metadata.pop("title", ""), metadata=metadata, notes=notes
    )


def _locked(package: Package) -> set[str]:
    """The parts that are encrypted: fonts may be, where the words are not."""
    name = "META-INF/encryption.xml"
    if name not in package.names:
        return set()
    references = (e for e in package.xml(name).iter() if local(e) == "CipherReference")
    return {unquote(reference.get("URI", "")) for reference in references}
