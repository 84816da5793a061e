"""The map of a bridge: how it is fitted, chosen, kept, and how a query is carried over by it.

All maps are affine, `x @ weights + offset`, and end at unit length. Fitted are an orthogonal map
(Procrustes, Schönemann 1966; of unequal dimensions the nearest map with orthonormal rows or
columns, which is the same as padding with zeros), the same about the two means with one scale,
ridge regression, and ridge regression of reduced rank (Izenman 1975). A small residual network on
top gained too little to be kept: 0.625 of the old top 10 where ridge regression had 0.620
(`benchmarks/bridge.py`, 1,482 texts, all-MiniLM-L6-v2 searched by all-mpnet-base-v2).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import StoreError
from veclab.hints import typed
from veclab.space import Space, require_same
from veclab.unit_length import normalize
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.store.backend import Place
    from veclab.store.state import BridgeInfo, State

TOP = 10
_RIDGES = (0.0001, 0.01, 0.1, 1.0)  # in units of the mean eigenvalue of the inputs' covariance
_TIE = 1e-6
_loaded: dict[str, LinearMap] = {}  # the last one, by its digest

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A map from one space into another.

    Attributes:
        kind: how it was fitted, in words.
        weights: float32 (from, to).
        offset: float32 (to,).
    """

    kind: str
    weights: Floats
    offset: Floats

    def __call__(self, vectors: Floats) -> Floats:
        """Map float32 (n, from) to float32 (n, to) of unit length."""
        return normalize(vectors @ self.weights + self.offset)

    def to_bytes(self) -> bytes:
        """An npz file."""
        file = io.BytesIO()
        np.savez(file, kind=np.array(self.kind), weights=self.weights, offset=self.offset)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote; nothing in it is executed."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return cls(str(file["kind"]), file["weights"], file["offset"])


def digest_of(data: bytes) -> str:
    """SHA-256 of a map's file, which also names it."""
    return hashlib.sha256(data).hexdigest()


def bridged_space(new: Space, old: Space, digest: str) -> Space:
    """The Space of queries that a bridge carried over.

    It is neither the one nor the other: it has the new model's facts, the old dimensions, and
    names the map and the Space that it leads to.
    """
    facts = (*new.configuration, ("bridge", digest), ("bridge_to", old.id))
    return replace(new, dimensions=old.dimensions, normalized=True, configuration=facts)


def fit(x: Floats, y: Floats) -> Iterator[LinearMap]:
    """All maps that are tried, from the simplest on.

    Args:
        x: (n, from) vectors of unit length.
        y: (n, to) the same texts' vectors of unit length in the other space.
    """
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    rotation, _ = _procrustes(wide_x, wide_y)
    yield _map("rotation", rotation, np.zeros(y.shape[1]))
    mean_x, mean_y = wide_x.mean(axis=0), wide_y.mean(axis=0)
    centered_x, centered_y = wide_x - mean_x, wide_y - mean_y
    rotation, scale = _procrustes(centered_x, centered_y)
    yield _about("rotation about the means", scale * rotation, mean_x, mean_y)
    gram, cross = centered_x.T @ centered_x, centered_x.T @ centered_y
    unit = np.trace(gram) / len(gram)
    for ridge in _RIDGES:
        weights = np.linalg.solve(gram + (ridge * unit + 1e-12) * np.eye(len(gram)), cross)
        yield _about(f"ridge regression, {ridge:g}", weights, mean_x, mean_y)
        _, directions = np.linalg.eigh(weights.T @ gram @ weights)
        for share in (2, 4):
            rank = min(weights.shape) // share
            if rank:
                kept = directions[:, -rank:]
                kind = f"ridge regression, {ridge:g}, of rank {rank}"
                yield _about(kind, weights @ kept @ kept.T, mean_x, mean_y)


def choose(fitting: tuple[Floats, Floats], held: tuple[Floats, Floats], targets: Floats) -> str:
    """The kind of map that keeps most of the old top 10 of texts it was not fitted on.

    Args:
        fitting, held: vectors of the same texts in both spaces, (n, from) and (n, to).
        targets: (m, to) what is searched.
    """
    best, most = "", -1.0
    for found in fit(*fitting):
        share = float(kept(found(held[0]), targets, held[1], targets).mean())
        if share > most + 1e-9:  # of equals the simplest
            best, most = found.kind, share
    return best


def kept(
    queries: Floats, targets: Floats, own_queries: Floats, own_targets: Floats
) -> NDArray[np.float64]:
    """For each query, the share of its own top 10 that a search in another space finds: (m,).

    Args:
        queries, targets: (m, d) and (n, d), the space that is searched.
        own_queries, own_targets: (m, e) and (n, e), the same texts where the truth is. What ties
            with the tenth best counts as found.
    """
    top = min(TOP, len(targets))
    found = np.argpartition(queries @ targets.T, -top, axis=1)[:, -top:]
    true = own_queries @ own_targets.T
    least = np.partition(true, -top, axis=1)[:, -top]
    hits = np.take_along_axis(true, found, axis=1) >= least[:, None] - _TIE
    shares: NDArray[np.float64] = hits.mean(axis=1)
    return shares


def load_map(place: Place, info: BridgeInfo) -> LinearMap:
    """The map of a store's bridge; raises StoreError where it is missing or damaged."""
    if info.digest not in _loaded:
        data = place.read_file(info.file)
        if data is None or digest_of(data) != info.digest:
            raise StoreError(
                f"the bridge of the store {place.name} is "
                f"{'missing' if data is None else 'damaged'}: learn it again (--bridge), or remove "
                f"it: {typed('migrate', '--store', place.name, '--back')}"
            )
        _loaded.clear()
        _loaded[info.digest] = LinearMap.from_bytes(data)
    return _loaded[info.digest]


def carry_over(place: Place, state: State, queries: Vectors) -> Vectors:
    """Queries as they search a store: as they are, or by its bridge, then of the bridge's Space.

    Raises:
        SpaceMismatch: they are neither of the store's Space nor of one with a bridge to it.
        StoreError: the bridge is missing or damaged.
    """
    info = state.bridge
    if info is None or queries.space.same_as(state.live.space):
        require_same(state.live.space, queries.space, names=("store", "query"))
        return queries
    require_same(info.source, queries.space, names=("bridge", "query"))
    carried = load_map(place, info)(normalize(queries.array))
    return Vectors(carried, info.space, ids=queries.ids, texts=queries.texts)


def _procrustes(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The orthogonal map (from, to) that brings x nearest to y, and the best scale with it."""
    left, singular, right = np.linalg.svd(x.T @ y, full_matrices=False)
    rotation: NDArray[np.float64] = left @ right
    return rotation, float(singular.sum() / max(float(((x @ rotation) ** 2).sum()), 1e-300))


def _about(
    kind: str,
    weights: NDArray[np.float64],
    mean_x: NDArray[np.float64],
    mean_y: NDArray[np.float64],
) -> LinearMap:
    return _map(kind, weights, mean_y - mean_x @ weights)


def _map(kind: str, weights: NDArray[np.float64], offset: NDArray[np.float64]) -> LinearMap:
    return LinearMap(kind, weights.astype(np.float32), offset.astype(np.float32))
