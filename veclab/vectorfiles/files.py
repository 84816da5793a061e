"""Vectors on disk: Parquet that any tool reads, and `.npz` for numpy users.

Parquet columns are `id`, `text`, `embedding` (fixed-size list of float32), `tokens` (int32),
`truncated` (bool), then the caller's own. The Space is in the schema metadata under
`veclab.space`, the Recipe under `veclab.recipe`, the Report under `veclab.report`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, first_line
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.vectorfiles.checked import (
    as_facts,
    as_matrix,
    as_strings,
    facts_in,
    opened_npz,
    opened_parquet,
)
from veclab.vectorfiles.foreign import foreign_vectors, refuse_foreign
from veclab.vectorfiles.quantized import Codes
from veclab.vectorfiles.schema import OWN_COLUMNS, RECIPE_KEY, REPORT_KEY, SPACE_KEY
from veclab.vectorfiles.sidecar import has_sidecar, read_plain
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class ParquetSink:
    """Writes Vectors block by block into one Parquet file; use it inside `atomic`."""

    def __init__(
        self, path: Path, space: Space, recipe: Recipe | None = None, *, embedding: bool = True
    ) -> None:
        self._path, self.space, self._recipe = path, space, recipe
        self._embedding = embedding  # False: all but the vectors, which are in another file
        self._more: dict[str, str] = {}
        self._writer: pq.ParquetWriter | None = None

    def add(self, key: bytes, value: str) -> None:
        """Add a fact to the file's metadata."""
        self._more[key.decode()] = value

    def __enter__(self) -> Self:
        return self

    def write(self, vectors: Vectors) -> None:
        """Append one block as a row group."""
        import pyarrow.parquet as pq

        table = to_table(vectors)
        if not self._embedding:
            table = table.drop_columns(["embedding"])
        if self._writer is None:
            # Of the vectors: what a model's first answer tells of it is in theirs.
            metadata = {SPACE_KEY: vectors.space.to_json().encode()}
            if self._recipe is not None:
                metadata[RECIPE_KEY] = self._recipe.to_json().encode()
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema.with_metadata(metadata),
                # Vectors are as good as random bits: compressing them costs time and saves nothing.
                compression={
                    name: "NONE" if name.startswith("embedding.") else "ZSTD"
                    for name in _leaves(table.schema)
                },
                use_dictionary=[n for n in _leaves(table.schema) if not n.startswith("embedding.")],
            )
        self._writer.write_table(table)

    def finish(self, report: Report | None, facts: Mapping[str, str] | None = None) -> None:
        """Close the file, with the report and other facts in its metadata."""
        if self._writer is None:
            dim = self.space.dimensions
            self.write(Vectors(np.zeros((0, dim), np.float32), self.space, ids=[]))
        assert self._writer is not None
        if report is not None:
            self._more[REPORT_KEY.decode()] = json.dumps(report.to_dict())
        if more := self._more | dict(facts or {}):
            self._writer.add_key_value_metadata(more)
        self._writer.close()
        self._writer = None

    def __exit__(self, *exc: object) -> None:
        if self._writer is not None:
            with suppress(Exception):  # the file is thrown away; the first error is the story
                self._writer.close()


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the Parquet paths of all leaf columns."""
    import pyarrow.parquet as pq

    sink = BytesIO()
    pq.write_table(schema.empty_table(), sink)
    parquet = pq.ParquetFile(sink).schema
    return [parquet.column(i).path for i in range(len(parquet))]


def to_table(vectors: Vectors) -> pa.Table:
    """Return the Arrow table to write: the five columns, then the caller's own."""
    import pyarrow as pa

    n, dim = vectors.array.shape
    flat = pa.array(vectors.array.reshape(-1))
    columns: dict[str, Any] = {
        "id": pa.array(vectors.ids, pa.string()),
        "text": pa.nulls(n, pa.string())
        if vectors.texts is None
        else pa.array(vectors.texts, pa.string()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, dim),
        "tokens": pa.array([None] * n if vectors.tokens is None else vectors.tokens, pa.int32()),
        "truncated": pa.array(
            [None] * n if vectors.truncated is None else vectors.truncated, pa.bool_()
        ),
    }
    table = pa.table(columns)
    if vectors.columns is None:
        return table
    for field, column in zip(vectors.columns.schema, vectors.columns.columns, strict=True):
        if field.name in OWN_COLUMNS:
            raise InputError(
                f"the column name {field.name!r} is reserved by veclab: rename the column"
            )
        table = table.append_column(field, column)
    return table


def save(vectors: Vectors, path: Path) -> Path:
    """Write Vectors to `.parquet`, `.npz`, `.npy`, `.jsonl` or `.csv`; returns the path.

    The last three have no place for the Space: it lies beside them (`veclab.vectorfiles.sidecar`).

    Raises:
        InputError: another suffix, or columns that an .npz has no place for.
        OutputError: it cannot be written.
    """
    from veclab.vectorfiles.sidecar import writing

    with writing(path, vectors.space) as sink:
        sink.write(vectors)
        sink.finish(vectors.report)
    return path


# The arrays of an .npz: dimensions and kinds of numpy.
_NPZ_PARTS = {
    "embedding": (2, "fiu"),
    "id": (1, "U"),
    "space": (0, "U"),
    "text_utf8": (1, "u"),
    "text_ends": (1, "iu"),
    "tokens": (1, "iu"),
    "truncated": (1, "b"),
}


