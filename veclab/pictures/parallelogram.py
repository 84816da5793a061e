"""The picture of an analogy: king - man + woman as a parallelogram, and how far it misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.analogies.analogy import Answers, Vocabulary, solve
from veclab.errors import InputError
from veclab.pictures.style import BLUE, GRAY, ORANGE, RED, label_of, require_matplotlib

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
    from veclab.pictures.figure import caption, in_style

    if len(positive) != 2 or len(negative) != 1:
        raise InputError(
            "a parallelogram has three given corners: two words to add and one to subtract, as in "
            "king - man + woman"
        )
    found = solve(vocabulary, positive, negative, k=k)
    shape = _flatten(vocabulary, found)
    with in_style():
        picture, axes = _draw(shape)
        marks = _mark_words(axes, shape, found.words)
        a, b, c = shape.corners
        axes.set_title(f"{a} − {b} + {c} ≈ {found.words[0]}")
        asked = ", a word of the question" if shape.nearest in shape.corners else ""
        caption(
            picture,
            f"{found.words[0]} lies {shape.miss:.2f} from the target (cosine "
            f"{found.scores[0]:.2f}), where {a} and {b} are {shape.side:.2f} apart. Nearest of all "
            f"words: {shape.nearest} ({shape.nearest_cosine:.2f}){asked}.",
        )
        _label(picture, axes, [*marks, (shape.target, "target", RED)], shape.lines)
    return picture


class _Parallelogram(NamedTuple):
    """An analogy on the plane of its words a, b, c; points are float64 (2,)."""

    corners: dict[str, Point]  # a, b, c
    target: Point  # a - b + c
    answers: list[Point]
    miss: float  # from the target to the first answer, in the space itself
    side: float  # from a to b, there too
    nearest: str  # to the target, of all words, those of the question included
    nearest_cosine: float

    @property
    def lines(self) -> list[tuple[Point, Point]]:
        """The four sides, and the way from the target to the first answer."""
        a, b, c = self.corners.values()
        end = self.target
        return [(b, a), (b, c), (c, end), (a, end), (end, self.answers[0])]


def _flatten(vocabulary: Vocabulary, found: Answers) -> _Parallelogram:
    """Project the words onto the plane of the question; the long side lies flat."""
    (a, c), (b,) = found.positive, found.negative
    unit = vocabulary.words.array
    of = dict(zip((a, b, c), unit[vocabulary.find([a, b, c])].astype(np.float64), strict=True))
    answers = unit[vocabulary.find(found.words)].astype(np.float64)
    across, up = of[c] - of[b], of[a] - of[b]
    plane = _basis(across, up)
    if np.linalg.norm(up) > np.linalg.norm(across):
        plane = plane[::-1]  # words need width
    target = of[a] - of[b] + of[c]
    cosines = unit @ (target / np.linalg.norm(target)).astype(np.float32)

    def at(point: Point) -> Point:
        flat: Point = plane @ (point - of[b])
        return flat

    return _Parallelogram(
        corners={word: at(point) for word, point in of.items()},
        target=at(target),
        answers=[at(answer) for answer in answers],
        miss=float(np.linalg.norm(target - answers[0])),
        side=float(np.linalg.norm(of[a] - of[b])),
        nearest=vocabulary.words.words[int(np.argmax(cosines))],
        nearest_cosine=float(cosines.max()),
    )


def _draw(shape: _Parallelogram) -> tuple[Picture, Any]:
    """Draw the sides and the way from the target to the first answer."""
    from veclab.pictures.figure import new_picture

    points = np.array([*shape.corners.values(), shape.target, *shape.answers])
    low, high = points.min(axis=0), points.max(axis=0)
    pad = 0.12 * float(np.max(high - low))
    low, high = low - pad, high + pad
    picture, axes = new_picture(5.2, 5.0 * float(np.divide(*(high - low)[::-1])) + 1.4)
    colors = ((BLUE, False), (ORANGE, False), (BLUE, True), (ORANGE, True))
    for (start, stop), (color, dashed) in zip(shape.lines, colors, strict=False):
        _arrow(axes, start, stop, color, dashed=dashed)
    axes.plot(*np.transpose(shape.lines[-1]), color=RED, linewidth=1.5, linestyle=":")
    cross = {"marker": "x", "markersize": 9, "markeredgewidth": 2, "linestyle": "none"}
    axes.plot(*shape.target, color=RED, **cross)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return picture, axes


def _mark_words(
    axes: Any, shape: _Parallelogram, answers: Sequence[str]
) -> list[tuple[Point, str, str]]:
    """Draw a dot for each word; return their places, words and colors of their labels."""
    marks = [(point, word, "#222222") for word, point in shape.corners.items()]
    marks += [(shape.answers[0], answers[0], RED)]
    marks += [(p, word, "#666666") for p, word in zip(shape.answers[1:], answers[1:], strict=True)]
    for point, _, color in marks:
        shade = GRAY if color == "#666666" else color
        axes.plot(*point, marker="o", color=shade, markersize=6, linestyle="none")
    return marks


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
        [label_of(word, 24) for _, word, _ in marks],
        colors=[color for *_, color in marks],
        size=11,
        lines=[np.array(side) for side in sides],
    )
