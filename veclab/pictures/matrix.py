"""The similarity heat map: each text with each, like beside like."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.pictures.style import names_of, require_matplotlib
from veclab.similarities.similarity import similarity
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture

# More names than that cannot be read, and more cells than that are less than a pixel each.
MOST_NAMED, MOST_VALUES, MOST = 40, 12, 2000


def heatmap(
    vectors: Vectors, other: Vectors | None = None, *, order: bool = True, title: str | None = None
) -> Picture:
    """Draw the cosine of each text with each as a matrix of colors, the texts on its axes.

    Args:
        vectors: the rows; up to 2,000. Names are written for up to 40, numbers for up to 12.
        other: the columns; by default the same vectors.
        order: put texts that are alike side by side (average linkage, optimal leaf order).
        title: above the picture.

    Raises:
        SpaceMismatch: the two come from different spaces.
        InputError: there are no vectors, too many, or one that has no direction.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    columns = vectors if other is None else other
    if not len(vectors) or not len(columns):
        raise InputError("a heat map needs at least one text on each side")
    if max(len(vectors), len(columns)) > MOST:
        raise InputError(
            f"{max(len(vectors), len(columns)):,} texts make more cells than a picture has points; "
            f"draw a sample of up to {MOST:,} (vectors[:200], --sample 200)"
        )
    scores = similarity(vectors, columns)
    down, across = np.arange(len(vectors)), np.arange(len(columns))
    if order:
        down = leaf_order(similarity(vectors, vectors))
        across = down if other is None else leaf_order(similarity(columns, columns))
    scores = scores[down][:, across]
    named = max(scores.shape) <= MOST_NAMED
    with in_style():
        if named:
            picture, axes = _named(vectors[down], columns[across], same=other is None)
        else:
            picture, axes = new_picture(
                5.2, 1.2 + 4.2 * min(2.0, scores.shape[0] / scores.shape[1])
            )
            axes.set(xticks=[], yticks=[])
            size = f"{scores.shape[0]:,} x {scores.shape[1]:,} texts"
            axes.set_xlabel(f"{size}; names are written for up to {MOST_NAMED}", fontsize=10)
        low = min(0.0, float(scores.min()))
        aspect = "auto" if named and max(scores.shape) > MOST_VALUES else "equal"
        image = axes.imshow(scores, vmin=low, vmax=1.0, aspect=aspect, interpolation="nearest")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if max(scores.shape) <= MOST_VALUES:
            _write(axes, scores, low)
        else:
            bar = picture.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.02)
            bar.outline.set_visible(False)
            bar.set_label("cosine")
        if title:
            axes.set_title(title)
    return picture


def _named(rows: Vectors, columns: Vectors, *, same: bool) -> tuple[Picture, Any]:
    """Axes with the texts on the left; on top their numbers, or those of the columns."""
    from veclab.pictures.figure import new_picture

    few = max(len(rows), len(columns)) <= MOST_VALUES
    names = names_of(rows.ids, rows.texts, 44 if few else 24)
    if few:  # there is height for two lines
        names = [textwrap.fill(name, 22) for name in names]
    letter = 0.085 if few else 0.07
    beside = letter * max(len(line) for name in names for line in name.splitlines()) + 0.4
    right = 0.1 if few else 0.8  # the bar of colors
    # Many cells are narrower than they are tall: names stay legible where the picture is small.
    least = 0.4 if few else 0.03 if same else 0.16
    across = min(max((5.1 - beside - right) / len(columns), least), 0.62)
    down = across if few else 0.17
    over, step = 0.3, 1 if few else 5
    if same:
        names = [f"{name}  {i + 1}" for i, name in enumerate(names)]
        above = [f"{i + 1}" if (i + 1) % step == 0 else "" for i in range(len(columns))]
    else:
        above = names_of(columns.ids, columns.texts, 26)
        over = letter * max(map(len, above)) + 0.2
    picture, axes = new_picture(
        beside + across * len(columns) + right, over + 0.5 + down * len(rows)
    )
    picture.set_layout_engine("compressed")
    small: dict[str, Any] = {} if few else {"fontsize": 9}
    axes.set_yticks(range(len(rows)), names, linespacing=1.0, **small)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), above, rotation=0 if same else 90, **small)
    return picture, axes


def _write(axes: Any, scores: NDArray[np.float32], low: float) -> None:
    """The numbers in the cells: two digits, without the zero in front."""
    for (row, column), score in np.ndenumerate(scores):
        light = (score - low) / (1.0 - low) > 0.55
        axes.text(
            column,
            row,
            "1" if score > 0.995 else f"{score:z.2f}".replace("0.", ".", 1),
            ha="center",
            va="center",
            fontsize=10,
            color="white" if light else "#222222",
        )


def leaf_order(scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """An order of n things in which those alike are neighbors, from their float32 (n, n) scores."""
    if len(scores) < 3:
        return np.arange(len(scores))
    try:
        from scipy.cluster.hierarchy import leaves_list, linkage
        from scipy.spatial.distance import squareform
    except ImportError:
        from veclab.errors import MissingExtra

        raise MissingExtra("plot", "the order of a heat map") from None
    distances = np.maximum(0.0, 1.0 - np.asarray(scores, dtype=np.float64))
    distances = (distances + distances.T) / 2
    np.fill_diagonal(distances, 0.0)
    # The optimal order takes the cube of n: beyond some hundreds the plain one does.
    tree = linkage(squareform(distances, checks=False), "average", len(scores) <= 300)
    return np.asarray(leaves_list(tree), dtype=np.intp)
