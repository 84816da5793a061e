"""A scatter plot as SVG text: no library, no script, colors from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 18, 52
RADIUS = 10


@dataclass(frozen=True, slots=True)
class Point:
    """One mark: its number in the table, what to say of it, where it is, and how sure its y is.

    `group` picks the color (rows of one model share it); `chosen` gets a ring.
    """

    number: int
    title: str
    x: float
    y: float
    low: float | None
    high: float | None
    group: int
    chosen: bool = False


def scatter(points: Sequence[Point], x_label: str, y_label: str) -> str:
    """An SVG picture, x on a log scale, y with its intervals; x must be above 0."""
    x_ticks = _log_ticks([p.x for p in points])
    y_ticks = _ticks([v for p in points for v in (p.y, p.low, p.high) if v is not None])
    x_low, x_high = math.log10(x_ticks[0]), math.log10(x_ticks[-1])
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def across(x: float) -> float:
        return LEFT + (math.log10(x) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(y_label)} against {escape(x_label)}">'
    ]
    for tick in y_ticks:
        y = up(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" '
            f'text-anchor="end">{_short(tick)}</text>'
        )
    for tick in x_ticks:
        x = across(tick)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{_short(tick)}</text>'
        )
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="axis" x="14" y="{middle}" text-anchor="middle" '
        f'transform="rotate(-90 14 {middle})">{escape(y_label)}</text>'
    )
    # The chosen one last, so that nothing covers it.
    placed = zip(points, _apart([across(p.x) for p in points]), strict=True)
    for point, x in sorted(placed, key=lambda pair: pair[0].chosen):
        parts.append(_mark(point, x, up))
    return "".join([*parts, "</svg>"])


def _mark(point: Point, x: float, up: Callable[[float], float]) -> str:
    y = up(point.y)
    parts = [f'<g class="mark c{point.group % 8}"><title>{escape(point.title)}</title>']
    if point.low is not None and point.high is not None:
        top, bottom, left = up(point.high), up(point.low), x - 4
        path = f"M{left:.1f} {top:.1f}h8M{x:.1f} {top:.1f}V{bottom:.1f}M{left:.1f} {bottom:.1f}h8"
        parts.append(f'<path class="bar" d="{path}"/>')
    if point.chosen:
        parts.append(f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS + 4}"/>')
    parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>')
    parts.append(
        f'<text class="number" x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">'
        f"{point.number}</text></g>"
    )
    return "".join(parts)


def _apart(xs: Sequence[float]) -> list[float]:
    """Marks that would lie on each other, set side by side around where they belong."""
    step = 2 * RADIUS + 2
    moved = list(xs)
    done: set[int] = set()
    for i, x in enumerate(xs):
        if i in done:
            continue
        same = [j for j, other in enumerate(xs) if abs(other - x) < RADIUS and j not in done]
        for place, j in enumerate(same):
            moved[j] = x + (place - (len(same) - 1) / 2) * step
            done.add(j)
    low, high = LEFT + RADIUS, WIDTH - RIGHT - RADIUS
    left, right = min(moved, default=low), max(moved, default=high)
    # A group at the edge is moved into the picture as a whole.
    for j, x in enumerate(moved):
        if left < low and abs(xs[j] - xs[moved.index(left)]) < 2 * RADIUS:
            moved[j] = x + low - left
        elif right > high and abs(xs[j] - xs[moved.index(right)]) < 2 * RADIUS:
            moved[j] = x - (right - high)
    return moved


def _log_ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10, ... around all values; whole powers of ten where that would be too many."""
    low, high = min(values) * 0.8, max(values) * 1.25
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    ticks = _around(fine, low, high)
    return ticks if len(ticks) <= 8 else _around([10.0**power for power in powers], low, high)


def _around(ticks: list[float], low: float, high: float) -> list[float]:
    inside = [tick for tick in ticks if low < tick < high]
    below = [tick for tick in ticks if tick <= low][-1:] or ticks[:1]
    above = [tick for tick in ticks if tick >= high][:1] or ticks[-1:]
    return sorted({*below, *inside, *above})


def _ticks(values: Sequence[float]) -> list[float]:
    """Four to eight round numbers around all values."""
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high), 0.1) * 0.1
    rough = 10 ** math.floor(math.log10(span / 4))
    step = next(f * rough for f in (1, 2, 5, 10) if span / (f * rough) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{round(value, 6):g}"
