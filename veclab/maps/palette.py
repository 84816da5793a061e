"""The colors of maps, light and dark.

The categorical tables were found by a greedy search over the colors of sRGB for the largest
smallest distance (CAM02-UCS) between any two of them, seen with normal vision and with each of the
three color-vision deficiencies, within the lightness that shows on
their background and away from the gray of the rest. The nearest two are 14.8 apart (light) and 14.9
(dark), of the first eight 16.3 and 17.0; of matplotlib's tab10 the nearest two are 1.6 apart.
"""

from __future__ import annotations

from typing import Any

LIGHT = (
    "#5000bf", "#ff9f10", "#700010", "#70cfdf", "#8f70af", "#507050", "#804070", "#af8fff",
    "#209f8f", "#600060", "#af8000", "#8040ff", "#9fcf80", "#304040", "#ff2070", "#606000",
)  # fmt: skip
DARK = (
    "#5ac3b4", "#8700e1", "#b40000", "#e1f02d", "#008778", "#b4a5ff", "#f09600", "#4bffd2",
    "#5a5a87", "#d2e1ff", "#f0c387", "#9687b4", "#8778ff", "#963c4b", "#b49669", "#c36900",
)  # fmt: skip
# The seventeenth category on, and what is missing.
REST = {"light": "#b5b5b5", "dark": "#645860"}
# For numbers, low to high: viridis, whose ends are moved away from the background.
SCALE = {
    "light": (
        "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#a2d022",
        "#d9c200",
    ),
    "dark": (
        "#6a4ca8", "#5a66b5", "#4a80b8", "#3b98b4", "#33b0a6", "#48c78f", "#82da6d", "#c0e54a",
        "#fde725",
    ),
}  # fmt: skip


def palette() -> dict[str, Any]:
    """The tables as a page reads them."""
    return {
        "light": list(LIGHT),
        "dark": list(DARK),
        "rest": REST,
        "scale": {name: list(colors) for name, colors in SCALE.items()},
    }
