"""Texts as passages that the model reads whole: a vector each, with the span it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from veclab.corpus import Block, Source
from veclab.errors import InputError
from veclab.model import Model
from veclab.pipeline.long_texts import tokenize
from veclab.pipeline.prepare import Preparation, prepare_all
from veclab.pipeline.windows import split_text
from veclab.provider import EmbeddingProvider
from veclab.space import Role

if TYPE_CHECKING:
    import pyarrow as pa

SPAN_COLUMNS = ("document", "start", "end")


def check_passages(schema: pa.Schema, limit: int | None) -> None:
    """Raise InputError where passages cannot be made, or their spans have no place."""
    if limit is None:
        raise InputError(
            "this model reads texts of any length, so nothing says how long a passage is: give "
            "max_tokens (--max-tokens)"
        )
    if taken := [name for name in SPAN_COLUMNS if name in schema.names]:
        raise InputError(
            f"the column {taken[0]!r} has the name of one that passages have; leave it out with "
            f"--drop {taken[0]}, or rename it"
        )


def without_spans(
    columns: pa.Table | None, name: Callable[[str], str]
) -> tuple[pa.Table | None, pa.Table]:
    """Take the spans of passages from their columns; returns the caller's own, and the spans.

    Args:
        columns: of vectors of passages.
        name: gives a document the name it has among others.
    """
    import pyarrow as pa

    assert columns is not None
    documents = pa.array(map(name, columns["document"].to_pylist()), pa.string())
    spans = columns.select(SPAN_COLUMNS).set_column(0, "document", documents)
    own = columns.drop_columns(list(SPAN_COLUMNS))
    return own if own.num_columns else None, spans


def beside(table: pa.Table, other: pa.Table) -> pa.Table:
    """Return a table with the columns of another of as many rows behind its own."""
    for field in other.schema:
        table = table.append_column(field, other[field.name])
    return table


def passages(
    blocks: Iterable[Block],
    provider: EmbeddingProvider,
    role: Role | None,
    prepare: Iterable[str],
    limit: int,
    size: int,
) -> Iterator[Block]:
    """Cut the texts of blocks into passages within the limit, between words.

    A passage is `text[start:end]` of its document, counted in characters; the passages of a
    document follow each other without a gap. Its id is the document's with `#0`, `#1`, ...

    Args:
        blocks: of a `Source`.
        provider, role, prepare: what counts tokens, of what the model will read.
        limit: tokens of a passage, special tokens and prompt included.
        size: passages of a block that comes out, at most.
    """
    preparation = Preparation.of(prepare)

    def count(parts: list[str]) -> list[int]:
        read = prepare_all(preparation, parts)
        return [one.tokens for one in tokenize(provider, read, role, limit)]

    for block in blocks:
        texts = [text or "" for text in block.texts]
        rows: list[tuple[int, str, int, int]] = []
        for row, (text, tokens) in enumerate(zip(texts, count(texts), strict=True)):
            start = 0
            parts = split_text(text, tokens, limit, count) if tokens > limit else [text]
            for number, part in enumerate(parts):
                rows.append((row, f"{block.ids[row]}#{number}", start, start + len(part)))
                start += len(part)
        for first in range(0, len(rows), size):
            yield _block(block, texts, rows[first : first + size])


def _block(block: Block, texts: list[str], some: list[tuple[int, str, int, int]]) -> Block:
    import pyarrow as pa

    taken = [row for row, *_ in some]
    columns = {
        "document": pa.array([block.ids[row] for row in taken], pa.string()),
        "start": pa.array([start for _, _, start, _ in some], pa.int64()),
        "end": pa.array([end for *_, end in some], pa.int64()),
    }
    table = pa.table(columns)
    if block.columns is not None:
        table = beside(table, block.columns.take(taken))
    return Block(
        ids=[name for _, name, _, _ in some],
        texts=[texts[row][start:end] for row, _, start, end in some],
        columns=table,
    )


def blocks_of(
    source: Source, model: Model, role: Role | None, prepare: Iterable[str], chunks: bool
) -> Iterator[Block]:
    """Yield the blocks of a source as large as the model takes them, in passages if asked."""
    limits, limit = model.provider.limits, model.max_tokens
    blocks = source.blocks(limits.block_texts, max_chars=limits.block_chars)
    if not chunks:
        return blocks
    assert limit is not None
    return passages(blocks, model.provider, role, prepare, limit, limits.block_texts)
