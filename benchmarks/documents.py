"""Real pages of PDF and HTML: read, cut, embedded, and every chunk found again in its source.

    python -m benchmarks.documents FOLDER result.json

Debian's documentation packages make a good folder, without being installed:

    apt-get download debian-policy developers-reference debian-reference-en maint-guide \\
        debian-faq debmake-doc bash-doc
    for package in *.deb; do dpkg-deb -x $package docs; done

A chunk counts as found when what it holds of a page stands there as a reader of another make sees
it: for PDF, PDFium's text of the whole page, and its text inside the rectangles that the chunk
names; for HTML, the standard library's parser; for other formats, the file itself. White space and
hyphens at the ends of lines are left out of the comparison.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import veclab
from benchmarks.facts import machine
from veclab.documents import Chunk, Document, Skipped, chunk_document, read_documents


def bare(text: str) -> str:
    """A text without white space and hyphens, which line breaks put in and take out."""
    return re.sub(r"[\s\x02\ufffe-]+", "", text)


def content(document: Document) -> bytes:
    data = Path(document.path).read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def parts(chunk: Chunk, document: Document) -> Iterator[tuple[int, int]]:
    """What a chunk holds of each block: something may be left out between two, such as
    navigation."""
    first = bisect_right(document.blocks, chunk.start, key=lambda block: block.start) - 1
    for block in document.blocks[max(first, 0) :]:
        if block.start >= chunk.end:
            break
        start, end = max(chunk.start, block.start), min(chunk.end, block.end)
        if start < end:
            yield start, end


class Words(HTMLParser):
    """All character data of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.feed(page)
        self.close()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


class PdfSource:
    def __init__(self, document: Document) -> None:
        import pypdfium2

        self.document = document
        self.pdf = pypdfium2.PdfDocument(content(document))
        self.pages = [page.get_textpage() for page in self.pdf]
        self.texts = [bare(page.get_text_range()) for page in self.pages]

    def misses(self, chunk: Chunk) -> bool:
        return any(
            bare(self.document.text[max(start, page.start) : min(end, page.end)])
            not in self.texts[page.number - 1]
            for start, end in parts(chunk, self.document)
            for page in self.document.pages
            if max(start, page.start) < min(end, page.end)
        )

    def outside_boxes(self, chunk: Chunk) -> bool:
        """Whether words of the chunk are not in the rectangles that it names."""
        seen: Counter[str] = Counter()
        for box in chunk.boxes:
            # Half a point more: rectangles are given to a hundredth of one.
            inside = self.pages[box.page - 1].get_text_bounded(
                box.left - 0.5, box.bottom - 0.5, box.right + 0.5, box.top + 0.5
            )
            seen.update(bare(inside))
        return bool(Counter(bare(chunk.text)) - seen)


class HtmlSource:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = bare("".join(Words(content(document).decode("utf-8", "replace")).parts))

    def misses(self, chunk: Chunk) -> bool:
        text = self.document.text
        return any(
            bare(text[start:end]) not in self.text for start, end in parts(chunk, self.document)
        )


class FileSource:
    def __init__(self, document: Document) -> None:
        self.text = content(document).decode("utf-8", "replace").removeprefix("\ufeff")

    def misses(self, chunk: Chunk) -> bool:
        return self.text[chunk.start : chunk.end] != chunk.text


SOURCES = {"pdf": PdfSource, "html": HtmlSource}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--chunk-size", type=int, default=256)
    parser.add_argument("--overlap", type=int, default=32)
    parser.add_argument("--no-embedding", action="store_true", help="read, cut and check only")
    options = parser.parse_args()
    facts = machine()
    model = veclab.load(options.model, cache=False)
    count = partial(model.count_tokens, role="document")
    cpu = time.process_time()
    seconds: Counter[str] = Counter()
    pages: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    found: list[tuple[Document, list[Chunk]]] = []
    documents = iter(read_documents(options.folder))
    while True:
        start = time.perf_counter()
        document = next(documents, None)
        seconds["read"] += time.perf_counter() - start
        if document is None:
            break
        if isinstance(document, Skipped):
            skipped[re.sub(r"\(to .*?\)", "", document.reason)] += 1
            continue
        assert isinstance(document, Document)
        start = time.perf_counter()
        chunks = chunk_document(
            document, count, chunk_size=options.chunk_size, overlap=options.overlap
        )
        seconds["cut"] += time.perf_counter() - start
        pages[document.kind] += len(document.pages) or 1
        found.append((document, chunks))
    texts = [chunk.to_embed for _, chunks in found for chunk in chunks]
    if not options.no_embedding:
        start = time.perf_counter()
        assert model.embed(texts, role="document").report.truncated == 0
        seconds["embed"] = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu = time.process_time() - cpu
    spans = boxes = inexact = 0
    for document, chunks in found:
        source = SOURCES.get(document.kind, FileSource)(document)
        for chunk in chunks:
            inexact += document.text[chunk.start : chunk.end] != chunk.text
            spans += source.misses(chunk)
            boxes += isinstance(source, PdfSource) and source.outside_boxes(chunk)
    total = sum(seconds.values())
    result = {
        "documents": len(found),
        "pages": dict(pages),
        "pages in all": sum(pages.values()),
        "characters": sum(len(document.text) for document, _ in found),
        "chunks": len(texts),
        "tokens": sum(chunk.tokens for _, chunks in found for chunk in chunks),
        "left out": dict(skipped),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "embedded": not options.no_embedding,
        "pages a second": round(sum(pages.values()) / total, 1),
        "chunks whose span is not their text": inexact,
        "chunks not found in their source": spans,
        "chunks with words outside their rectangles": boxes,
        "chunks over the size": sum(
            chunk.tokens > options.chunk_size for _, chunks in found for chunk in chunks
        ),
        "cpu seconds of this process, parsing left out": round(cpu, 1),
        "peak MB": round(peak / 1000),
        "model": str(model.space),
        "machine": facts,
        "load average after": round(os.getloadavg()[0], 1),
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
