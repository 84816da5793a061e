"""`veclab inspect-text`: what are these texts like, before anything is embedded?"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_files
from veclab.cli.console import (
    echo,
    json_option,
    model_option,
    print_facts,
    print_json,
    progress,
    read_source,
    styled,
)
from veclab.cli.options import reading_options, words_of
from veclab.report import group_notes, one_line, shorten

if TYPE_CHECKING:
    from veclab.auditing.texts import Change, TextHabits

_BAR = 40


@click.command("inspect-text")
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=complete_files
)
@model_option
@reading_options
@click.option(
    "--role",
    type=click.Choice(["query", "document"]),
    help="Also count the model's prompt for this role.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=3),
    help="Token limit per text, if lower than the model's.",
)
@json_option
def inspect_text(
    inputs: tuple[str, ...],
    model: str,
    reading: dict[str, Any],
    role: str | None,
    max_tokens: int | None,
    as_json: bool,
) -> None:
    """Check texts before embedding: what would be truncated, and what is unusual.

    INPUT is the same as for `veclab embed`. Nothing is embedded. The last line suggests options
    for `veclab embed`.
    """
    from veclab.auditing.texts import inspect_texts

    source = read_source(inputs, reading)
    with progress("checking", source.rows) as advance:
        habits = inspect_texts(
            source,
            model,
            role=role,  # type: ignore[arg-type]
            max_tokens=max_tokens,
            on_done=advance,
        )
    if as_json:
        print_json(habits.to_dict())
        return
    _print_lengths(habits)
    _print_contents(habits)
    _print_steps(habits)
    for note in group_notes([*source.notes, *habits.notes]):
        echo(f"note: {note}")
    named = words_of(reading)
    words = ["veclab", "embed", *inputs, *named, "-m", model, "-o", "vectors.parquet"]
    echo("\nTo embed them:\n  " + " ".join([shlex.join(words), *habits.options()]))


def _print_lengths(habits: TextHabits) -> None:
    """Print tokens against the limit, as bars."""
    limit = habits.max_tokens
    what = "no limit" if limit is None else f"limit {limit:,} tokens"
    echo(f"tokens per text, counted by {habits.model} ({what})\n")
    rows = habits.histogram()
    most = max((count for *_, count in rows), default=0)
    width = max(len(f"{high:,}") for _, high, _ in rows)
    counts = max(len(f"{count:,}") for *_, count in rows)
    for low, high, count in rows:
        bar = _bar(count / most if most else 0)
        over = "  truncated" if limit is not None and low > limit and count else ""
        line = f"{low:>{width},} to {high:>{width},}  {count:>{counts},}  {bar}"
        echo(line.rstrip() if not over else line, styled(over, "yellow"))
        if high == limit:
            echo(styled(f"{'-' * (2 * width + 4)}  limit", "yellow"))
    echo()


def _bar(share: float) -> str:
    """Return a bar of up to _BAR cells; anything over nothing shows at least a sliver."""
    plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    eighths = max(1, round(share * _BAR * 8)) if share else 0
    if plain:
        return "#" * -(-eighths // 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _print_contents(habits: TextHabits) -> None:
    whole = habits.texts - habits.empty
    total = habits.total_tokens
    facts = [("texts", f"{habits.texts:,}"), ("tokens", _tokens(habits, total, whole))]
    if habits.max_tokens is not None:
        facts.append(("truncated", _truncated(habits, total, whole)))
    if habits.partly_unknown:
        held = f"{habits.partly_unknown:,} {_share(habits.partly_unknown, whole)} hold "
        held += f"{habits.tokens_unknown:,} tokens that the model does not know, all alike to it: "
        facts.append(("not known", held + shorten(habits.partly_unknown_ids)))
    names = f": {', '.join(habits.empty_ids[:5])}" if habits.empty else ""
    facts.append(("empty", f"{habits.empty:,}{names}"))
    facts.append(("duplicates", _duplicates(habits, whole)))
    facts.append(("languages", _languages(habits)))
    of_sample = f"{habits.html:,} {_share(habits.html, habits.sampled)}"
    facts.append(("HTML", f"{of_sample} contain tags or entities"))
    if habits.mojibake is not None:
        share = _share(habits.mojibake, habits.sampled)
        facts.append(("mojibake", f"{habits.mojibake:,} {share} appear wrongly decoded (ftfy)"))
    if habits.control or habits.surrogates:
        found = f"{habits.control:,} contain control characters, "
        found += f"{habits.surrogates:,} unpaired surrogates"
        facts.append(("characters", found))
    print_facts(facts)


def _share(part: int, whole: int) -> str:
    return f"({part / whole if whole else 0:.1%})"


def _tokens(habits: TextHabits, total: int, whole: int) -> str:
    mean = total / whole if whole else 0
    longest = ", ".join(f"{name} ({count:,})" for name, count in habits.longest[:3])
    return f"{total:,}, mean {mean:,.0f} per text; longest: {longest or 'none'}"


def _truncated(habits: TextHabits, total: int, whole: int) -> str:
    if not habits.truncated:
        return "0"
    ids = ", ".join(habits.truncated_ids[:5]) + (", …" if habits.truncated > 5 else "")
    return (
        f"{habits.truncated:,} {_share(habits.truncated, whole)} would lose "
        f"{habits.tokens_lost:,} tokens {_share(habits.tokens_lost, total)}: {ids}"
    )


def _duplicates(habits: TextHabits, whole: int) -> str:
    exact = whole - habits.distinct
    prepared = whole - habits.distinct_prepared
    evened = whole - habits.distinct_whitespace
    return (
        f"{exact:,} {_share(exact, whole)} exact copies; {prepared:,} after the default "
        f"preparation, {evened:,} after normalizing whitespace"
    )


def _languages(habits: TextHabits) -> str:
    if habits.languages is None:
        return "not detected"
    if not habits.language_sample:
        return "none"
    parts = [
        f"{code} {count / habits.language_sample:.1%}"
        for code, count in list(habits.languages.items())[:6]
    ]
    more = len(habits.languages) - 6
    said = ", ".join(parts) + (f" and {more} more" if more > 0 else "")
    if habits.language_sample < habits.texts - habits.empty:
        said += f" (of {habits.language_sample:,} texts)"
    if habits.model_languages:
        said += f"; the model card lists {', '.join(habits.model_languages)}"
    return said


def _print_steps(habits: TextHabits) -> None:
    echo("\nWhat each preparation step would change:")
    for change in habits.changes:
        always = " (always applied)" if change.default else ""
        share = _share(change.changed, habits.sampled)
        echo(f"  {change.step + always:<24} {change.changed:>8,} {share}")
        if change.changed:
            _print_example(change)


def _print_example(change: Change) -> None:
    """Print the two versions with what cannot be seen made visible."""
    echo(f"      {one_line(str(change.id), 30)}")
    echo(f"      before  {_visible(change.before)}")
    echo(f"      after   {_visible(change.after)}")


def _visible(text: str) -> str:
    """Return a text with all that cannot be seen as escapes, line ends and joiners, too."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
