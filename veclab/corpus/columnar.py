"""Parquet and Arrow files (Feather, and what Hugging Face's datasets keeps) as chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from veclab.corpus.file import Chunk, File
from veclab.errors import InputError
from veclab.vectorfiles.schema import SPACE_KEY

OLD_RESULTS = ("embedding", "tokens", "truncated")
_MAPPED = 256 << 20  # bytes of an Arrow file from which on it is mapped


def parquet_chunks(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    """Yield the rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.path.stat().st_size == 0:
        return
    done = [0]
    try:
        # A buffer streams a column chunk, which may be as big as the file, instead of loading it.
        with pq.ParquetFile(file.path, buffer_size=1 << 20, pre_buffer=False) as source:
            names = _names(file, source.schema_arrow)
            rows = min(size, _rows_within(source, max_chars))
            batches = source.iter_batches(rows, columns=names)
            yield from _chunks(batches, names, source.schema_arrow, max_chars, done)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(file, "Parquet", error, done[0]) from error


def arrow_chunks(file: File, size: int, max_chars: int) -> Iterator[Chunk]:
    """Yield the rows of an Arrow file or stream."""
    import pyarrow as pa

    if file.path.stat().st_size == 0:
        return
    done = [0]
    try:
        with arrow_source(file.path) as source:
            reader, batches = arrow_batches(source)
            names = _names(file, reader.schema)
            parts = (
                batch.slice(start, size)
                for batch in batches
                for start in range(0, batch.num_rows, size)
            )
            yield from _chunks(parts, names, reader.schema, max_chars, done)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(file, "Arrow", error, done[0]) from error


def arrow_source(path: Path) -> Any:
    """Return an opened Arrow file: mapped into memory where its batches may be large.

    Whoever cuts a mapped file short kills us (SIGBUS); one that is read is only damaged.
    """
    import pyarrow as pa

    mapped = path.stat().st_size > _MAPPED
    return pa.memory_map(str(path)) if mapped else pa.OSFile(str(path))


def arrow_batches(source: Any) -> tuple[Any, Iterator[Any]]:
    """Return the reader of an Arrow file or stream, and its batches."""
    import pyarrow as pa

    try:
        reader = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        stream = pa.ipc.open_stream(source)
        return stream, iter(stream)
    return reader, (reader.get_batch(i) for i in range(reader.num_record_batches))


def _names(file: File, schema: Any) -> list[str]:
    left_out = _old_results(schema)
    names = [name for name in schema.names if name not in left_out]
    if len(set(names)) < len(names):
        raise InputError(f"{file.name} has several columns of the same name: {names}")
    return names


def _damaged(file: File, kind: str, error: BaseException, done: int) -> InputError:
    return InputError(
        f"{file.name} is damaged, cut short or not {kind}: {error} (after row {done})"
    )


def _chunks(
    batches: Iterator[Any], names: list[str], schema: Any, max_chars: int, done: list[int]
) -> Iterator[Chunk]:
    left_out = _old_results(schema)
    for batch in batches:
        # By name once more: asking for "a" also brings a column called "a.b".
        batch = batch.select(names)
        batch.validate(full=True)
        for part in _cut(batch, max_chars):
            lines = range(done[0] + 1, done[0] + part.num_rows + 1)
            yield Chunk(lines, dict(zip(names, part.columns, strict=True)), part.schema, left_out)
            done[0] += part.num_rows


def _old_results(schema: Any) -> tuple[str, ...]:
    written_by_veclab = SPACE_KEY in (schema.metadata or {})
    return tuple(name for name in schema.names if written_by_veclab and name in OLD_RESULTS)


def _rows_within(source: Any, max_bytes: int) -> int:
    """Return how many rows to decode at once, by the average size in the file's footer."""
    meta = source.metadata
    groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
    widest = max((g.total_byte_size // g.num_rows for g in groups if g.num_rows), default=0)
    return max(1, max_bytes // max(1, widest))


def _cut(batch: Any, max_chars: int) -> Iterator[Any]:
    """Yield slices of an Arrow batch, each ending where its strings reach `max_chars` bytes."""
    import numpy as np

    total = np.cumsum(sum((_string_bytes(c) for c in batch.columns), np.zeros(len(batch), int)))
    start = 0
    while start < len(batch):
        before = total[start - 1] if start else 0
        stop = min(len(batch), int(np.searchsorted(total, before + max_chars)) + 1)
        yield batch.slice(start, stop - start)
        start = stop


def _string_bytes(array: Any) -> Any:
    """Return the bytes of every string of an Arrow array: (n,) int64; 0 for other types."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = _string_bytes(array.dictionary)
        indices = pc.fill_null(array.indices.cast(pa.int64()), -1)
        return np.append(lengths, 0)[indices]  # the appended 0 is the length of a null
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return np.zeros(len(array), np.int64)
    return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False)
