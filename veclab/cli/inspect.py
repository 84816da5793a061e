"""`veclab inspect`: what a file of vectors holds."""

from __future__ import annotations

from pathlib import Path

import click

from veclab.cli.console import json_option, print_facts, print_json
from veclab.space import Space


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Show the Space, size and norms of a file of vectors."""
    from veclab.vectorfiles.summary import summarize

    summary = summarize(file)
    if as_json:
        print_json(summary.to_dict())
        return
    space = summary.space
    facts = [
        ("file", f"{file} ({summary.bytes / 1e6:,.1f} MB)"),
        ("vectors", f"{summary.rows:,} x {space.dimensions}, float32"),
        ("norms", summary.norms),
        ("model", f"{space.provider}:{space.model}"),
        ("space", space.id),
        ("weights", space.weights or "not known"),
        ("pooling", space.pooling or "not known"),
        ("configuration", _configuration(space)),
        ("prompts", ", ".join(f"{r}: {p!r}" for r, p in space.prompts) or "none"),
    ]
    if summary.recipe is not None:
        recipe = summary.recipe
        facts += [
            ("role", recipe.role or "none"),
            ("precision", recipe.precision),
            ("preparation", ", ".join(recipe.prepare)),
            ("token limit", f"{recipe.max_tokens or 'none'}, longer texts: {recipe.on_long}"),
        ]
    if summary.truncated is not None:
        facts.append(("truncated", f"{summary.truncated:,}"))
    facts.append(("own columns", ", ".join(summary.columns) or "none"))
    print_facts(facts)


def _configuration(space: Space) -> str:
    if space.configuration:
        return f"{len(space.configuration)} settings (--json lists them)"
    return "not recorded" if space.provider == "local" else "not known"
