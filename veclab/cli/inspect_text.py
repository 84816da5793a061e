"""`veclab inspect-text`: what are these texts like, before anything is embedded?"""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from veclab.cli.console import json_option, model_option, print_facts, print_json, progress, shorten

if TYPE_CHECKING:
    from veclab.auditing.texts import Change, TextHabits

_BAR = 40


@click.command("inspect-text")
@click.argument("input")
@model_option
@click.option("--column", "-c", metavar="NAME", help="The column that holds the texts.")
@click.option(
    "--id-column", metavar="NAME", help="The column that names the rows; # for row numbers."
)
@click.option(
    "--role", type=click.Choice(["query", "document"]), help="Count the model's prompt for it too."
)
@click.option("--max-tokens", type=click.IntRange(min=3), help="A lower limit than the model's.")
@click.option(
    "--format",
    type=click.Choice(["txt", "jsonl", "csv", "tsv", "parquet"]),
    help="Of the input, where its name does not tell.",
)
@click.option(
    "--header/--no-header", default=True, help="Whether a .csv or .tsv begins with column names."
)
@json_option
def inspect_text(
    input: str,
    model: str,
    column: str | None,
    id_column: str | None,
    role: str | None,
    max_tokens: int | None,
    format: str | None,
    header: bool,
    as_json: bool,
) -> None:
    """Look at texts with the eyes of a model: what it would cut, and what is odd.

    INPUT is what `veclab embed` takes. Nothing is embedded. The last line says which options to
    embed with.
    """
    from veclab.auditing.texts import inspect_texts
    from veclab.corpus import open_source

    with progress("reading", None):
        source = open_source(
            input, column=column, id_column=id_column, format=format, header=header
        )
    with progress("looking", source.rows) as advance:
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
    for note in (*source.notes, *habits.notes):
        click.echo(f"note: {note}")
    named = [] if column is None else ["--column", column]
    words = ["veclab", "embed", input, *named, "-m", model, "-o", "vectors.parquet"]
    click.echo("\nTo embed them:\n  " + " ".join([shlex.join(words), *habits.options()]))


def _print_lengths(habits: TextHabits) -> None:
    """Print tokens against the limit, as bars."""
    limit = habits.max_tokens
    what = "no limit" if limit is None else f"reads {limit:,} tokens"
    click.echo(f"tokens of a text, as {habits.model} counts them ({what})\n")
    rows = habits.histogram()
    most = max((count for *_, count in rows), default=0)
    width = max(len(f"{high:,}") for _, high, _ in rows)
    counts = max(len(f"{count:,}") for *_, count in rows)
    for low, high, count in rows:
        bar = _bar(count / most if most else 0)
        over = "  cut" if limit is not None and low > limit and count else ""
        line = f"{low:>{width},} to {high:>{width},}  {count:>{counts},}  {bar}"
        click.echo(f"{line}{click.style(over, fg='yellow')}".rstrip())
        if high == limit:
            click.echo(click.style(f"{'-' * (2 * width + 4)}  limit", fg="yellow"))
    click.echo()


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
        facts.append(("cut", _cut(habits, total, whole)))
    names = f": {', '.join(habits.empty_ids[:5])}" if habits.empty else ""
    facts.append(("empty", f"{habits.empty:,}{names}"))
    facts.append(("duplicates", _duplicates(habits, whole)))
    facts.append(("languages", _languages(habits)))
    of_sample = f"{habits.html:,} {_share(habits.html, habits.sampled)}"
    facts.append(("HTML", f"{of_sample} have tags or entities"))
    if habits.mojibake is not None:
        share = _share(habits.mojibake, habits.sampled)
        facts.append(("mojibake", f"{habits.mojibake:,} {share} look wrongly decoded (ftfy)"))
    if habits.control or habits.surrogates:
        found = f"{habits.control:,} have control characters, {habits.surrogates:,} broken pairs"
        facts.append(("characters", found))
    print_facts(facts)


def _share(part: int, whole: int) -> str:
    return f"({part / whole if whole else 0:.1%})"


def _tokens(habits: TextHabits, total: int, whole: int) -> str:
    mean = total / whole if whole else 0
    longest = ", ".join(f"{name} ({count:,})" for name, count in habits.longest[:3])
    return f"{total:,}, {mean:,.0f} a text; longest: {longest or 'none'}"


def _cut(habits: TextHabits, total: int, whole: int) -> str:
    if not habits.cut:
        return "0"
    ids = ", ".join(habits.cut_ids[:5]) + (", …" if habits.cut > 5 else "")
    return (
        f"{habits.cut:,} {_share(habits.cut, whole)} would lose {habits.tokens_lost:,} tokens "
        f"{_share(habits.tokens_lost, total)}: {ids}"
    )


def _duplicates(habits: TextHabits, whole: int) -> str:
    exact = whole - habits.distinct
    prepared = whole - habits.distinct_prepared
    evened = whole - habits.distinct_whitespace
    return (
        f"{exact:,} {_share(exact, whole)} repeat another; {prepared:,} after the default "
        f"preparation, {evened:,} with white space evened out"
    )


def _languages(habits: TextHabits) -> str:
    if habits.languages is None:
        return "not told"
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
        said += f"; the model was made for {', '.join(habits.model_languages)}"
    return said


def _print_steps(habits: TextHabits) -> None:
    click.echo("\nwhat each step of preparation would change:")
    for change in habits.changes:
        always = " (always done)" if change.default else ""
        share = _share(change.changed, habits.sampled)
        click.echo(f"  {change.step + always:<24} {change.changed:>8,} {share}")
        if change.changed:
            _print_example(change)


def _print_example(change: Change) -> None:
    """Print the two versions with what cannot be seen made visible."""
    click.echo(f"      {shorten(str(change.id), 30)}")
    click.echo(f"      before  {_visible(change.before)}")
    click.echo(f"      after   {_visible(change.after)}")


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
