"""A second set of vectors in a finished map: queries among documents, new texts among old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from veclab.errors import InputError
from veclab.maps.map import Map
from veclab.maps.neighbors import K, Neighbors, nearest_places, shared
from veclab.maps.projection import place
from veclab.similarities.nearest import nearest
from veclab.space import require_same
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa


def lay_over(base: Map, others: Vectors, names: tuple[str, str] = ("map", "overlay")) -> Map:
    """Put other vectors into a map, each beside its nearest; what was there stays where it was.

    Args:
        base: a map of one vector or more.
        others: vectors of the same Space.
        names: what to call the map's own and the new ones, where the page tells them apart.

    Raises:
        SpaceMismatch: they come from another space.
        InputError: the map is empty, or a vector cannot be compared.
    """
    require_same(base.vectors.space, others.space, names=names)
    if not len(base):
        raise InputError("nothing can be laid over a map of no points")
    found = nearest(others, base.vectors, K)
    positions = found.positions.astype(np.int32)
    xy = place(found.scores, positions, base.xy)
    kept = shared(positions, nearest_places(base.xy, xy, positions.shape[1]))
    k = base.neighbors.positions.shape[1]
    near = Neighbors(
        np.concatenate([base.neighbors.positions, positions[:, :k]]),
        np.concatenate([base.neighbors.scores, found.scores[:, :k]]),
        base.neighbors.recall,
    )
    share = f"{kept.mean():.1%} of their true {K} nearest there" if len(kept) else "none"
    return replace(
        base,
        vectors=_join(base.vectors, others),
        xy=np.concatenate([base.xy, xy]).astype(np.float32),
        neighbors=near,
        kept=np.concatenate([base.kept, kept]),
        regions=[*base.regions, *(base.regions[i] for i in positions[:, 0])],
        facts=[
            *base.facts,
            (
                "laid over",
                f"{len(others):,} of {names[1]}, put beside their nearest in {names[0]} when the "
                f"map was finished; {share} are the nearest on the map",
            ),
        ],
        overlaid=len(others),
        sources=names,
    )


def _join(base: Vectors, others: Vectors) -> Vectors:
    """Both, one after the other; what one of them lacks is empty there."""
    texts: Sequence[str] | None = None
    if base.texts is not None or others.texts is not None:
        texts = [*(base.texts or [""] * len(base)), *(others.texts or [""] * len(others))]
    tokens = truncated = None
    if base.tokens is not None and others.tokens is not None:
        tokens = np.concatenate([base.tokens, others.tokens])
    if base.truncated is not None and others.truncated is not None:
        truncated = np.concatenate([base.truncated, others.truncated])
    return Vectors(
        array=np.concatenate([base.array, others.array]),
        space=base.space,
        ids=[*base.ids, *others.ids],
        texts=texts,
        tokens=tokens,
        truncated=truncated,
        columns=_join_columns(base, others),
    )


def _join_columns(base: Vectors, others: Vectors) -> pa.Table | None:
    import pyarrow as pa

    if base.columns is None and others.columns is None:
        return None
    # A table of no columns has no rows to speak of, so each gets one that is dropped again.
    parts = []
    for vectors in (base, others):
        table = (
            pa.table({"": pa.nulls(len(vectors))}) if vectors.columns is None else vectors.columns
        )
        parts.append(table)
    try:
        joined = pa.concat_tables(parts, promote_options="permissive")
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
    ):  # one name, two kinds of values: as strings they can stand together
        joined = pa.concat_tables([_as_strings(part) for part in parts], promote_options="default")
    return joined.drop_columns([""]) if "" in joined.column_names else joined


def _as_strings(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            name: pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
