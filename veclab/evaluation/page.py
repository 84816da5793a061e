"""The report of a comparison: one HTML file with pictures, no scripts, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from veclab.atomic import atomic
from veclab.evaluation.charts import Point, scatter
from veclab.evaluation.leaderboard import Board, Comparison, Difference, Row
from veclab.evaluation.timing import PASSES, SAMPLE_TEXTS
from veclab.evaluation.variants import Variant

_STYLE = """
:root { color-scheme: light dark; --page: #fafaf9; --card: #ffffff; --ink: #1c1917;
  --soft: #6b6560; --line: #e4e1dd; --good: #0f766e; --good-soft: #e6f4f1; --bad: #b42318;
  --c0: #1d4ed8; --c1: #b45309; --c2: #047857; --c3: #7e22ce; --c4: #be123c; --c5: #0e7490;
  --c6: #4d7c0f; --c7: #57534e; --on-color: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --page: #161412; --card: #1f1c1a; --ink: #ece8e3;
  --soft: #a39c95; --line: #37322e; --good: #5eead4; --good-soft: #15302c; --bad: #fda29b;
  --c0: #93b4ff; --c1: #fbbf6b; --c2: #6ee7b7; --c3: #d8b4fe; --c4: #fda4af; --c5: #67e8f9;
  --c6: #bef264; --c7: #d6d3d1; --on-color: #161412; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 44px 0 2px; }
h3 { font-size: 15px; margin: 28px 0 8px; }
p { margin: 0 0 8px; max-width: 85ch; }
.soft, figcaption, .said { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.advice { padding: 16px 20px; margin: 20px 0 0; background: var(--good-soft);
  border-color: var(--good); }
.advice b { color: var(--good); }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr));
  gap: 16px; margin: 16px 0; }
