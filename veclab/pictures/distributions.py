"""Pictures of many numbers: token lengths, cosines, the spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.geometry import Moments
from veclab.errors import InputError
from veclab.pictures.style import BLUE, GRAY, ORANGE, RED, SKY, require_matplotlib
from veclab.similarities.nearest import nearest
from veclab.similarities.similarity import comparable, pairwise
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture


def lengths(
    tokens: Sequence[int] | NDArray[np.int32] | Vectors,
    limit: int | None = None,
    *,
    title: str | None = None,
) -> Picture:
    """Draw how long texts are, in tokens, and which of them a model reads only in part.

    Args:
        tokens: of each whole text (`Model.count_tokens`), or Vectors that know them.
        limit: the longest text the model reads (`Model.max_tokens`), None for no limit.
        title: above the picture.

    Raises:
        InputError: there are none, or the vectors do not know their tokens.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    if isinstance(tokens, Vectors):
        if tokens.tokens is None:
            raise InputError(
                "these vectors do not record the token counts of their texts; count them with "
                "model.count_tokens(texts)"
            )
        tokens = tokens.tokens
    counts = np.asarray(tokens, dtype=np.int64)
    if not len(counts):
        raise InputError("no texts, no lengths to draw")
    # The last bin takes the longest hundredth, so that one huge text does not flatten the rest.
    top = max(
        int(np.quantile(counts, 0.99)), 2 * (limit or 0) if counts.max() > (limit or 0) else 0
    )
    top = min(int(counts.max()), max(top, 10))
    edges = np.linspace(0, top, min(60, top) + 1)
    if limit is not None and limit < top:  # the limit falls on an edge: no bin is half cut
        edges = np.unique(np.concatenate([edges[np.abs(edges - limit) > 1e-9], [limit + 0.5]]))
    with in_style():
        picture, axes = new_picture()
        shown = np.minimum(counts, top)
        over = np.zeros(len(counts), dtype=bool) if limit is None else counts > limit
        stacks = [shown[~over], shown[over]]
        axes.hist(stacks, bins=edges, stacked=True, color=[BLUE, ORANGE], linewidth=0)
        if limit is not None:
            axes.axvline(limit + 0.5, color=RED, linestyle="--", linewidth=1.5)
            lost = int((counts - limit)[over].sum())
            said = f"over the limit of {limit:,}:\n{_count(over)} texts ({over.mean():.1%})"
            said += f"\n{lost:,} tokens not read" if lost else ""
            right = limit > 0.6 * top
            axes.annotate(
                said,
                (limit + 0.5, 0.97),
                xycoords=("data", "axes fraction"),
                xytext=(-8 if right else 8, 0),
                textcoords="offset points",
                va="top",
                ha="right" if right else "left",
                fontsize=10,
            )
        axes.margins(x=0.01)
        axes.grid(axis="y")
        beyond = int((counts > top).sum())
        last = f"\nthe last bar holds {beyond:,} of up to {counts.max():,}" if beyond else ""
        axes.set_xlabel(f"tokens per text, median {np.median(counts):,.0f}{last}")
        axes.set_ylabel("texts")
        if title:
            axes.set_title(title)
    return picture


def _count(mask: NDArray[np.bool_]) -> str:
    return f"{int(mask.sum()):,} of {len(mask):,}"


