"""A map as an Arrow table, for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.maps.map import Map
    from veclab.maps.neighbors import Neighbors


def to_table(map: Map, neighbors: bool) -> pa.Table:
    """See `Map.to_table`. A column of the caller's that has one of these names gets ` (own)`."""
    import pyarrow as pa

    vectors = map.vectors
    made: dict[str, Any] = {
        "id": pa.array(list(vectors.ids), pa.string()),
        "x": pa.array(map.xy[:, 0]),
        "y": pa.array(map.xy[:, 1]),
    }
    if vectors.texts is not None:
        made["text"] = pa.array(list(vectors.texts), pa.string())
    made["neighbors_kept"] = pa.array(map.kept)
    made["region"] = pa.array(list(map.regions), pa.string())
    if vectors.tokens is not None:
        made["tokens"] = pa.array(vectors.tokens)
    if vectors.truncated is not None:
        made["truncated"] = pa.array(vectors.truncated)
    if map.overlaid:
        base = len(map) - map.overlaid
        made["file"] = pa.array([map.sources[0]] * base + [map.sources[1]] * map.overlaid)
    if neighbors:
        made["neighbors"] = _neighbors(map.neighbors)
    if (own := vectors.columns) is not None:
        for name, values in zip(own.column_names, own.columns, strict=True):
            made[name if name not in made else f"{name} (own)"] = values
    said = {f"veclab.map.{label}": value for label, value in map.facts}
    said["veclab.space"] = vectors.space.to_json()
    return pa.table(made).replace_schema_metadata(said)


def _neighbors(near: Neighbors) -> pa.Array:
    """A struct of lists for each row: {"ids": [...], "distances": [...]}."""
    import pyarrow as pa

    n, k = near.positions.shape
    ends = pa.array(np.arange(n + 1, dtype=np.int32) * k)
    distances = np.maximum(0, 1 - near.scores.astype(np.float64))
    return pa.StructArray.from_arrays(
        [
            pa.ListArray.from_arrays(ends, pa.array(near.positions.reshape(-1).astype(np.int64))),
            pa.ListArray.from_arrays(ends, pa.array(distances.reshape(-1))),
        ],
        ["ids", "distances"],
    )
