"""From vectors to a map: neighbors, projection, figures of honesty, labels."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra
from veclab.maps import sampled
from veclab.maps.fidelity import judge
from veclab.maps.labels import label_map
from veclab.maps.map import Map
from veclab.maps.neighbors import K, Neighbors, find_neighbors, manifolds
from veclab.maps.principal import principal
from veclab.maps.projection import METHODS, Method, neighbors_needed, project
from veclab.maps.provenance import provenance
from veclab.similarities.similarity import comparable
from veclab.vectors import Vectors

# Of one point's neighbors at most this many are copies of itself: who looks for neighbors wants
# others.
_COPIES = 5


def make_map(
    vectors: Vectors,
    method: Method = "tsne",
    *,
    seed: int = 42,
    title: str | None = None,
    facts: Sequence[tuple[str, str]] = (),
    on_stage: Callable[[str], None] | None = None,
) -> Map:
    """Lay vectors out in two dimensions, and measure how far the picture is to be believed.

    Equal vectors are laid out once. The same vectors, seed, number of threads and versions give the
    same map.

    Args:
        vectors: n vectors; n may be 0.
        method: `tsne` (keeps most neighbors), `umap` or `pca`.
        seed: of all that is random.
        title: of the map; by default the model's name.
        facts: further (label, value) lines of where it comes from.
        on_stage: called with the name of each stage as it begins.

    Raises:
        InputError: a vector is not finite or is zero, or the method is unknown.
        MissingExtra: the extra `map` is not installed.
    """
    if method not in METHODS:
        raise InputError(f"method cannot be {method!r}; choose from {', '.join(METHODS)}")
    require_neighbors()
    tell = on_stage or (lambda _: None)
    started = time.perf_counter()
    first, copy_of = distinct(comparable(vectors))
    # Not kept: of a million vectors a gigabyte, which each stage needs for something else.
    read = partial(_unit, vectors, first)
    tell("finding neighbors")
    found = find_neighbors(read, max(K, neighbors_needed(len(first), method)), seed)
    plane = principal(read(), 2)
    tell("laying out")
    if method != "pca" and len(first) > sampled.FITTED:
        projection = sampled.project_sampled(read(), plane, found, method, seed, sampled.FITTED)
    else:
        projection = project(plane, found, method, seed)
    tell("measuring what was kept")
    honesty = judge(read(), projection.xy, found.positions, seed)
    tell("finding labels")
    xy = projection.xy[copy_of]
    labels = label_map(xy, vectors.texts, seed)
    told = provenance(vectors, len(first), found, projection, honesty, labels.texts)
    took = ("seconds", f"{time.perf_counter() - started:.1f}")
    return Map(
        vectors=vectors,
        xy=xy,
        neighbors=spread(found, first, copy_of),
        kept=honesty.kept[copy_of],
        honesty=honesty.to_dict(),
        labels=labels.labels,
        regions=labels.regions,
        facts=[*told[:2], *facts, *told[2:], took],
        title=title or vectors.space.model,
    )


def _unit(vectors: Vectors, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Some rows at unit length, float32 (rows, dim); without a copy where they are all rows."""
    unit = comparable(vectors)
    return unit if len(rows) == len(unit) else unit[rows]


def check_color(vectors: Vectors, others: Vectors | None, name: str) -> None:
    """Raise InputError, before anything is computed, unless points can be colored by a column.

    Args:
        vectors: to be mapped.
        others: to be laid over, if any.
        name: of a column of theirs, or of those that maps have.
    """
    n = len(vectors)
    no_map = Map(
        vectors=vectors,
        xy=np.zeros((n, 2), np.float32),
        neighbors=Neighbors(np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32)),
        kept=np.zeros(n, np.float32),
        honesty={},
        labels=[],
        regions=[None] * n,
        facts=[],
        title="",
    )
    theirs = () if others is None or others.columns is None else others.columns.column_names
    if name not in theirs and not (others is not None and name == "file"):
        no_map.column(name)


def require_neighbors() -> None:
    """Raise MissingExtra before anything is computed: every map needs neighbors on it."""
    if manifolds() is None and find_spec("scipy") is None:
        raise MissingExtra("map", "making maps")


def distinct(unit: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different ones of n vectors, in order.

    Returns:
        Row of the first of each, intp (m,); for each row which of the m it equals, intp (n,).
    """
    number: dict[bytes, int] = {}
    # Digests and not the rows themselves, which would be in memory a second time.
    digests = (hashlib.blake2b(row, digest_size=16).digest() for row in unit)
    copy_of = np.fromiter(
        (number.setdefault(digest, len(number)) for digest in digests), np.intp, len(unit)
    )
    return np.unique(copy_of, return_index=True)[1], copy_of


def spread(found: Neighbors, first: NDArray[np.intp], copy_of: NDArray[np.intp]) -> Neighbors:
    """Neighbors of all rows from those of the different ones: first a row's own copies, then these.

    Each different vector is represented by its first row.
    """
    n, k = len(copy_of), min(K, max(len(copy_of) - 1, 0))
    have = min(K, found.positions.shape[1])
    positions = np.zeros((n, k), dtype=np.int32)
    scores = np.zeros((n, k), dtype=np.float32)
    positions[:, :have] = first[found.positions[:, :have]][copy_of][:, :k]
    scores[:, :have] = found.scores[:, :have][copy_of][:, :k]
    order = np.argsort(copy_of, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(copy_of[order])) + 1):
        if len(group) < 2:
            continue
        # With too few different vectors to fill the rest, copies fill it.
        copies = min(len(group) - 1, k, max(_COPIES, k - have))
        step = 1 + np.arange(copies)
        for i, row in enumerate(group):
            others, near = positions[row, : k - copies].copy(), scores[row, : k - copies].copy()
            positions[row] = np.concatenate([group[(i + step) % len(group)], others])
            scores[row] = np.concatenate([np.ones(copies, np.float32), near])
    return Neighbors(positions, scores, found.recall)
