"""Cutting a document into chunks that a model can read whole: structure first, then tokens."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from veclab.documents.document import Block, Chunk, Document
from veclab.errors import InputError, MissingExtra

CountTokens: TypeAlias = Callable[[list[str]], Sequence[int]]

# A section shorter than this share of a chunk goes together with the next one.
_SMALL = 8
_SEPARATOR = " > "
_FEWEST = 8  # tokens of words in a chunk
_LONG_WORD = 40  # characters; longer ones are script without spaces, or data, and rarely come again


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
    cutter = _Cutter(document, count_tokens, chunk_size, overlap)
    sections = cutter.sections()
    paths = cutter.prefixes(section.headings for section in sections) if heading_in_text else {}
    before = [paths.get(section.headings, ("", 0)) for section in sections]
    prefixes = [prefix for prefix, _ in before]
    cut = [
        cutter.spans(section, taken, cutter.quick)
        for section, (_, taken) in zip(sections, before, strict=True)
    ]
    tokens = cutter.tokens(prefixes, cut)
    for index, counts in enumerate(tokens):
        if max(counts, default=0) > chunk_size:  # the quick count said too little
            exact = cutter.spans(sections[index], before[index][1], cutter.exact)
            cut[index] = [part for span in exact for part in cutter.within(span, prefixes[index])]
            tokens[index] = cutter.tokens([prefixes[index]], [cut[index]])[0]
    return [
        _chunk(document, span, section.headings, prefix, count)
        for section, prefix, spans, counts in zip(sections, prefixes, cut, tokens, strict=True)
        for span, count in zip(spans, counts, strict=True)
    ]


class _Section(NamedTuple):
    """A run of blocks that is cut by itself; `tokens` is about what it has."""

    start: int
    end: int
    headings: tuple[str, ...]
    tokens: int


class _Cutter:
    """Cuts one document.

    The splitter asks for the tokens of many overlapping texts. `quick` answers with the sum over
    their words, each of which is counted once; the chunks that come out are counted as they are.
    """

    def __init__(
        self, document: Document, count_tokens: CountTokens, size: int, overlap: int
    ) -> None:
        self.document, self.count, self.size, self.overlap = document, count_tokens, size, overlap
        self.frame = count_tokens([""])[0]  # special tokens and the prompt
        if size < self.frame + _FEWEST:
            raise InputError(
                f"chunk_size {size} is too small: the model adds {self.frame} tokens to every "
                f"text, and {_FEWEST} are the least for words, so {self.frame + _FEWEST} is the "
                "least"
            )
        if not 0 <= overlap <= size // 2:
            raise InputError(f"overlap must be from 0 to half of chunk_size, not {overlap}")
        self._words: dict[str, int] = {}
        self._factor = 1.0

    def sections(self) -> list[_Section]:
        """Runs of blocks under one heading path; tiny ones together with what follows."""
        text = self.document.text
        runs = [list(group) for _, group in itertools.groupby(self.document.blocks, _path_of)]
        texts = [text[run[0].start : run[-1].end] for run in runs]
        sizes = [count - self.frame for count in self.count(texts)] if texts else []
        self._learn(texts, sizes)
        sections: list[_Section] = []
        for run, size in zip(runs, sizes, strict=True):
            section = _Section(run[0].start, run[-1].end, run[0].headings, size)
            before = sections[-1] if sections else None
            if (
                before is not None
                and before.tokens * _SMALL <= self.size
                and before.tokens + size <= self.size - self.frame
            ):
                path = _shared(before.headings, section.headings)
                sections[-1] = _Section(before.start, section.end, path, before.tokens + size)
            else:
                sections.append(section)
        return sections

    def prefixes(self, paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, int]]:
        """Each heading path for the model, with its tokens.

        Outer headings are left out where a path would take more than a third of a chunk.
        """
        ways = [(path, path[first:]) for path in set(paths) for first in range(len(path))]
        texts = [_SEPARATOR.join(way) + "\n" for _, way in ways]
        found: dict[tuple[str, ...], tuple[str, int]] = {}
        counts = self.count(texts) if texts else []
        for (path, _), text, count in zip(ways, texts, counts, strict=True):
            if count - self.frame <= self.size // 3:
                found.setdefault(path, (text, count - self.frame))
        return found

    def spans(
        self, section: _Section, taken: int, counter: Callable[[str], int]
    ) -> list[tuple[int, int]]:
        """Spans of a section that leave room for as many tokens as are taken, by that counter."""
        start, end = section.start, section.end
        text = self.document.text[start:end]
        capacity = self.size - self.frame - taken
        if counter(text) <= capacity:
            return [(start + len(text) - len(text.lstrip()), start + len(text.rstrip()))]
        try:
            from semantic_text_splitter import TextSplitter
        except ImportError:
            raise MissingExtra("documents", "cutting documents into chunks") from None
        overlap = min(self.overlap, capacity // 2)
        splitter = TextSplitter.from_callback(counter, capacity, overlap=overlap)
        parts = splitter.chunk_indices(text)
        return [(start + offset, start + offset + len(part)) for offset, part in parts]

    def within(self, span: tuple[int, int], prefix: str) -> list[tuple[int, int]]:
        """A span in parts that are within the size, cut anywhere.

        One letter with a thousand accents is over it, and the splitter keeps a letter whole.
        """
        start, end = span
        middle = (start + end) // 2
        text = prefix + self.document.text[start:end]
        if middle == start or self.count([text])[0] <= self.size:
            return [span]
        return self.within((start, middle), prefix) + self.within((middle, end), prefix)

    def tokens(
        self, prefixes: Sequence[str], cut: Sequence[Sequence[tuple[int, int]]]
    ) -> list[list[int]]:
        """The tokens of each span with its section's prefix."""
        text = self.document.text
        texts = [
            prefix + text[start:end]
            for prefix, spans in zip(prefixes, cut, strict=True)
            for start, end in spans
        ]
        counts = iter(self.count(texts) if texts else [])
        return [[next(counts) for _ in spans] for spans in cut]

    def exact(self, text: str) -> int:
        """The tokens of a text without special tokens and prompt."""
        return self.count([text])[0] - self.frame

    def quick(self, text: str) -> int:
        """About the tokens of a text: the sum over its words."""
        known = self._words
        total = 0
        for word in text.split():
            count = known.get(word)
            if count is None:
                count = self.exact(word)
                if len(word) <= _LONG_WORD:
                    known[word] = count
            total += count
        return math.ceil(total * self._factor)

    def _learn(self, texts: Sequence[str], sizes: Sequence[int]) -> None:
        """Count the document's words once, and what the sums over them lack."""
        words = list({word for text in texts for word in text.split() if len(word) <= _LONG_WORD})
        if words:
            counts = self.count(words)
            self._words = {w: n - self.frame for w, n in zip(words, counts, strict=True)}
        summed = sum(map(self.quick, texts))
        self._factor = max(1.0, sum(sizes) / summed) if summed else 1.0


def _chunk(
    document: Document, span: tuple[int, int], headings: tuple[str, ...], prefix: str, tokens: int
) -> Chunk:
    start, end = span
    page, block = document.page_at(start), document.block_at(start)
    return Chunk(
        document.text[start:end],
        start,
        end,
        headings,
        prefix,
        page.number if page else None,
        document.boxes(start, end),
        tokens,
        block.anchor if block else "",
    )


def _path_of(block: Block) -> tuple[str, ...]:
    return block.headings


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The path that two sections stand under; the longer one where one leads to the other."""
    if second[: len(first)] == first:
        return second
    pairs = zip(first, second, strict=False)
    return tuple(a for a, b in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
