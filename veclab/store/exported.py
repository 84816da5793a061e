"""A file that `veclab store export` wrote, taken into a store again: nothing is embedded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from veclab.space import Space
from veclab.store.fields import BUILT_IN, INTERNAL, NAME_KEY, own_field
from veclab.store.intake import Block, Intake, Reading
from veclab.store.rows import table_schema, to_passages, vectors_of
from veclab.vectorfiles.schema import OWN_COLUMNS, SPACE_KEY

if TYPE_CHECKING:
    import pyarrow as pa

# A store's columns that no other file of vectors has.
COLUMNS = tuple(name for name in (*BUILT_IN, *INTERNAL) if name not in OWN_COLUMNS)
_ROWS = 8192


def is_export(path: Path) -> bool:
    """Whether a Parquet file of vectors has a store's columns."""
    return set(COLUMNS) <= set(_schema(path).names)


def _schema(path: Path) -> pa.Schema:
    from veclab.vectorfiles.files import open_parquet

    with open_parquet(path) as file:
        return file.schema_arrow


def export_intake(path: Path) -> Intake:
    """Passages as the other store had them: documents, places and what was embedded stay."""
    found = _schema(path)
    space = Space.from_json(found.metadata[SPACE_KEY])
    own = [own_field(c) for c in found if c.name not in (*COLUMNS, *OWN_COLUMNS)]
    schema = table_schema(space, own)

    def blocks(state: Reading) -> Iterator[Block]:
        for rows in _rows(path, schema):
            pairs = zip(rows["document"].to_pylist(), rows["digest"].to_pylist(), strict=True)
            new = [i for i, pair in enumerate(pairs) if state.is_new(*pair)]
            if new:
                part = rows.take(new)
                digests, embedded = (part[name].to_pylist() for name in ("digest", "embedded"))
                yield Block(to_passages(part), digests, embedded, vectors_of(part))

    return Intake(str(path), str(path.resolve()), own, blocks, needs_model=False, space=space)


def _rows(path: Path, schema: pa.Schema) -> Iterator[pa.Table]:
    """The file's rows with the columns of a store's table."""
    import pyarrow as pa

    from veclab.vectorfiles.files import open_parquet

    names = [(f.metadata or {}).get(NAME_KEY, f.name.encode()).decode() for f in schema]
    with open_parquet(path) as file:
        for batch in file.iter_batches(_ROWS):
            columns = [batch[name].cast(f.type) for name, f in zip(names, schema, strict=True)]
            yield pa.table(columns, schema=schema)
