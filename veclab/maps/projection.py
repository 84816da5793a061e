"""Vectors in two dimensions: t-SNE, UMAP or PCA, the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra
from veclab.maps.neighbors import Neighbors, manifolds

Method = Literal["tsne", "umap", "pca"]
METHODS: tuple[Method, ...] = ("tsne", "umap", "pca")
# Fewer points than this have no neighborhoods to keep: their plane of largest variance does.
FEWEST = 8
# Keeps as many of the 15 nearest as 15 or 30 would, from a third of the neighbors (measured: 47.0,
# 46.9% of 60,000 at 10, 15; after 500 steps as after 1,000).
_PERPLEXITY = 10.0
_STEPS, _EARLY_STEPS = 500, 150
# 20 neighbors of each.
_MANY, _PERPLEXITY_OF_MANY = 200_000, 6.7
# The interpolation by FFT costs a fixed time, more than a tree does for few points: 0.9 s of
# processor for 1,000 where a tree takes 0.7, but 1.9 for 4,800 where a tree takes 5.0.
_TREE_UP_TO = 1500
_UMAP_NEIGHBORS = 15
# Of many points clusters spread into each other once the early exaggeration ends, unless some of it
# stays. Of very many, what stays holds the whole together: of 896,000 laid out with a factor of 4,
# under 1% of the neighbors were kept. They get more steps to spread instead.
_LATE_EXAGGERATION, _LATE_FROM = 1.5, 20_000
# The early exaggeration times the learning rate must be small beside the number of points, or those
# that are neighbors of very many others are thrown about, ever farther, and the grid of the FFT is
# spanned so wide that all the rest lies in a few of its boxes. Of 200,000 short texts, with 12 at
# the usual rate of n / 12, the sum of all closeness came out four times as large as it can be; with
# 4, 500 steps kept 24% of the neighbors, nearly as many as 1,000 with 12 (25%); of 500,000 it kept
# 23% in 1,000 steps.
_EARLY, _EARLY_OF_MANY = 12.0, 4.0


@dataclass(frozen=True, slots=True)
class Projection:
    """Where the points lie, and how that came about.

    Attributes:
        xy: float32 (n, 2).
        facts: (label, value) pairs: method, parameters, seed, threads.
    """

    xy: NDArray[np.float32]
    facts: list[tuple[str, str]]


def neighbors_needed(n: int, method: Method) -> int:
    """How many neighbors of each of n vectors `project` reads."""
    return {"tsne": int(3 * perplexity_of(n)), "umap": _UMAP_NEIGHBORS, "pca": 0}[method]


def perplexity_of(n: int) -> float:
    """The effective number of neighbors of t-SNE: 10, a third of the others where they are few.

    Of very many it is less: their neighbors are what takes the memory.
    """
    return min(_PERPLEXITY if n < _MANY else _PERPLEXITY_OF_MANY, max(1.0, (n - 1) / 3))


def project(
    plane: NDArray[np.float32], found: Neighbors, method: Method = "tsne", seed: int = 42
) -> Projection:
    """Lay n different unit vectors out in two dimensions.

    Args:
        plane: float32 (n, 2), their first two principal components, from where it starts.
        found: their nearest neighbors, `neighbors_needed` of them or more.
        method: `tsne`, `umap` or `pca`.
        seed: of what is random; PCA has nothing random.

    Raises:
        MissingExtra: neither manifolds-rs nor openTSNE is installed (PCA needs neither).
    """
    n = len(plane)
    if method != "pca" and n < FEWEST:
        facts = [("method", f"PCA: {n} different points are too few for {_NAMES[method]}")]
        return Projection(plane, facts)
    if method == "pca":
        return Projection(plane, [("method", "PCA, the plane of largest variance")])
    return _tsne(plane, found, seed) if method == "tsne" else _umap(plane, found, seed)


_NAMES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}


def _tsne(start: NDArray[np.float32], found: Neighbors, seed: int) -> Projection:
    n = len(start)
    perplexity = perplexity_of(n)
    k = int(3 * perplexity)
    positions, distances = found.positions[:, :k], distances_of(found.scores[:, :k])
    rust = manifolds()
    facts = [("perplexity", f"{perplexity:g}"), ("seed", str(seed))]
    if rust is None:
        xy, library = _open_tsne(start, positions, distances, perplexity, seed)
        return Projection(xy, [("method", f"t-SNE, {library}"), *facts])
    late = _LATE_EXAGGERATION if _LATE_FROM <= n < _MANY else None
    more = 2 if n >= _MANY else 1
    xy = rust.TSNE(
        perplexity=perplexity,
        approx="fft_3k" if n > _TREE_UP_TO else "barnes_hut",
        n_epochs=more * _STEPS,
        seed=seed,
        optim_params=rust.TsneOptim(
            early_exag_iter=more * _EARLY_STEPS,
            early_exag_factor=_EARLY if n < _MANY else _EARLY_OF_MANY,
            late_exag_factor=late,
        ),
    ).fit_transform(start, knn_indices=positions, knn_distances=distances)
    if late:
        facts.append(("late exaggeration", f"{late:g}"))
    facts.append(("threads", f"{rust.num_threads()}"))
    return Projection(xy, [("method", f"t-SNE, manifolds-rs {rust.__version__}"), *facts])


def _open_tsne(
    start: NDArray[np.float32],
    positions: NDArray[np.int32],
    distances: NDArray[np.float32],
    perplexity: float,
    seed: int,
) -> tuple[NDArray[np.float32], str]:
    try:
        import openTSNE
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors
    except ImportError:
        raise MissingExtra("map", "laying out vectors by t-SNE") from None
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(positions, distances), perplexity=perplexity
    )
    threads = -1 if len(start) > 5000 else 1  # of few points threads only wait for each other
    embedding = openTSNE.TSNE(n_jobs=threads, random_state=seed).fit(
        affinities=affinities, initialization=openTSNE.initialization.rescale(start.astype(float))
    )
    return np.asarray(embedding, dtype=np.float32), f"openTSNE {openTSNE.__version__}"


def _umap(start: NDArray[np.float32], found: Neighbors, seed: int) -> Projection:
    rust = manifolds()
    if rust is None:
        raise MissingExtra("map", "laying out vectors by UMAP")
    k = min(_UMAP_NEIGHBORS, found.positions.shape[1])
    xy = rust.UMAP(n_neighbors=k, init="pca", seed=seed).fit_transform(
        start,
        knn_indices=found.positions[:, :k],
        knn_distances=distances_of(found.scores[:, :k]),
    )
    facts = [("neighbors", str(k)), ("seed", str(seed)), ("threads", f"{rust.num_threads()}")]
    return Projection(xy, [("method", f"UMAP, manifolds-rs {rust.__version__}"), *facts])


def distances_of(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distances of unit vectors from their cosines."""
    return np.asarray(np.sqrt(np.maximum(0, 2 - 2 * scores)), dtype=np.float32)


