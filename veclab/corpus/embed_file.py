"""From a file of texts to a file of vectors, in flat memory and safe to interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from veclab.atomic import atomic
from veclab.corpus import as_source
from veclab.errors import InputError
from veclab.model import Model
from veclab.pipeline.embed import embed_block
from veclab.pipeline.run import OnEmpty, Run
from veclab.report import Report
from veclab.space import OnLong, Role
from veclab.vectorfiles.files import ParquetSink
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.corpus import Source
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
    max_cost: float | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Report:
    """Embed a corpus into a Parquet file, which appears whole or not at all.

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
        output: a path ending in `.parquet`.
        role, on_long, on_empty, prepare, on_done: as in `Model.embed`.
        max_cost: dollars. The whole run is planned first, and not begun if it would cost more.

    Raises:
        InputError, OutputError, and what `Model.embed` raises.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise InputError(f"the output {output.name!r} must end in .parquet")
    source = as_source(source, column, id_column)
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

        check_cost(model, source, max_cost, role=role, on_long=on_long, prepare=prepare)
    with atomic(output) as temporary, ParquetSink(temporary, model.space, run.recipe) as sink:
        for vectors in embedded_blocks(model, run, source):
            sink.write(vectors)
        report = model.finish(run)
        sink.finish(report)
    return report


def embedded_blocks(model: Model, run: Run, source: Source) -> Iterator[Vectors]:
    """Yield the vectors of a corpus, a block at a time, with its own columns.

    Raises:
        What `Source.blocks` and `embed_block` raise.
    """
    limits = model.provider.limits
    for block in source.blocks(limits.block_texts, max_chars=limits.block_chars):
        part = embed_block(run, block.ids, block.texts)
        yield Vectors(
            array=part.vectors,
            space=model.space,
            ids=part.ids,
            texts=part.texts,
            tokens=part.tokens,
            truncated=part.truncated,
            columns=None if block.columns is None else block.columns.take(part.kept),
        )
