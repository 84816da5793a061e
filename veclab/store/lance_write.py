"""Writing to the embedded back end: files that nothing refers to until one commit names them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.store.lance_package import told

if TYPE_CHECKING:
    import pyarrow as pa

# Of one file: few files, and 200 MB in memory; rows of long texts reach the bytes first.
_WRITE_ROWS = 131_072
_WRITE_BYTES = 256 << 20


def write_files(data: Any, name: str, rows: Iterable[pa.Table]) -> list[Any]:
    """Write rows to files that nothing refers to yet."""
    import pyarrow as pa
    from lance.fragment import write_fragments

    fragments: list[Any] = []
    waiting: list[pa.Table] = []

    def write() -> None:
        with told(name):
            table = pa.concat_tables(waiting).combine_chunks()
            fragments.extend(write_fragments(table, data.uri, schema=data.schema))
        waiting.clear()

    for table in rows:
        if table.num_rows:
            waiting.append(table)
        rows_waiting = sum(t.num_rows for t in waiting)
        if rows_waiting >= _WRITE_ROWS or sum(t.nbytes for t in waiting) >= _WRITE_BYTES:
            write()
    if waiting:
        write()
    return fragments


def files_without(data: Any, gone: Collection[str]) -> tuple[list[Any], list[int]]:
    """Fragments without the rows of some documents: those that changed, ids of the empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not gone:
        return [], []
    wanted = pa.array(sorted(gone), pa.string())
    found: list[NDArray[np.int64]] = []
    for batch in data.scanner(columns=["document"], with_row_address=True).to_batches():
        hit = pc.is_in(batch["document"], value_set=wanted)
        found.append(batch["_rowaddr"].filter(hit).to_numpy().astype(np.int64))
    addresses = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    updated, removed = [], []
    for number in np.unique(addresses >> 32).tolist():
        rows = addresses[addresses >> 32 == number] & 0xFFFFFFFF
        changed = data.get_fragment(number).delete_rows(rows.tolist())
        if changed is None:
            removed.append(number)
        else:
            updated.append(changed)
    return updated, removed
