"""Cutting a document into chunks that a model can read whole: structure first, then tokens."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from veclab.documents.document import Block, Chunk, Document
from veclab.errors import InputError, MissingExtra

CountTokens: TypeAlias = Callable[[list[str]], Sequence[int]]

# A section shorter than this share of a chunk goes together with the next one.
_SMALL = 8
_SEPARATOR = " > "


def chunk_document(
    document: Document,
    count_tokens: CountTokens,
    *,
    chunk_size: int = 256,
    overlap: int = 0,
    heading_in_text: bool = True,
) -> list[Chunk]:
    """Cut a document at its headings, then at paragraphs, sentences and words.

    Args:
        document: to cut.
        count_tokens: tokens of each text as the model counts them, special tokens and the role's
            prompt included, cutting nothing: `partial(model.count_tokens, role="document")`.
        chunk_size: the most tokens of a chunk, by `count_tokens`, its headings included; no more
            than the model reads.
        overlap: tokens at a chunk's beginning that the one before it ends with, at most.
        heading_in_text: whether a chunk is embedded with the headings it stands under.

    Returns:
        Chunks in order; `document.text[chunk.start:chunk.end] == chunk.text` holds for each, and
        none is over `chunk_size`. Together they hold every word of the document.

    Raises:
        InputError: `chunk_size` leaves no room for words, or `overlap` is not under half of it.
        MissingExtra: semantic-text-splitter is not installed.
    """
    frame = count_tokens([""])[0]  # special tokens and the prompt
    if chunk_size < frame + 8:
        raise InputError(
            f"chunk_size {chunk_size} is too small: the model adds {frame} tokens to every text, "
            f"and 8 are the least for words, so {frame + 8} is the least"
        )
    if not 0 <= overlap <= chunk_size // 2:
        raise InputError(f"overlap must be from 0 to half of chunk_size, not {overlap}")
    cutter = _Cutter(document, count_tokens, chunk_size, overlap, frame)
    return list(cutter.chunks(heading_in_text))


class _Cutter:
    def __init__(
        self, document: Document, count_tokens: CountTokens, size: int, overlap: int, frame: int
    ) -> None:
        self.document, self.count = document, count_tokens
        self.size, self.overlap, self.frame = size, overlap, frame

    def chunks(self, heading_in_text: bool) -> Iterator[Chunk]:
        for start, end, headings in self._sections():
            prefix = self._prefix(headings, start) if heading_in_text else ""
            for first, last in self._spans(start, end, prefix):
                yield self._chunk(first, last, headings, prefix)

    def _sections(self) -> list[tuple[int, int, tuple[str, ...]]]:
        """Runs of blocks under one heading path; tiny ones together with what follows."""
        runs = [list(group) for _, group in itertools.groupby(self.document.blocks, _path_of)]
        text = self.document.text
        spans = [(run[0].start, run[-1].end) for run in runs]
        tokens = self.count([text[start:end] for start, end in spans]) if spans else []
        sections: list[tuple[int, int, tuple[str, ...]]] = []
        sizes: list[int] = []
        for run, (start, end), size in zip(runs, spans, tokens, strict=True):
            only_heading = bool(sections) and sizes[-1] * _SMALL <= self.size
            if only_heading and sizes[-1] + size <= self.size:
                before = sections[-1]
                sections[-1] = (before[0], end, _shared(before[2], run[0].headings))
                sizes[-1] += size
            else:
                sections.append((start, end, run[0].headings))
                sizes.append(size)
        return sections

    def _prefix(self, headings: tuple[str, ...], start: int) -> str:
        """The heading path for the model, no longer than a third of a chunk.

        A heading that the chunk's own text begins with comes once all the same: only the first
        chunk of a section has it in its text.
        """
        for first in range(len(headings)):
            prefix = _SEPARATOR.join(headings[first:]) + "\n"
            if self.count([prefix])[0] - self.frame <= self.size // 3:
                return prefix
        return ""

    def _spans(self, start: int, end: int, prefix: str) -> list[tuple[int, int]]:
        """Spans whose text with the prefix is within the size."""
        text = self.document.text[start:end]
        if self.count([prefix + text])[0] <= self.size:
            return [_trimmed(self.document.text, start, end)]
        try:
            from semantic_text_splitter import TextSplitter
        except ImportError:
            raise MissingExtra("documents", "cutting documents into chunks") from None
        rest = self.count([prefix])[0] - self.frame if prefix else 0
        capacity = self.size - self.frame - rest
        overlap = min(self.overlap, capacity // 2)
        splitter = TextSplitter.from_callback(self._words, capacity, overlap=overlap)
        return [
            (start + offset, start + offset + len(part))
            for offset, part in splitter.chunk_indices(text)
        ]

    def _words(self, text: str) -> int:
        return self.count([text])[0] - self.frame

    def _chunk(self, start: int, end: int, headings: tuple[str, ...], prefix: str) -> Chunk:
        text = self.document.text[start:end]
        page = self.document.page_at(start)
        block = self.document.block_at(start)
        return Chunk(
            text,
            start,
            end,
            headings,
            prefix,
            page.number if page else None,
            self.document.boxes(start, end),
            self.count([prefix + text])[0],
            block.anchor if block else "",
        )


def _path_of(block: Block) -> tuple[str, ...]:
    return block.headings


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The path that two sections stand under; the longer one where one leads to the other."""
    if second[: len(first)] == first:
        return second
    return tuple(
        a for a, b in itertools.takewhile(lambda p: p[0] == p[1], zip(first, second, strict=False))
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
