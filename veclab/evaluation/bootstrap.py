"""How sure a figure is: percentile intervals and a paired test, by the bootstrap.

Both resample the units (pairs, queries, texts) with replacement, the same draws for every model,
so two models are compared unit by unit (Efron and Tibshirani 1993, "An Introduction to the
Bootstrap", chapters 13 and 16; for retrieval Sakai 2006, doi:10.1145/1148170.1148261).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.evaluation.metrics import Floats, Statistic, value_of

RESAMPLES = 1000
SEED = 20070613
# Fewer units than this, and the interval says nothing.
FEWEST = 10
# Weights held at once, 8 bytes each.
_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95% interval; `low` and `high` are None where there are too few units."""

    value: float
    low: float | None = None
    high: float | None = None

    def overlaps(self, other: Estimate) -> bool:
        """Return whether the two intervals share a point; False where one has none."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return False
        return self.low <= other.high and other.low <= self.high


def draws(n: int, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[Floats]:
    """Yield the resamples' weights in blocks, always the same: float64 (b, n), rows sum to n."""
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, n))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def distributions(statistics: Sequence[Statistic], n: int, resamples: int = RESAMPLES) -> Floats:
    """Return each statistic on the same resamples: float64 (len(statistics), resamples)."""
    blocks = [
        np.stack([statistic(weights) for statistic in statistics])
        for weights in draws(n, resamples)
    ]
    return np.concatenate(blocks, axis=1)


def estimate(statistic: Statistic, n: int, resampled: Floats | None) -> Estimate:
    """Return the figure with its 95% percentile interval, given its distribution over resamples.

    The figure lies within: an interval that misses it is moved by the bias of the resamples (Efron
    and Tibshirani 1993, section 10.6).
    """
    value = value_of(statistic, n)
    if n < FEWEST or resampled is None or np.isnan(value) or np.isnan(resampled).all():
        return Estimate(value)
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    if not low <= value <= high:
        # Copies alone move some figures (V-measure: copies of a text fall into one cluster), so far
        # that the interval misses the figure: then the bias is taken off.
        bias = float(np.nanmean(resampled)) - value
        low, high = min(low - bias, value), max(high - bias, value)
    return Estimate(value, float(low), float(high))


def paired_p(difference: float, resampled: NDArray[np.float64]) -> float:
    """Return the two-sided p-value of two models' difference, by the paired bootstrap test.

    Args:
        difference: between the two figures.
        resampled: (b,) the same difference on resamples.

    Returns:
        How often chance alone would make a difference as large: the resampled differences are
        moved so that they center on none. Never below 1 / (b + 1).
    """
    known = resampled[~np.isnan(resampled)]
    # A hair of rounding must not make equal models differ.
    extreme = np.abs(known - difference) >= abs(difference) - 1e-12
    return float((1 + extreme.sum()) / (1 + len(known)))
