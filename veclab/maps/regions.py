"""Dense regions of a map, coarse to fine: the basins of its smoothed density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Cells of the density grid to one smoothing width: enough that the grid itself does not show.
_CELLS = 2.5
# Smoothing widths across the view at zoom 1, fewer where there are few points; a region is a few
# of them wide.
_WIDTHS = 50


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions at one zoom.

    Attributes:
        zoom: magnification they are made for: 1, 2, 4, ...
        of: int32 (n,), the region of each point, by number; -1 outside of the view.
        peaks: float64 (regions, 2), where each is densest.
        sizes: int64 (regions,), points in each.
    """

    zoom: int
    of: NDArray[np.int32]
    peaks: NDArray[np.float64]
    sizes: NDArray[np.int64]


def find_regions(xy: NDArray[np.float32], zoom: int) -> Regions:
    """Regions of a size to be read at a magnification of `zoom`.

    The points are counted on a grid, the counts smoothed, and every cell follows the steepest way
    up to a peak; cells that reach the same peak are one region (a watershed of the density).
    """
    if not len(xy):
        return Regions(zoom, np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros(0, np.int64))
    low, high = np.percentile(xy.astype(np.float64), [0.2, 99.8], axis=0)
    size = float((high - low).max()) * 1.1 or 1.0
    corner = (low + high - size) / 2
    widths = min(_WIDTHS, 4 + len(xy) ** 0.5 / 2)
    side = int(widths * _CELLS) * zoom
    cells = np.floor((xy - corner) / size * side).astype(np.int64)
    inside = ((cells >= 0) & (cells < side)).all(axis=1)
    flat = cells[:, 0] * side + cells[:, 1]
    density = np.bincount(flat[inside], minlength=side * side).astype(np.float32)
    density = _smooth(density.reshape(side, side))
    peak_of = _climb(density)
    of = np.full(len(xy), -1, dtype=np.int32)
    peaks, of[inside] = np.unique(peak_of[flat[inside]], return_inverse=True)
    at = np.stack(np.divmod(peaks, side), axis=1) + 0.5
    return Regions(
        zoom, of, corner + at / side * size, np.bincount(of[inside], minlength=len(peaks))
    )


def _smooth(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """A Gaussian filter of `_CELLS` cells, cut at four times that; nothing lies beyond the edge."""
    reach = int(4 * _CELLS)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1, dtype=np.float32) / _CELLS) ** 2)
    weights /= weights.sum()
    for _ in range(2):  # along one axis, then along the other
        padded = np.pad(density, ((reach, reach), (0, 0)))
        density = np.zeros_like(density)
        for at, weight in enumerate(weights):
            density += weight * padded[at : at + len(density)]
        density = density.T
    return density


def _climb(density: NDArray[np.float32]) -> NDArray[np.int64]:
    """For each cell, flat, the number of the peak that the steepest way up leads to."""
    side = len(density)
    padded = np.pad(density, 1, constant_values=-1)
    best, goal = density.copy(), np.arange(side * side).reshape(side, side)
    here = goal.copy()
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            other = padded[1 + dx : 1 + dx + side, 1 + dy : 1 + dy + side]
            higher = other > best
            best[higher] = other[higher]
            goal[higher] = here[higher] + dx * side + dy
    way: NDArray[np.int64] = goal.reshape(-1)
    while not np.array_equal(further := way[way], way):
        way = further
    return way
