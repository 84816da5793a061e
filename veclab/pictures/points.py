"""The map as a picture: points on a plane, colored by category or value, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from veclab.errors import InputError
from veclab.pictures.style import COLORS, GRAY, label_of, require_matplotlib

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture

_MARKERS = "osD^vP*"


def scatter(
    x: ArrayLike,
    y: ArrayLike,
    *,
    groups: Sequence[object] | None = None,
    values: ArrayLike | None = None,
    labels: Sequence[tuple[float, float, str]] = (),
    title: str | None = None,
    note: str | None = None,
    value_name: str = "",
) -> Picture:
    """Draw a map: one point a text, colored by group or by value, and labels where there is room.

    Args:
        x, y: n positions. Axes are left out: their numbers mean nothing.
        groups: a category for each point. The seven most frequent get a color and a marker of
            their own, the others are gray, and the legend says how many they are.
        values: a number for each point, drawn as a color scale; those that are not finite are gray.
            The scale leaves out the outermost percent on each side, so that one huge value does not
            make all others alike; arrows at its ends say so.
        labels: (x, y, text), the most important first; those without room are left out and counted.
        title: above the picture.
        note: below it, for instance what the projection kept.
        value_name: of the color scale.

    Raises:
        InputError: no points, not as many of each, or groups and values at once.
        MissingExtra: matplotlib or textalloc is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import caption, in_style, new_picture

    points = _points(x, y)
    if groups is not None and values is not None:
        raise InputError("color by groups or by values, not by both")
    for name, given in (("groups", groups), ("values", values)):
        if given is not None and len(np.asarray(given, dtype=object)) != len(points):
            raise InputError(f"{len(points)} points need {len(points)} {name}")
    size = float(np.clip(20_000 / len(points), 2, 36))
    dots: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": len(points) > 5000}
    with in_style():
        low, high = points.min(axis=0), points.max(axis=0)
        pad = 0.03 * float(np.max(high - low)) or 1.0
        low, high = low - pad, high + pad
        ratio = float(np.divide(*(high - low)[::-1]))
        picture, axes = new_picture(5.2, 4.8 * min(max(ratio, 0.4), 1.3) + 0.8)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        if values is not None:
            number = np.asarray(values, dtype=np.float64)
            good = np.isfinite(number)
            axes.scatter(*points[~good].T, color="#cccccc", **dots)
            scale, extend = _scale(number[good])
            shown = axes.scatter(*points[good].T, c=number[good], cmap="viridis_r", **scale, **dots)
            bar = picture.colorbar(shown, ax=axes, shrink=0.8, aspect=25, pad=0.02, extend=extend)
            bar.outline.set_visible(False)
            bar.set_label(value_name)
        elif groups is not None:
            _groups(picture, axes, points, groups, dots)
        else:
            axes.scatter(*points.T, color=COLORS[0], alpha=0.7, **dots)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        if title:
            axes.set_title(title)
        if note or labels:
            caption(picture, note or " ")
        left = _label(picture, axes, points, labels)
        if left:
            more = f"{left} of {len(labels)} labels found no room"
            caption(picture, f"{note}; {more}" if note else more)
    return picture


def _scale(values: NDArray[np.float64]) -> tuple[dict[str, float], str]:
    """Which values the ends of the color scale stand for, and which ends have more beyond them."""
    if len(values) < 100:
        return {}, "neither"
    low, high = np.percentile(values, [1, 99])
    if not high > low:
        return {}, "neither"
    below, above = bool(values.min() < low), bool(values.max() > high)
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}
    return {"vmin": float(low), "vmax": float(high)}, extend.get((below, above), "neither")


def _points(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if across.ndim != 1 or across.shape != up.shape or not len(across):
        raise InputError(f"x {across.shape} and y {up.shape} must be as many numbers, at least one")
    points = np.column_stack([across, up])
    if not np.isfinite(points).all():
        raise InputError("x and y hold values that are not finite")
    return points


def _groups(
    picture: Any,
    axes: Any,
    points: NDArray[np.float64],
    groups: Sequence[object],
    dots: dict[str, Any],
) -> None:
    names, inverse, counts = np.unique(
        np.array([str(g) for g in groups]), return_inverse=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    named, rest = order[: len(COLORS)], order[len(COLORS) :]
    if len(rest):
        inside = np.isin(inverse, rest)
        name = f"{len(rest):,} others ({int(inside.sum()):,})"
        axes.scatter(*points[inside].T, color=GRAY, alpha=0.5, label=name, **dots)
    for group, color, marker in zip(named, COLORS, _MARKERS, strict=False):
        axes.scatter(
            *points[inverse == group].T,
            color=color,
            marker=marker,
            label=label_of(str(names[group]), 24),
            **dots,
        )
    columns = 2 if max(len(label_of(str(names[g]), 24)) for g in named) > 14 else 3
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.01),
        ncols=columns,
        handletextpad=0.3,
        columnspacing=1.0,
    )
    for handle in legend.legend_handles:
        handle.set_sizes([36])
        handle.set_alpha(1)


def _label(
    picture: Any,
    axes: Any,
    points: NDArray[np.float64],
    labels: Sequence[tuple[float, float, str]],
) -> int:
    from veclab.pictures.labels import place

    if not labels:
        return 0
    # Among more points there would be no room: labels stand on a light ground instead.
    return place(
        picture,
        axes,
        np.array([(x, y) for x, y, _ in labels], dtype=np.float64),
        [label_of(text, 28) for *_, text in labels],
        others=points if len(points) < 100 else None,
    )
