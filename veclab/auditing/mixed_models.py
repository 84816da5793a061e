"""Do all vectors of a file come from one model, used in one way?

Nothing in a vector says who made it. Two things give two models away. The dimensions of a model
have a profile: in some its vectors vary much, in others little, whatever the texts are about; two
models do not share it. And vectors of two models come no closer to each other than random
directions do, where texts of one model, however far apart their topics, have a few relations. So
rows are split in ways that could separate two origins, and a split must fail both tests to be
called mixed. `benchmarks/mixed_origins.py` measures how often a mixture is found, and how often
wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Fewer dimensions make a profile of chance.
MIN_DIMENSIONS = 64
# Fewer rows on a side make a profile of noise.
MIN_SHARE = 0.05
MIN_ROWS = 60
# A side whose profile is less reliable than this has none to speak of.
_MIN_RELIABILITY = 0.5

_NEIGHBORS = 10
_CLUSTERS = 64
_CUTS = 8


@dataclass(frozen=True, slots=True)
class Split:
    """Two groups of rows and how well their profiles agree.

    Attributes:
        side: bool (n,), True in the smaller group.
        by: what the rows were split by: `order`, `norm` or `neighbors`.
        agreement: see `profile_agreements`: about 1 for random halves of one model's vectors,
            about 0 for two models'.
        contact: cosine of a row to its nearest on the other side, 95th percentile over the
            smaller side.
        crossing: share of links to the nearest neighbors that cross, divided by the share
            expected were the groups drawn by lot.
        dimensions: of the vectors.
    """

    side: Mask
    by: str
    agreement: float
    contact: float
    crossing: float
    dimensions: int

    @property
    def mixed(self) -> bool:
        """Whether the groups come from different models, as far as this test can tell."""
        apart = self.contact < contact_by_chance(int((~self.side).sum()), self.dimensions)
        return apart and self.agreement < agreement_limit(self.dimensions)


def agreement_limit(dimensions: int) -> float:
    """Return the agreement below which two groups do not share coordinates.

    0.19 for 384 dimensions. With fewer, agreement strays more by chance (as 1 / sqrt(dimensions)),
    and the limit is lower, so that topics of one model are not taken for two models.
    `benchmarks/mixed_origins.py` measures finds and false alarms.
    """
    return 0.25 - 1.2 / float(np.sqrt(dimensions))


def contact_by_chance(n: int, dimensions: int) -> float:
    """Return a cosine that the nearest of n random directions stays under, 19 times in 20.

    The cosine of two random directions is nearly normal with variance 1 / dimensions; by the usual
    bound on the tail one in 20 n is over sqrt(2 log(20 n) / dimensions) at most.
    """
    return float(np.sqrt(2 * np.log(20 * n) / dimensions))


def find_split(unit: Floats, norms: NDArray[np.float64]) -> Split | None:
    """Find the split of rows that best separates two origins.

    Args:
        unit: float32 (n, dim), distinct vectors of unit length in the order of the file.
        norms: float64 (n,), the lengths they had.

    Returns:
        None where nothing can be said: fewer than 2 x MIN_ROWS rows or MIN_DIMENSIONS dimensions,
        or dimensions whose variances are all alike.
    """
    if len(unit) < 2 * MIN_ROWS or unit.shape[1] < MIN_DIMENSIONS:
        return None
    neighbors = nearest_rows(unit, _NEIGHBORS)
    candidates = list(_candidates(unit, norms, neighbors))
    if not candidates:
        return None
    found = []
    agreements = profile_agreements(unit, np.array([side for _, side in candidates]))
    for (by, side), agreement in zip(candidates, agreements, strict=True):
        if not np.isnan(agreement):
            smaller = side if side.sum() * 2 <= len(side) else ~side
            contact, crossing = _contact(unit, smaller), _crossing(smaller, neighbors)
            found.append(Split(smaller, by, float(agreement), contact, crossing, unit.shape[1]))
    # Of several splits that tell of two origins, the one that cuts cleanest says whose is whose.
    apart = [split for split in found if split.mixed]
    if apart:
        return min(apart, key=lambda split: split.crossing)
    return min(found, key=lambda split: split.agreement, default=None)


def profile_agreements(unit: Floats, sides: Mask) -> NDArray[np.float64]:
    """Return how well the two sides of each of q splits agree in their variances by dimension.

    Pearson correlation of the log variances, each clipped at three deviations (1.4826 MAD) from
    the median so that no single dimension decides, divided by the square root of the product of
    the sides' reliabilities. A side's reliability is the correlation of its halves stepped up to
    full length (Spearman-Brown).

    Args:
        unit: float32 (n, dim).
        sides: bool (q, n).

    Returns:
        float64 (q,), NaN where a side's profile is mostly noise.
    """
    centerd = unit - unit.mean(axis=0)
    squares = centerd * centerd
    agreements = np.full(len(sides), np.nan)
    for index, side in enumerate(sides):
        halves = np.zeros((4, len(unit)), dtype=np.float32)
        for group, rows in enumerate((np.flatnonzero(side), np.flatnonzero(~side))):
            halves[2 * group, rows[::2]] = halves[2 * group + 1, rows[1::2]] = 1
        count = halves.sum(axis=1, dtype=np.float64)[:, None]
        sums, powers = (halves @ centerd).astype(float), (halves @ squares).astype(float)
        parts = [_profile(count[i], sums[i], powers[i]) for i in range(4)]
        wholes = [
            _profile(*(value[i] + value[i + 1] for value in (count, sums, powers))) for i in (0, 2)
        ]
        reliable = _reliability(*parts[:2]), _reliability(*parts[2:])
        if min(reliable) >= _MIN_RELIABILITY:
            attenuation = float(np.sqrt(reliable[0] * reliable[1]))
            agreements[index] = min(1.0, _correlation(*wholes) / attenuation)
    return agreements


def _profile(count: Any, sums: Any, powers: Any) -> NDArray[np.float64]:
    """Return clipped log variances, from the number of rows, sums and sums of squares."""
    variances = powers / count - (sums / count) ** 2
    floor = 1e-6 * float(variances.mean()) + 1e-30  # a dead dimension is low, not infinitely so
    logs: NDArray[np.float64] = np.log(np.maximum(variances, floor))
    middle = np.median(logs)
    spread = 3 * 1.4826 * np.median(np.abs(logs - middle))
    return np.clip(logs, middle - spread, middle + spread)


def _reliability(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    halves = _correlation(a, b)
    return max(0.0, 2 * halves / (1 + halves)) if halves > -1 else 0.0


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _candidates(
    unit: Floats, norms: NDArray[np.float64], neighbors: NDArray[np.intp]
) -> Iterator[tuple[str, Mask]]:
    """Yield ways in which two origins could be told apart, each with both sides large enough."""
    n = len(unit)
    least = max(MIN_ROWS, int(MIN_SHARE * n))
    for tenth in range(1, 10):  # one file appended to another
        yield from _large("order", np.arange(n) < n * tenth // 10, least)
    groups = norm_groups(norms)
    if groups is not None:
        yield from _large("norm", groups, least)
    for side in _cuts(unit, neighbors, least):
        yield from _large("neighbors", side, least)


def _large(by: str, side: Mask, least: int) -> Iterator[tuple[str, Mask]]:
    if least <= side.sum() <= len(side) - least:
        yield by, side


def norm_groups(norms: NDArray[np.float64]) -> Mask | None:
    """Return which norms are in the upper of two well separated clusters; None for one cluster.

    Two-means on log norms. The clusters are well separated when Ashman's D (Ashman, Bird and Zepf
    1994) is over 4, twice what they ask for, and the widest gap between norms lies between them
    and is over ten times the mean gap. Rounding (1 +- 0.001) is no cluster.
    """
    logs: NDArray[np.float64] = np.log(norms)
    if len(logs) < 20 or np.ptp(logs) < 2e-3:
        return None
    order = np.sort(logs)
    count = np.arange(1, len(order))
    sums = np.cumsum(order)
    low, high = sums[:-1] / count, (sums[-1] - sums[:-1]) / (len(order) - count)
    cut = int(np.argmax(count * (len(order) - count) * (high - low) ** 2)) + 1
    a, b = order[:cut], order[cut:]
    spread = float(np.sqrt(a.var() + b.var()))
    separation = float(np.sqrt(2) * (b.mean() - a.mean())) / max(spread, 1e-12)
    gap = float(order[cut] - order[cut - 1])
    if separation < 4 or gap < 2e-3 or min(len(a), len(b)) < 2:
        return None
    upper: Mask = logs > (order[cut] + order[cut - 1]) / 2
    return upper


def nearest_rows(unit: Floats, k: int) -> NDArray[np.intp]:
    """Return the k most similar other rows of each row, unordered: (n, k)."""
    found = np.empty((len(unit), k), dtype=np.intp)
    for start in range(0, len(unit), 1024):
        scores = unit[start : start + 1024] @ unit.T
        here = np.arange(len(scores))
        scores[here, start + here] = -np.inf
        found[start : start + 1024] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return found


def _contact(unit: Floats, side: Mask) -> float:
    a, b = unit[side], unit[~side]
    best = [(a[i : i + 1024] @ b.T).max(axis=1) for i in range(0, len(a), 1024)]
    return float(np.quantile(np.concatenate(best), 0.95))


def _crossing(side: Mask, neighbors: NDArray[np.intp]) -> float:
    expected = 2 * side.mean() * (1 - side.mean())
    return float((side[neighbors] != side[:, None]).mean() / expected)


def _cuts(unit: Floats, neighbors: NDArray[np.intp], least: int) -> Iterator[Mask]:
    """Yield splits that cut few links between neighbors.

    Rows are put into small clusters, the clusters linked by their rows' neighbors, and that graph
    cut by its leading eigenvectors (normalized cut, Shi and Malik 2000). Small clusters keep
    groups of near-duplicates, which no link leaves, from being cut off as if they were an origin.
    """
    cluster = clusters(unit, min(_CLUSTERS, len(unit) // 16))
    count = int(cluster.max()) + 1
    pairs = np.repeat(cluster, neighbors.shape[1]) * count + cluster[neighbors].ravel()
    links = np.bincount(pairs, minlength=count * count).reshape(count, count).astype(float)
    links += links.T
    degree = np.maximum(links.sum(axis=1), 1)
    _, vectors = np.linalg.eigh(links / np.sqrt(np.outer(degree, degree)))
    sizes = np.bincount(cluster, minlength=count)
    for index in range(2, min(_CUTS + 2, count)):
        value = vectors[:, -index] / np.sqrt(degree)
        chosen = _best_threshold(value, links, degree, sizes, least)
        if chosen is not None:
            side = chosen[cluster]
            for _ in range(5):  # rows at the border go where most of their neighbors are
                side = side[neighbors].mean(axis=1) + 0.01 * side > 0.5
            yield side


def _best_threshold(
    value: NDArray[Any], links: NDArray[Any], degree: NDArray[Any], sizes: NDArray[Any], least: int
) -> NDArray[np.bool_] | None:
    """Return the prefix of clusters, in order of an eigenvector, with the least normalized cut."""
    best: tuple[float, NDArray[np.bool_]] | None = None
    order = np.argsort(value)
    for length in range(1, len(order)):
        chosen = np.zeros(len(order), dtype=np.bool_)
        chosen[order[:length]] = True
        if not least <= sizes[chosen].sum() <= sizes.sum() - least:
            continue
        cut = links[chosen][:, ~chosen].sum()
        cost = float(cut / degree[chosen].sum() + cut / degree[~chosen].sum())
        if best is None or cost < best[0]:
            best = cost, chosen
    return None if best is None else best[1]


def clusters(unit: Floats, count: int) -> NDArray[np.intp]:
    """Run spherical k-means, ten rounds; return the cluster of each row, numbered without gaps."""
    rng = np.random.default_rng(0)
    centers = unit[rng.choice(len(unit), count, replace=False)]
    label = np.zeros(len(unit), dtype=np.intp)
    for _ in range(10):
        label = np.argmax(unit @ centers.T, axis=1)
        sums = (label == np.arange(count)[:, None]).astype(np.float32) @ unit
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(length > 0, sums / np.maximum(length, 1e-12), centers)
    return np.unique(label, return_inverse=True)[1].astype(np.intp)
