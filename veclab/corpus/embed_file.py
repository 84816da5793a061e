"""From a file of texts to a file of vectors, in flat memory and safe to interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.corpus import as_source
from veclab.corpus.passages import blocks_of, check_passages
from veclab.errors import InputError
from veclab.model import Model
from veclab.pipeline.embed import embed_block
from veclab.pipeline.run import OnEmpty, Run
from veclab.report import Report
from veclab.space import OnLong, Role
from veclab.vectorfiles.quantized import Quantization
from veclab.vectorfiles.sidecar import check_quantize, check_suffix, writing
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.corpus import Block, Source
    from veclab.corpus.find import Input


def embed_file(
    model: Model,
    source: Source | Input,
    output: str | Path,
    *,
    column: str | Sequence[str] | None = None,
    id_column: str | None = None,
    role: Role | None = None,
    on_long: OnLong = "truncate",
    on_empty: OnEmpty = "skip",
    prepare: Iterable[str] = (),
    chunks: bool = False,
    quantize: Quantization | None = None,
    max_cost: float | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Report:
    """Embed a corpus into a file of vectors, which appears whole or not at all.

    Every batch is in the cache before the next one lands. A run that was killed and is started
    again takes those from there, and ends in the same file.

    Args:
        model: of `veclab.load`.
        source: the path of a file or folder of texts, a pattern, an address, or a list of these
            (see `veclab.open_source`); or what `veclab.open_source` gives, which
            has more options.
        column, id_column: of a path: which columns hold the texts and their ids; by default
            those named "text" and "id", or the only column of strings and the record's number.
            Several columns of texts are joined, with a blank line between them.
        output: a path ending in `.parquet`, `.npz`, `.npy`, `.jsonl` or `.csv`. The last three have
            no place for the Space, which is written beside them (`NAME.veclab.parquet`).
        chunks: embed passages of at most the model's limit, a vector for each, instead of texts:
            columns `document`, `start` and `end` say what each is of its text.
        quantize: write a byte (`int8`) or a bit (`binary`) a dimension, as `compare` measures it;
            the Space says so, and `nearest_in_file` rounds queries alike.
        role, on_long, on_empty, prepare, on_done: as in `Model.embed`.
        max_cost: dollars. The whole run is planned first, and not begun if it would cost more.

    Raises:
        InputError, OutputError, and what `Model.embed` raises.
    """
    output = Path(output)
    source = as_source(source, column, id_column)
    prepare = (prepare,) if isinstance(prepare, str) else tuple(prepare)
    check_suffix(output)
    if quantize is not None:
        check_quantize(output, quantize)
    if output.suffix == ".npz" and (chunks or len(source.schema)):
        names = ", ".join(source.schema.names) or "the spans of chunks"
        raise InputError(
            f"an .npz file has no place for other columns ({names}): write .parquet, .npy, .jsonl "
            "or .csv, or leave them out with --drop"
        )
    if chunks:
        check_chunks(on_long)
        check_passages(source.schema, model.max_tokens)
    run = model.start(
        role=role,
        on_long=on_long,
        on_empty=on_empty,
        prepare=prepare,
        max_cost=max_cost,
        on_done=on_done,
    )
    run.report.note(*source.notes)
    if model.cache is None:
        run.report.note("no cache: a run that is interrupted starts from the beginning")
    if max_cost is not None:
        from veclab.corpus.plan import check_cost

        policies: dict[str, Any] = {"role": role, "on_long": on_long, "prepare": prepare}
        check_cost(model, source, max_cost, chunks=chunks, **policies)
    with writing(output, run.space, run.recipe, quantize) as sink:
        blocks = blocks_of(source, model, role, prepare, chunks)
        for vectors in embedded_blocks(model, run, source, blocks):
            sink.write(vectors)
        report = model.finish(run)
        sink.finish(report)
    return report


def check_chunks(on_long: str | None) -> None:
    """Raise InputError for a policy that has nothing to do where texts are cut into passages."""
    if on_long == "split":
        raise InputError("chunks are never over the limit: leave on_long='split' out")


def embedded_blocks(
    model: Model, run: Run, source: Source, blocks: Iterable[Block] | None = None
) -> Iterator[Vectors]:
    """Yield the vectors of a corpus, a block at a time, with its own columns.

    Args:
        model, run: what to do.
        source: the corpus.
        blocks: of its passages; by default those of its texts.

    Raises:
        What `Source.blocks` and `embed_block` raise.
    """
    if blocks is None:
        limits = model.provider.limits
        blocks = source.blocks(limits.block_texts, max_chars=limits.block_chars)
    for block in blocks:
        part = embed_block(run, block.ids, block.texts)
        yield Vectors(
            array=part.vectors,
            space=run.space,
            ids=part.ids,
            texts=part.texts,
            tokens=part.tokens,
            truncated=part.truncated,
            columns=None if block.columns is None else block.columns.take(part.kept),
        )
