"""Figures that describe a set of vectors: rank, anisotropy, hubness, isolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Moments:
    """Sums over unit vectors, added block by block; the figures below are exact over all rows.

    Attributes:
        count: n.
        total: float64 (dim,), the sum of the vectors.
        gram: float64 (dim, dim), the sum of their outer products.
    """

    count: int
    total: NDArray[np.float64]
    gram: NDArray[np.float64]

    @classmethod
    def empty(cls, dimensions: int) -> Moments:
        """Return the moments of no vectors."""
        return cls(0, np.zeros(dimensions), np.zeros((dimensions, dimensions)))

    def add(self, unit: NDArray[np.float32]) -> None:
        """Add the rows of float32 (m, dim), each of unit length."""
        # float64 sums: in float32 the rounding alone would look like a few more dimensions.
        rows = unit.astype(np.float64)
        self.count += len(rows)
        self.total += rows.sum(axis=0)
        self.gram += rows.T @ rows

    def mean_cosine(self) -> float:
        """Return the mean cosine of all pairs of rows (Ethayarajh 2019 takes random pairs).

        |sum of the vectors|^2 is the sum of the cosines of all pairs, so this is exact.
        """
        n = self.count
        return float((self.total @ self.total - n) / (n * (n - 1)))

    def deviation_of_cosines(self) -> float:
        """Return the standard deviation of the cosine over all pairs of different rows; exact."""
        n = self.count
        squares = float((self.gram * self.gram).sum() - n) / (n * (n - 1))
        return float(np.sqrt(max(0.0, squares - self.mean_cosine() ** 2)))

    def loudest_dimension(self) -> tuple[int, float]:
        """Return the dimension that adds most to the mean cosine, and what it adds.

        After Timkey and van Schijndel (2021): the contribution of dimension i to the cosine of x
        and y is x_i y_i / (|x| |y|). It is averaged here over all pairs of different rows.
        """
        n = self.count
        added = (self.total**2 - np.diag(self.gram)) / (n * (n - 1))
        loudest = int(np.argmax(added))
        return loudest, float(added[loudest])

    def singular_values(self) -> NDArray[np.float64]:
        """Return the singular values of the unit vectors, descending: float64 (dim,)."""
        values = np.linalg.eigvalsh(self.gram)[::-1]
        roots: NDArray[np.float64] = np.sqrt(np.maximum(values, 0.0))
        return roots

    def effective_rank(self) -> float:
        """Return the exponential of the entropy of the singular values, scaled to sum 1.

        Roy and Vetterli 2007, "The effective rank"; the same figure over embeddings is RankMe
        (Garrido et al. 2023). From 1 (all vectors on a line) to the number of dimensions.
        """
        values = self.singular_values()
        share = values / values.sum()
        share = share[share > 0]
        return float(np.exp(-(share * np.log(share)).sum()))

    def variances(self) -> NDArray[np.float64]:
        """Return the variance of each dimension of the unit vectors: float64 (dim,)."""
        mean = self.total / self.count
        return np.maximum(np.diag(self.gram) / self.count - mean * mean, 0.0)

    def components_for(self, share: float) -> int:
        """Return how many principal components hold that share of the variance."""
        mean = self.total / self.count
        values = np.linalg.eigvalsh(self.gram / self.count - np.outer(mean, mean))[::-1]
        held = np.cumsum(np.maximum(values, 0.0))
        return int(np.searchsorted(held, share * held[-1]) + 1)


def skewness(values: NDArray[np.intp]) -> float:
    """Return the third standardized moment, without bias correction; 0 for equal values."""
    deviations = values - values.mean()
    spread = float(np.sqrt((deviations**2).mean()))
    return float((deviations**3).mean() / spread**3) if spread > 0 else 0.0


def occurrences(neighbors: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return N_k of Radovanovic, Nanopoulos and Ivanovic (2010): how many lists each row is in.

    Args:
        neighbors: intp (n, k), the k nearest other rows of each row.

    Returns:
        intp (n,).
    """
    return np.bincount(neighbors.ravel(), minlength=len(neighbors))
