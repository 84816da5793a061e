"""Labels beside points: by textalloc where they fit, left out where they would cover others."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra


def place(
    picture: Any,
    axes: Any,
    points: NDArray[np.float64],
    labels: Sequence[str],
    *,
    colors: Sequence[str] | None = None,
    size: float = 10,
    others: NDArray[np.float64] | None = None,
    lines: Sequence[NDArray[np.float64]] = (),
) -> int:
    """Write labels beside their points; returns how many found no room and were left out.

    Args:
        picture, axes: the figure and the axes, with all else drawn and their limits set.
        points: float64 (n, 2), in data coordinates.
        labels: n texts, the most important first.
        colors: of each text.
        size: of the letters, in points.
        others: float64 (m, 2): further points that labels should not cover.
        lines: each float64 (m, 2): lines that they should not cover either.

    Raises:
        MissingExtra: textalloc is not installed.
    """
    if not len(points):
        return 0
    try:
        import textalloc
    except ImportError:
        raise MissingExtra("plot", "labels that do not overlap") from None
    picture.canvas.draw()  # settles the layout: textalloc measures what it sees
    axes.set_autoscale_on(False)
    covered = points if others is None else np.concatenate([points, others])
    # textalloc reports by print; what was left out is told by the caller.
    with contextlib.redirect_stdout(io.StringIO()):
        _, _, texts, _ = textalloc.allocate(
            axes,
            points[:, 0],
            points[:, 1],
            list(labels),
            x_scatter=covered[:, 0],
            y_scatter=covered[:, 1],
            x_lines=[line[:, 0] for line in lines],
            y_lines=[line[:, 1] for line in lines],
            textsize=size,
            textcolor=list(colors) if colors is not None else "#222222",
            linecolor="#999999",
            linewidth=0.8,
            min_distance=0.012,
            max_distance=0.12,
            margin=0.004,
            draw_all=False,
            # Readable over points; an outline would turn the letters of an .svg into paths.
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6},
        )
    written: list[Any] = [text for text in texts if text is not None]
    for text in written:  # the layout stays as it was measured
        text.set_in_layout(False)
    return len(labels) - len(written)