def similarities(
    vectors: Vectors, *, sample: int = 2000, seed: int = 0, title: str | None = None
) -> Picture:
    """Draw the cosines of random pairs of texts beside those of texts with their nearest.

    Where the two lie apart, a neighbor means something. Where they overlap, it may be chance.

    Args:
        vectors: at least 3.
        sample: texts whose nearest neighbor is looked for, among all; drawn with `seed`.
        seed: of the draw.
        title: above the picture.

    Raises:
        InputError: there are too few vectors, or one that has no direction.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    n = len(vectors)
    if n < 3:
        raise InputError(f"a distribution needs at least 3 vectors, not {n}")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(n, size=min(sample, n), replace=False))
    found = nearest(vectors[rows], vectors, k=2)
    # The text itself is one of the two (or a copy of it is: then the other is as near).
    near = np.where(found.positions[:, 0] == rows, found.scores[:, 1], found.scores[:, 0])
    left = rng.integers(0, n, size=max(10_000, sample))
    right = (left + rng.integers(1, n, size=len(left))) % n
    chance = pairwise(vectors[left], vectors[right])
    bar = float(np.quantile(chance, 0.99))
    with in_style():
        picture, axes = new_picture()
        low = min(float(chance.min()), float(near.min()))
        bins = np.linspace(low, max(1.0, float(near.max())), 61)
        for values, color, hatch, name in (
            (chance, GRAY, None, "random pairs"),
            (near, BLUE, "//", "nearest neighbors"),
        ):
            weights = np.full(len(values), 100 / len(values))
            axes.hist(
                values,
                bins=bins,
                weights=weights,
                color=color,
                alpha=0.75,
                hatch=hatch,
                edgecolor="white",
                linewidth=0,
                label=f"{name}, mean {values.mean():z.2f}",
            )
        axes.axvline(
            bar,
            color=RED,
            linestyle="--",
            linewidth=1.5,
            label=f"99% of random pairs lie below {bar:z.2f}",
        )
        axes.grid(axis="y")
        axes.set_ylabel("percent of pairs")
        under = float((near <= bar).mean())
        axes.set_xlabel(f"cosine ({under:.1%} of the neighbors lie left of the line)")
        picture.legend(loc="outside lower left")
        if title:
            axes.set_title(title)
    return picture


def spectrum(vectors: Vectors, *, title: str | None = None) -> Picture:
    """Draw how the vectors use their dimensions: variance by principal component, and the sum.

    The effective rank is the exponential of the entropy of the singular values of the unit
    vectors (Roy and Vetterli 2007), as `veclab audit` gives it.

    Raises:
        InputError: there are fewer than 3 vectors, one has no direction, or all are the same.
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    if len(vectors) < 3:
        raise InputError(f"a spectrum needs at least 3 vectors, not {len(vectors)}")
    moments = Moments.empty(vectors.dimensions)
    unit = comparable(vectors, "cosine")
    for start in range(0, len(unit), 4096):
        moments.add(unit[start : start + 4096])
    mean = moments.total / moments.count
    values = np.linalg.eigvalsh(moments.gram / moments.count - np.outer(mean, mean))[::-1]
    values = np.maximum(values, 0.0)
    if values[0] < 1e-9:
        raise InputError("all vectors point the same way: there is no variance to draw")
    share = 100 * values / values.sum()
    held = np.cumsum(share)
    rank, half, most = (
        moments.effective_rank(),
        *(int(np.searchsorted(held, p)) + 1 for p in (50, 90)),
    )
    with in_style():
        picture, axes = new_picture()
        number = np.arange(1, len(share) + 1)
        axes.fill_between(number, held, color=SKY, alpha=0.35, linewidth=0)
        axes.plot(number, held, color=BLUE)
        for percent, at in ((50, half), (90, most)):
            axes.plot(
                [at, at, 0], [0, percent, percent], color="#666666", linewidth=1, linestyle=":"
            )
            axes.annotate(
                f"{percent}% in {at:,}",
                (at, percent),
                xytext=(6, -12),
                textcoords="offset points",
                fontsize=10,
            )
        axes.axvline(rank, color=RED, linestyle="--", linewidth=1.5)
        right = rank > 0.6 * len(share)
        axes.annotate(
            f"effective rank\n{rank:,.0f} of {len(share):,}",
            (rank, 4),
            xytext=(-6 if right else 6, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            color=RED,
            fontsize=10,
        )
        axes.set_ylim(0, 102)
        axes.set_xlim(0, len(share))
        axes.grid(axis="y")
        axes.set_xlabel(f"principal components (the first alone holds {share[0]:.1f}%)")
        axes.set_ylabel("percent of the variance")
        if title:
            axes.set_title(title)
    return picture