figure { margin: 0; padding: 12px 12px 8px; }
figcaption { font-size: 13px; padding: 0 8px; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--soft); }
svg .axis { font-size: 13px; fill: var(--ink); }
svg .number { font-size: 11px; font-weight: 600; fill: var(--on-color); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .bar { stroke: var(--mark); stroke-width: 1.5; fill: none; opacity: 0.75; }
svg .dot { fill: var(--mark); }
svg .ring { fill: none; stroke: var(--good); stroke-width: 2.5; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 6px; font-size: 13.5px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; font-size: 12.5px; color: var(--soft); vertical-align: bottom; }
th.left, td.left { text-align: left; }
td.why { text-align: left; white-space: normal; color: var(--bad); min-width: 30ch; }
tr.chosen td { background: var(--good-soft); }
.badge { display: inline-block; min-width: 22px; height: 22px; line-height: 22px;
  border-radius: 11px; text-align: center; font-size: 12px; font-weight: 600;
  background: var(--mark); color: var(--on-color); margin-right: 8px; }
.none { background: var(--line); color: var(--soft); }
.unit { padding: 12px 16px; margin: 0 0 10px; }
.unit .text { white-space: pre-line; overflow-wrap: anywhere; font-weight: 500; max-width: none; }
.unit .answer { color: var(--soft); font-size: 13px; margin: 2px 0 8px; overflow-wrap: anywhere;
  max-width: none; }
.unit td { border: 0; padding: 2px 10px 2px 0; vertical-align: top; font-size: 13px; }
.unit td.said { white-space: normal; text-align: left; width: 99%; overflow-wrap: anywhere; }
.track { display: inline-block; width: 90px; height: 8px; border-radius: 4px;
  background: var(--line); vertical-align: middle; margin-right: 8px; }
.fill { display: block; height: 8px; border-radius: 4px; background: var(--mark); }
ul { margin: 8px 0; padding-left: 20px; }
li { overflow-wrap: anywhere; }
footer { margin-top: 48px; padding-top: 16px; border-top: 1px solid var(--line); font-size: 13px;
  color: var(--soft); }
""" + "".join(f".c{n} {{ --mark: var(--c{n}); }}\n" for n in range(8))

_MEANING = {
    "sts": "A figure near 1 says: the pair stands as high by similarity as by its score.",
    "pairs": "A figure near 1 says: the pair stands on the right side of the ranking.",
    "retrieval": "The figure is nDCG@10 of the query.",
    "self-retrieval": "The figure is nDCG@10 of the query.",
    "labels": "The figure is 1 where the nearest neighbors have the text's class, else 0.",
}


def write_page(found: Comparison, path: str | Path) -> Path:
    """Write the report, whole or not at all; raises OutputError where that cannot be done."""
    path = Path(path)
    with atomic(path) as temporary:
        temporary.write_text(page(found), encoding="utf-8")
    return path


def page(found: Comparison) -> str:
    """The report as HTML."""
    title = "Which model is best on " + ", ".join(board.name for board in found.boards) + "?"
    boards = "".join(_board(board, found.choice) for board in found.boards)
    advice = escape(found.recommendation)
    if found.choice is not None and found.recommendation.startswith(found.choice):
        advice = f"<b>{escape(found.choice)}</b>" + escape(
            found.recommendation[len(found.choice) :]
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{escape(title)}</h1><p class="soft">veclab compare, {escape(found.when)}</p>'
        f'<div class="card advice">{advice}</div>{boards}{_footer(found)}'
        "</main></body></html>\n"
    )


def _board(board: Board, choice: str | None) -> str:
    groups = _groups(board)
    notes = "".join(f"<li>{escape(note)}</li>" for note in board.notes)
    return (
        f"<section><h2>{escape(board.name)}</h2>"
        f'<p class="soft">{board.n:,} {board.units}, task {escape(board.task)}: '
        f"{escape(board.reason)}.</p>"
        f'<div class="pictures">{_pictures(board, groups, choice)}</div>'
        f"{_table(board, groups, choice)}"
        + (f"<h3>Notes</h3><ul>{notes}</ul>" if notes else "")
        + _differences(board, groups)
        + "</section>"
    )


def _groups(board: Board) -> dict[str, int]:
    """Label -> color; rows of one model share one."""
    names = [Variant.parse(row.label)[0] for row in board.rows]
    order = list(dict.fromkeys(names))
    return {row.label: order.index(name) for row, name in zip(board.rows, names, strict=True)}


def _pictures(board: Board, groups: dict[str, int], choice: str | None) -> str:
    wanted = [
        ("texts a second", "further right is faster", [r.texts_per_second for r in board.rows]),
        (
            "MB for a million vectors",
            "further left is smaller",
            [r.bytes_per_million and r.bytes_per_million / 1e6 for r in board.rows],
        ),
        ("dollars for a million texts", "further left is cheaper", [r.dollars for r in board.rows]),
    ]
    pictures = []
    for label, hint, values in wanted:
        points = [
            Point(
                number,
                f"{row.label}: {board.metrics[0]} {row.main.value:.4f}, {value:,.4g} {label}",
                value,
                row.main.value,
                row.main.low,
                row.main.high,
                groups[row.label],
                row.label == choice,
            )
            for number, (row, value) in enumerate(zip(board.rows, values, strict=True), 1)
            if value and row.figures and not math.isnan(row.main.value)
        ]
        if points:
            picture = scatter(points, f"{label} (log scale)", board.metrics[0])
            pictures.append(
                f'<figure class="card">{picture}<figcaption>Higher is better, {hint}. Bars are '
                "95% intervals, numbers those of the table. Equal ones stand side by side."
                "</figcaption></figure>"
            )
    return "".join(pictures)


def _table(board: Board, groups: dict[str, int], choice: str | None) -> str:
    first, *others = board.metrics or [""]
    timed = any(row.texts_per_second for row in board.rows)
    started = any(row.start_seconds for row in board.rows)
    paid = any(row.dollars is not None for row in board.rows)
    header = [first, "95% interval", "p against<br>the best", *others, "dims", "MB per<br>million"]
    header += ["texts/s", "tokens/s"] if timed else []
    header += ["cold<br>start", "peak<br>memory"] if started else []
    header += ["texts<br>cut", "tokens<br>lost"] + (["$ per<br>million"] if paid else [])
    head = "".join(f"<th>{name}</th>" for name in header)
    body = []
    for number, row in enumerate(board.rows, 1):
        badge = f'<span class="badge c{groups[row.label] % 8}">{number}</span>'
        if row.error is not None:
            badge = f'<span class="badge none">{number}</span>'
        name = f'<td class="left">{badge}{escape(row.label)}</td>'
        if row.error is not None:
            body.append(
                f'<tr>{name}<td class="why" colspan="{len(header)}">{escape(row.error)}</td></tr>'
            )
            continue
        cells = _cells(row, others, timed, started, paid)
        chosen = ' class="chosen"' if row.label == choice else ""
        body.append(f"<tr{chosen}>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        f'<div class="card scroll"><table><thead><tr><th class="left">model</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _cells(row: Row, others: Sequence[str], timed: bool, started: bool, paid: bool) -> list[str]:
    main = row.main
    cells = [
        f"{main.value:.4f}",
        "" if main.low is None else f"{main.low:.3f} to {main.high:.3f}",
        "best" if row.best else "" if row.p is None else f"{row.p:.3f}",
        *(f"{row.figures[name].value:.4f}" for name in others),
        f"{row.dimensions:,}",
        f"{(row.bytes_per_million or 0) / 1e6:,.0f}",
    ]
    if timed:
        cells += [_number(row.texts_per_second), _number(row.tokens_per_second)]
    if started:
        cells.append("" if row.start_seconds is None else f"{row.start_seconds:.1f} s")
        cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f} MB")
    cells += [f"{row.truncated or 0:.1%}", f"{row.lost or 0:.1%}"]
    return cells + (["" if row.dollars is None else f"{row.dollars:,.2f}"] if paid else [])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _differences(board: Board, groups: dict[str, int]) -> str:
    if not board.differences:
        return ""
    units = "".join(_unit(difference, board, groups) for difference in board.differences)
    return (
        "<h3>Where the models differ most</h3>"
        f'<p class="soft">{escape(_MEANING[board.task])}</p>{units}'
    )


def _unit(difference: Difference, board: Board, groups: dict[str, int]) -> str:
    numbers = {row.label: number for number, row in enumerate(board.rows, 1)}
    rows = "".join(
        f'<tr class="c{groups[label] % 8}"><td class="left"><span class="badge">{numbers[label]}'
        f"</span>{escape(label)}</td>"
        f'<td><span class="track"><span class="fill" style="width:{figure:.0%}"></span></span>'
        f'{figure:.2f}</td><td class="said">{escape(said)}</td></tr>'
        for label, figure, said in difference.rows
    )
    return (
        f'<div class="card unit"><p class="text">{escape(_clip(difference.text))}</p>'
        f'<p class="answer">{escape(difference.answer)}</p>'
        f'<div class="scroll"><table>{rows}</table></div></div>'
    )


def _clip(text: str, width: int = 600) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _footer(found: Comparison) -> str:
    return (
        f"<footer><p>Intervals: 95%, by the percentile bootstrap over the units of each data set, "
        "1,000 resamples. p: paired bootstrap test against the best row on the same resamples, "
        "two-sided, each comparison by itself: of twenty equal models one would pass for different "
        "at 0.05. Speed: the whole path from text to vector without the cache, on at most "
        f"{SAMPLE_TEXTS} texts of the data after a warm-up, median of up to {PASSES} passes. Cold "
        "start and peak memory: a new process that embeds one text, from start to exit. int8 and "
        "binary are of the vectors, not of the weights.</p>"
        f"<p>Machine: {escape(str(found.machine))}.</p></footer>"
    )
