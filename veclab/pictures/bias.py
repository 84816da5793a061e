"""The picture of bias probes: effect sizes with their intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from veclab.bias.association import BiasResult
from veclab.pictures.style import BLUE, RED, label_of, require_matplotlib

if TYPE_CHECKING:
    from veclab.pictures.figure import Picture


def bias_effects(results: Sequence[BiasResult], title: str | None = None) -> Picture:
    """Draw effect sizes with 95% intervals, one row a test; a hollow dot where p is 0.05 or more.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    require_matplotlib()
    from veclab.pictures.figure import in_style, new_picture

    with in_style():
        picture, axes = new_picture(5.2, 1.9 + 0.85 * len(results))
        for row, result in enumerate(reversed(results)):
            axes.plot([result.low, result.high], [row, row], color=BLUE)
            filled = BLUE if result.p < 0.05 else "white"
            axes.plot(
                result.effect, row, marker="o", markersize=8, color=BLUE, markerfacecolor=filled
            )
            if result.published is not None:
                axes.plot(result.published, row, marker="|", markersize=14, color=RED)
            said = textwrap.fill(f"{result.x} / {result.y} with {result.a} / {result.b}", 58)
            name = f"{result.test}\n{said}"
            axes.text(-2.0, row + 0.16, name, fontsize=9, va="bottom", linespacing=1.15)
        axes.set_yticks([])
        axes.set_ylim(-0.35, len(results) - 0.15)
        axes.set_xlim(-2.05, 2.05)
        axes.axvline(0, color="#777777", linewidth=1)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        said = "effect size d; above 0: first with first, second with second"
        said += "\nfilled: p < 0.05; bar: 95% of resampled targets"
        if any(r.published is not None for r in results):
            said += "\nred: published, on other vectors"
        axes.set_xlabel(said, fontsize=10)
        if title:
            axes.set_title(label_of(title, 44))
    return picture
