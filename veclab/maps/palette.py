"""The colors of maps, light and dark.

The categorical tables were found by a greedy search over the colors of sRGB for the largest
smallest distance (CAM02-UCS) between any two of them, seen with normal vision and with each of the
three color-vision deficiencies, within the lightness that shows on their background.
"""

from __future__ import annotations

from typing import Any

LIGHT = (
    "#7000bf", "#ff7000", "#00dfff", "#604040", "#808f8f", "#cfdf9f", "#509fcf", "#bf3000",
    "#80608f", "#efcf30", "#404060", "#9fbfbf", "#308050", "#af9f70", "#8f50ff", "#801000",
)  # fmt: skip
DARK = LIGHT
# The seventeenth category on, and what is missing.
REST = {"light": "#b5b5b5", "dark": "#5c6068"}
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
