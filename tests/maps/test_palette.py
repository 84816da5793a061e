"""The colors of maps stay apart, also for eyes that lack one kind of cone."""

import itertools

import numpy as np
import pytest

from veclab.maps.palette import DARK, LIGHT, REST

# Machado, Oliveira and Fernandes 2009, severity 1, for linear light.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# OKLab (Ottosson 2020), in which distances are about as large as they look.
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
TAB10 = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
    "#bcbd22", "#17becf",
)  # fmt: skip


def seen(color: str, vision: str) -> np.ndarray:
    """Where a color lies in OKLab times 100, as that vision sees it."""
    share = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return 100 * LAB @ np.cbrt(CONES @ np.clip(VISIONS[vision] @ light, 0, 1))


def nearest_two(colors, vision: str) -> float:
    places = [seen(color, vision) for color in colors]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(places, 2))


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("colors", [LIGHT, DARK], ids=["light", "dark"])
def test_any_two_of_sixteen_differ_for_every_vision(colors, vision):
    assert len(set(colors)) == 16
    assert nearest_two(colors, vision) > 5
    assert nearest_two(colors[:8], vision) > 7.5  # the most frequent categories


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("colors", "theme"), [(LIGHT, "light"), (DARK, "dark")])
def test_none_is_taken_for_the_gray_of_the_rest(colors, theme, vision):
    gray = seen(REST[theme], vision)
    assert min(np.linalg.norm(seen(color, vision) - gray) for color in colors) > 4


def test_the_measure_finds_what_is_wrong_with_matplotlibs_ten():
    assert nearest_two(TAB10, "normal") > 10
    assert min(nearest_two(TAB10, vision) for vision in VISIONS) < 1
