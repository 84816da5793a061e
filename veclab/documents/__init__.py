"""Documents as plain text with structure, and the chunks of them that are embedded."""

from veclab.documents.chunks import chunk_document
from veclab.documents.document import (
    Block,
    Box,
    Chunk,
    Document,
    Page,
    Skipped,
    Unchanged,
)
from veclab.documents.limits import Limits
from veclab.documents.reading import read_documents

__all__ = [
    "Block",
    "Box",
    "Chunk",
    "Document",
    "Limits",
    "Page",
    "Skipped",
    "Unchanged",
    "chunk_document",
    "read_documents",
]
