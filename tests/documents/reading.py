"""Reading one file in a test."""

from __future__ import annotations

from veclab.documents import Document, Limits, Skipped, read_documents


def read_one(folder, name: str, data: bytes | str, limits: Limits | None = None):
    """What comes of a file of that name."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    (found,) = read_documents(path, limits=limits)
    return found


def blocks(document: Document) -> list[tuple[str, tuple[str, ...], str]]:
    """Kind, headings and words of each block."""
    assert not isinstance(document, Skipped), document
    return [(b.kind, b.headings, document.text[b.start : b.end]) for b in document.blocks]