def read(path: str | Path) -> Vectors:
    """Read what `Vectors.save` or `veclab embed` wrote.

    Raises:
        InputError: the file is missing, damaged, or was not written by veclab.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"there is no file {path}")
    refuse_foreign(path)
    if has_sidecar(path):
        return read_plain(path)
    return _read_npz(path) if path.suffix == ".npz" else _read_parquet(path)


def holds_vectors(path: Path) -> bool:
    """Return whether a file holds vectors with their Space, not texts; False if missing."""
    if foreign_vectors(path) is not None:
        return False
    if path.suffix == ".npz" or has_sidecar(path):
        return True
    try:
        with open_parquet(path):
            return True
    except InputError:
        return False


def _not_ours(path: Path) -> InputError:
    return InputError(
        f"{path} does not record the Space of its vectors, so they cannot be compared safely. "
        "Embed its texts with `veclab embed`, or declare the model of its vectors with "
        "`veclab adopt`"
    )


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file that veclab wrote, for `with`; raises InputError for any other."""
    with opened_parquet(path) as file:
        schema = file.schema_arrow
        if SPACE_KEY not in (schema.metadata or {}) or not set(OWN_COLUMNS) <= set(schema.names):
            raise _not_ours(path)
        yield file


def space_of(file: pq.ParquetFile, path: Path) -> Space:
    """Return the Space of an open file of ours."""
    return facts_in(path, Space.from_json, file.schema_arrow.metadata[SPACE_KEY])


def report_of(file: pq.ParquetFile, path: Path) -> Report | None:
    """The report is written last, so it is in the file's metadata and not in the schema's."""
    text = (file.metadata.metadata or {}).get(REPORT_KEY)
    return None if text is None else facts_in(path, Report.from_json, text)


def vector_blocks(
    file: pq.ParquetFile, path: Path, dimensions: int, also: Sequence[str] = (), rows: int = 8192
) -> Iterator[tuple[NDArray[np.float32], pa.RecordBatch]]:
    """Yield the vectors of an open file of ours block by block, with its batch of the columns.

    Raises:
        InputError: a row has no vector, or one of another length than the Space says.
    """
    done = 0
    codes = Codes.read(file.schema_arrow.metadata, path.name)
    width = dimensions if codes is None else codes.width
    for batch in file.iter_batches(rows, columns=["embedding", *also]):
        array, missing = as_matrix(batch["embedding"], width, path.name, done)
        if missing.any():
            raise InputError(
                f"{path}, row {done + int(missing.argmax()) + 1}: the vector is missing"
            )
        yield array if codes is None else codes.decode(array), batch
        done += len(array)


def _read_parquet(path: Path) -> Vectors:
    with open_parquet(path) as file:
        space = space_of(file, path)
        rest = [name for name in file.schema_arrow.names if name != "embedding"]
        array = _read_array(file, path, space.dimensions)
        return assembled(path, array, space, file.read(columns=rest), report_of(file, path))


def assembled(
    path: Path, array: NDArray[np.float32], space: Space, table: pa.Table, report: Report | None
) -> Vectors:
    """Put Vectors together from an array and a table of all else, as `to_table` makes it."""
    texts = as_strings(table["text"], f"{path}: the column of texts")
    ids = as_strings(table["id"], f"{path}: the column of ids")
    facts = {
        name: as_facts(table[name].combine_chunks(), name, path) for name in ("tokens", "truncated")
    }
    if None in ids:
        raise InputError(f"{path}, row {ids.index(None) + 1}: there is no id")
    own = table.select([name for name in table.column_names if name not in OWN_COLUMNS])
    own = own.replace_schema_metadata(None)
    return Vectors(
        array=array,
        space=space,
        ids=cast(list[str], ids),
        texts=None if None in texts else cast(list[str], texts),
        columns=own if own.num_columns else None,
        report=report,
        **facts,
    )


def _read_array(file: pq.ParquetFile, path: Path, dimensions: int) -> NDArray[np.float32]:
    """Read the vectors, float32 (n, dim), in blocks: a million are in memory only once."""
    rows = file.metadata.num_rows
    array = np.empty((rows, dimensions), dtype=np.float32)
    done = 0
    for block, _ in vector_blocks(file, path, dimensions):
        if done + len(block) <= rows:
            array[done : done + len(block)] = block
        done += len(block)
    if done != rows:
        raise InputError(f"{path} is damaged: {rows:,} rows are promised, {done:,} are there")
    return array


def _read_npz(path: Path) -> Vectors:
    with opened_npz(path) as file:
        if not {"embedding", "id", "space"} <= set(file.files):
            raise _not_ours(path)
        parts = {name: file[name] for name in _NPZ_PARTS if name in file.files}
    for name, part in parts.items():
        shape, kinds = _NPZ_PARTS[name]
        if part.ndim != shape or part.dtype.kind not in kinds:
            raise InputError(
                f"{path}: the array {name!r} has the shape {part.shape} and the type {part.dtype}, "
                "which veclab did not write"
            )
    space = facts_in(path, Space.from_json, str(parts["space"]))
    try:
        return Vectors(
            array=parts["embedding"],
            space=space,
            ids=parts["id"].tolist(),
            texts=_npz_texts(parts),
            tokens=parts.get("tokens"),
            truncated=parts.get("truncated"),
        )
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {first_line(error)}") from None


def _npz_texts(parts: dict[str, NDArray[Any]]) -> list[str] | None:
    if not {"text_ends", "text_utf8"} <= set(parts):
        return None
    blob, ends = parts["text_utf8"].tobytes(), parts["text_ends"]
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    if (ends < starts).any() or (len(ends) and (ends[0] < 0 or ends[-1] != len(blob))):
        raise InputError("its texts do not end where it says")
    return [blob[a:b].decode() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
