"""The vectors of an Arrow file or stream (Feather, Hugging Face's datasets), in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from veclab.errors import InputError, first_line
from veclab.vectorfiles.blocks import BATCH
from veclab.vectorfiles.parquet import ParquetVectors


class ArrowFileVectors(ParquetVectors):
    """The vectors of an Arrow file, read batch by batch."""

    def _facts(self) -> tuple[Any, int, Mapping[bytes, bytes]]:
        with _opened(self._path) as (schema, batches):
            if len(set(schema.names)) < len(schema.names):
                raise InputError(f"{self._path} has several columns of the same name")
            return schema, sum(batch.num_rows for batch in batches), schema.metadata or {}

    def _batches(self, columns: list[str]) -> Iterator[Any]:
        with _opened(self._path) as (_, batches):
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH):
                    chosen = batch.slice(start, BATCH).select(columns)
                    chosen.validate(full=True)
                    yield chosen

    def _take(self, column: str, positions: Sequence[int]) -> list[Any]:
        wanted = np.unique(np.asarray(positions, dtype=np.intp))
        values: dict[int, Any] = {}
        done = 0
        for batch in self._batches([column]) if len(wanted) else ():
            here = wanted[(wanted >= done) & (wanted < done + batch.num_rows)]
            values.update(
                zip(here.tolist(), batch[column].take(here - done).to_pylist(), strict=True)
            )
            done += batch.num_rows
        return [values[p] for p in positions]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Iterator[Any]]]:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                reader = pa.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
            except pa.ArrowInvalid:
                source.seek(0)
                reader = pa.ipc.open_stream(source)
                batches = iter(reader)
            yield reader.schema, batches
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not a complete Arrow file (truncated or damaged?): {first_line(error)}"
        ) from None
