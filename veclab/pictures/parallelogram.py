"""The picture of an analogy: king - man + woman as a parallelogram, and how far it misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.analogies.analogy import Vocabulary, solve
from veclab.errors import InputError
from veclab.pictures.style import BLUE, GRAY, ORANGE, RED, one_line, require_matplotlib

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture

Point = NDArray[np.float64]


def analogy(
    vocabulary: Vocabulary, positive: Sequence[str], negative: Sequence[str], *, k: int = 5
) -> Picture:
    """Draw `a - b + c` as a parallelogram, with the words nearest to where it ends.

    The plane is that of the three words, so the parallelogram is exact. The answers are projected
    onto it, and lie in truth off it: the line from the target to the answer says how far.

    Args:
        vocabulary: of `veclab.analogies.analogy.vocabulary_of`.
        positive: the two words to add, for instance ["king", "woman"].
        negative: the word to subtract, for instance ["man"].
        k: how many answers to draw.

    Raises:
        InputError: other than two words to add and one to subtract, a word is not in the
            vocabulary, or the three lie on one line.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import caption, in_style, new_picture

    if len(positive) != 2 or len(negative) != 1:
        raise InputError(
            "a parallelogram has three given corners: two words to add and one to subtract, as in "
            "king - man + woman"
        )
    found = solve(vocabulary, positive, negative, k=k)
    (a, c), (b,) = found.positive, found.negative
    unit = vocabulary.words.array
    of = dict(zip((a, b, c), unit[vocabulary.find([a, b, c])].astype(np.float64), strict=True))
    answers = unit[vocabulary.find(found.words)].astype(np.float64)
    origin, across = of[b], of[c] - of[b]
    up = of[a] - of[b]
    plane = _basis(across, up)
    if np.linalg.norm(up) > np.linalg.norm(across):
        plane = plane[::-1]  # the long side lies flat: words need width
    target = of[a] - of[b] + of[c]
    with_inputs = unit @ (target / np.linalg.norm(target)).astype(np.float32)
    first = vocabulary.words.words[int(np.argmax(with_inputs))]

    def at(point: Point) -> Point:
        flat: Point = plane @ (point - origin)
        return flat

    corners = {word: at(of[word]) for word in (a, b, c)}
    end, ends = at(target), [at(x) for x in answers]
    points = np.array([*corners.values(), end, *ends])
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.12 * float(np.max(high - low))
    low, high = low - pad, high + pad
    with in_style():
        picture, axes = new_picture(5.2, 5.0 * float(np.divide(*(high - low)[::-1])) + 1.4)
        for start, stop, color in ((b, a, BLUE), (b, c, ORANGE)):
            _arrow(axes, corners[start], corners[stop], color)
        _arrow(axes, corners[c], end, BLUE, dashed=True)
        _arrow(axes, corners[a], end, ORANGE, dashed=True)
        axes.plot(*np.transpose([end, ends[0]]), color=RED, linewidth=1.5, linestyle=":")
        axes.plot(*end, marker="x", color=RED, markersize=9, markeredgewidth=2, linestyle="none")
        marks: list[tuple[Point, str, str]] = [
            (corners[word], word, "#222222") for word in (a, b, c)
        ]
        marks += [(ends[0], found.words[0], RED)]
        marks += [(p, word, "#666666") for p, word in zip(ends[1:], found.words[1:], strict=True)]
        for point, _, color in marks:
            shade = GRAY if color == "#666666" else color
            axes.plot(*point, marker="o", color=shade, markersize=6, linestyle="none")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_title(f"{a} − {b} + {c} ≈ {found.words[0]}")
        miss = float(np.linalg.norm(target - answers[0]))
        side = float(np.linalg.norm(of[a] - of[b]))
        asked = ", a word of the question" if first in of else ""
        caption(
            picture,
            f"{found.words[0]} lies {miss:.2f} from the target (cosine {found.scores[0]:.2f}), "
            f"where {a} and {b} are {side:.2f} apart. Nearest of all words: {first} "
            f"({with_inputs.max():.2f}){asked}.",
        )
        sides = [
            (corners[b], corners[a]),
            (corners[b], corners[c]),
            (corners[c], end),
            (corners[a], end),
            (end, ends[0]),
        ]
        _label(picture, axes, [*marks, (end, "target", RED)], sides)
    return picture


def _basis(across: Point, up: Point) -> Point:
    """Two orthonormal directions, float64 (2, dim): `up` upright, `across` beside it."""
    length = float(np.linalg.norm(up))
    vertical = up / length if length > 0 else up
    rest = across - (across @ vertical) * vertical
    width = float(np.linalg.norm(rest))
    if length < 1e-6 or width < 1e-6:
        raise InputError("the three words lie on one line: that is no parallelogram")
    return np.stack([rest / width, vertical])


def _arrow(axes: Any, start: Point, stop: Point, color: str, *, dashed: bool = False) -> None:
    style = {"arrowstyle": "-|>", "color": color, "shrinkA": 4, "shrinkB": 5, "linewidth": 1.8}
    style |= {"linestyle": "--", "alpha": 0.7} if dashed else {}
    axes.annotate("", xy=tuple(stop), xytext=tuple(start), arrowprops=style)


def _label(
    picture: Any,
    axes: Any,
    marks: Sequence[tuple[Point, str, str]],
    sides: Sequence[tuple[Point, Point]],
) -> None:
    """Write the words where they cover neither a point nor each other."""
    from veclab.pictures.labels import place

    place(
        picture,
        axes,
        np.array([point for point, _, _ in marks]),
        [one_line(word, 24) for _, word, _ in marks],
        colors=[color for *_, color in marks],
        size=11,
        lines=[np.array(side) for side in sides],
    )
