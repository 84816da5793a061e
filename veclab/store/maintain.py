"""Looking after a store: what is in it, putting files together, taking it elsewhere, damage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veclab.atomic import atomic
from veclab.errors import InputError, StoreError
from veclab.store.bridge_map import digest_of
from veclab.store.exported import COLUMNS
from veclab.store.rows import own_fields, vectors_of
from veclab.vectorfiles.files import ParquetSink
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.store.store import Store

_KEEP = timedelta(hours=1)


def inspect(store: Store) -> dict[str, Any]:
    """What a store is and holds, as plain JSON values."""
    state, table = store.state, store.table
    documents, sources = 0, Counter[str]()
    seen: set[str] = set()
    for rows in table.scan(["document", "source"]):
        for document, source in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            if document not in seen:
                seen.add(document)
                documents += 1
                sources[source] += 1
    return {
        "store": store.place.name,
        "space": state.live.space.to_dict(),
        "space_id": state.live.space.id,
        "previous_space_id": None if state.previous is None else state.previous.space.id,
        "passages": table.count(),
        "documents": documents,
        "sources": dict(sources.most_common()),
        "fields": {f.name: f.kind for f in own_fields(table.schema)},
        "language": state.live.language,
        "settings": state.settings,
        "tuning": state.live.tuning,
        "bridge": None if state.bridge is None else state.bridge.to_dict(),
        **table.facts(),
    }


def compact(store: Store, keep: timedelta = _KEEP) -> dict[str, Any]:
    """Put small files together, drop what deletions left and versions older than `keep`.

    Indices that cannot be used are built again from the rows.

    Readers that still look at an older version than that are told to look again, and do so on
    their own. Tables that runs which were killed left behind go, too.

    Returns:
        Bytes before and after, tables removed, indices built again.
    """
    with store.writing():
        state = store.state
        before = store.table.facts()["bytes"]
        named = {info.name for info in (state.live, state.previous) if info is not None}
        left = [name for name in store.place.tables() if name not in named]
        for name in left:
            store.place.drop(name)
        store.place.keep_files(state.files)
        mended = store.table.mend_indices(state.live.language)
        store.refresh()
        store.table.compact(keep)
        store.refresh()
        after = store.table.facts()["bytes"]
    return {
        "bytes_before": before,
        "bytes_after": after,
        "tables_removed": left,
        "indices_rebuilt": mended,
    }


def export(store: Store, output: str | Path) -> int:
    """Write all passages with their vectors and the Space to a Parquet file, whole or not at all.

    `veclab.read` reads it, and `veclab index` makes a store of it again. Returns the number of
    passages.
    """
    output = Path(output)
    if output.suffix != ".parquet":
        raise InputError(f"the output {output.name!r} must end in .parquet")
    store.refresh()
    table = store.table
    own = {f.column: f.name for f in own_fields(table.schema)}
    done = 0
    with atomic(output) as temporary, ParquetSink(temporary, store.space) as sink:
        for rows in table.scan(["id", "text", "embedding", *COLUMNS, *own]):
            sink.write(_vectors(rows, store, [*COLUMNS, *own], own))
            done += rows.num_rows
        sink.finish(None)
    return done


def _vectors(rows: pa.Table, store: Store, columns: list[str], own: dict[str, str]) -> Vectors:
    chosen = rows.select(columns)
    named = chosen.rename_columns([own.get(name, name) for name in columns])
    return Vectors(
        array=vectors_of(rows),
        space=store.space,
        ids=rows["id"].to_pylist(),
        texts=rows["text"].to_pylist(),
        columns=named.replace_schema_metadata(None),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and what was seen."""

    what: str
    good: bool
    seen: str


def check(store: Store) -> list[Finding]:
    """Look for damage, reading all of a store."""
    state = store.state
    found = [Finding("state", True, f"table {state.live.name} of {state.live.space}")]
    table = store.table
    try:
        found += [
            Finding("files", not faults, "; ".join(faults) or "whole")
            for faults in [table.faults()]
        ]
        ids = Counter[str]()
        rows = bad = 0
        for part in table.scan(["id", "embedding"]):
            ids.update(part["id"].to_pylist())
            vectors = vectors_of(part)
            good = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
            rows, bad = rows + len(vectors), bad + int((~good).sum())
    except StoreError as error:
        return [*found, Finding("rows", False, str(error))]
    repeated = [name for name, count in ids.items() if count > 1]
    named = f"{len(repeated):,} ids occur more than once: {', '.join(repeated[:5])}"
    found.append(Finding("ids", not repeated, named if repeated else "each once"))
    counted = table.count()
    found.append(Finding("rows", rows == counted, f"{rows:,} read, {counted:,} counted"))
    wrong = f"{bad:,} are zero or not finite" if bad else f"{rows:,} finite, none zero"
    found.append(Finding("vectors", not bad, wrong))
    broken = table.broken_indices()
    named = f"of {' and '.join(broken)}: cannot be used; `store compact` builds them again"
    found.append(Finding("indices", not broken, named if broken else "can be searched"))
    known = {info.name for info in (state.live, state.previous) if info is not None}
    left = [name for name in store.place.tables() if name not in known]
    told = f"left by a run that was killed: {', '.join(left)}; `store compact` removes them"
    found.append(Finding("tables", True, told if left else "none left over"))
    return found + _check_bridge(store)


def _check_bridge(store: Store) -> list[Finding]:
    bridge = store.state.bridge
    if bridge is None:
        return []
    data = store.place.read_file(bridge.file)
    whole = data is not None and digest_of(data) == bridge.digest
    return [Finding("bridge", whole, f"from {bridge.source}" if whole else "missing or damaged")]
