"""Draw what vectors and results look like: every function returns a matplotlib Figure.

    import veclab

    picture = veclab.pictures.heatmap(vectors)
    picture.write("similar.svg")

A notebook shows the Figure as it is. matplotlib (`pip install 'veclab[plot]'`) is imported when
the first picture is drawn.
"""

from veclab.pictures.bias import bias_effects
from veclab.pictures.distributions import lengths, similarities, spectrum
from veclab.pictures.matrix import heatmap
from veclab.pictures.parallelogram import analogy
from veclab.pictures.points import scatter
from veclab.pictures.quality import comparison
from veclab.pictures.style import COLORS, STYLE, check_picture

__all__ = [
    "COLORS",
    "STYLE",
    "analogy",
    "bias_effects",
    "check_picture",
    "comparison",
    "heatmap",
    "lengths",
    "scatter",
    "similarities",
    "spectrum",
]