def place(
    scores: NDArray[np.float32], positions: NDArray[np.int32], xy: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put new points among those already laid out, beside their nearest.

    A new point goes to the place from which the weighted distances to its nearest neighbors on the
    map are smallest (their median), so that one neighbor far off does not draw it into the empty
    space between.

    Args:
        scores: float32 (m, k), cosines with the nearest of those laid out, nearest first; minus
            infinity where there are fewer.
        positions: int32 (m, k), which they are.
        xy: float32 (n, 2), where those lie.

    Returns:
        float32 (m, 2).
    """
    near = xy[positions].astype(np.float64)
    # As t-SNE weighs neighbors: by a Gaussian as wide as the distances are spread.
    squares = np.maximum(0, 2 - 2 * scores.astype(np.float64))
    there = np.isfinite(squares)
    mean = np.where(there, squares, 0).sum(axis=1, keepdims=True) / there.sum(1, keepdims=True)
    width = np.maximum(mean / math.log(4), 1e-9)
    weight = np.exp(-(squares - squares[:, :1]) / width)
    at = (weight[:, :, None] * near).sum(axis=1) / weight.sum(axis=1, keepdims=True)
    for _ in range(30):  # Weiszfeld's iteration
        pull = weight / np.maximum(np.linalg.norm(near - at[:, None], axis=2), 1e-6)
        at = (pull[:, :, None] * near).sum(axis=1) / pull.sum(axis=1, keepdims=True)
    return np.asarray(at, dtype=np.float32)
