"""The vectors of a store, to be mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from veclab.errors import InputError
from veclab.store.fields import BUILT_IN
from veclab.store.store import Store
from veclab.vectors import Vectors

# Where a passage begins and ends says nothing on a map.
_LEFT_OUT = ("id", "text", "start", "end", "anchor")


def read_store(path: str | Path) -> Vectors:
    """All passages of a store, with their texts, fields and vectors.

    Raises:
        StoreError: there is no store, or it is damaged.
        InputError: nothing is in it.
    """
    import pyarrow as pa

    with Store.open(path) as store:
        fields = [field for field in store.fields.values() if field.name not in _LEFT_OUT]
        wanted = ["id", "text", "embedding", *(field.column for field in fields)]
        runs = list(store.table.scan(wanted))
        space, name = store.space, store.place.name
    if not runs or not sum(run.num_rows for run in runs):
        raise InputError(f"the store {name} holds no passages to map")
    table = pa.concat_tables(runs)
    flat = table["embedding"].combine_chunks().flatten()
    own = {}
    for field in fields:
        column = table[field.column]
        if field.name not in BUILT_IN or column.null_count < len(column):
            own[field.name] = column
    return Vectors(
        array=np.asarray(flat, dtype=np.float32).reshape(-1, space.dimensions),
        space=space,
        ids=table["id"].to_pylist(),
        texts=table["text"].to_pylist(),
        columns=pa.table(own) if own else None,
    )
