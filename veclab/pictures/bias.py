"""The picture of bias probes: effect sizes with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from veclab.bias.association import BiasResult
from veclab.errors import InputError, MissingExtra, OutputError

_ENDINGS = (".png", ".svg", ".pdf")


def check_picture(path: Path) -> None:
    """Raise before any work when the picture cannot be made there.

    Raises:
        InputError: another ending than .png, .svg, .pdf, or no such folder.
        MissingExtra: matplotlib is not installed.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise InputError(f"a picture ends in {', '.join(_ENDINGS)}, not {path.name!r}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"there is no folder {path.absolute().parent}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtra("plot", "the picture") from None


def draw(results: Sequence[BiasResult], title: str, path: Path) -> Path:
    """Effect sizes with 95% intervals, one row a test; a hollow dot where p is 0.05 or more.

    Raises:
        InputError, MissingExtra: as `check_picture`.
        OutputError: the picture cannot be written.
    """
    check_picture(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.55 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    for row, result in enumerate(reversed(results)):
        color = "#1f5a96"
        axes.plot([result.low, result.high], [row, row], color=color, linewidth=2)
        axes.plot(
            result.effect,
            row,
            marker="o",
            markersize=8,
            color=color,
            markerfacecolor=color if result.p < 0.05 else "white",
        )
        if result.published is not None:
            axes.plot(result.published, row, marker="|", markersize=14, color="#b04a2f")
    names = [f"{r.test}\n{r.x} / {r.y}, {r.a} / {r.b}" for r in reversed(results)]
    axes.set_yticks(range(len(results)), names, fontsize=8)
    axes.set_ylim(-0.6, len(results) - 0.4)
    axes.set_xlim(-2.05, 2.05)
    axes.axvline(0, color="#777777", linewidth=1)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    legend = "filled: p < 0.05; bar: 95% of resampled targets"
    if any(r.published is not None for r in results):
        legend += "; red: published, on other vectors"
    axes.set_xlabel(f"effect size d, above 0: first with first, second with second\n{legend}")
    axes.set_title(title, fontsize=10)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise OutputError(f"the picture {path} cannot be written: {error}") from error
    return path
