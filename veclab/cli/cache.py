"""`veclab cache`: what is kept, and making room."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import (
    confirm,
    echo,
    json_option,
    print_facts,
    print_json,
    print_note,
    print_table,
)
from veclab.cli.typed import Commands
from veclab.jsontext import parse_json
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.cache.results import PruneResult, RecipeStats

_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AGES = {"h": 3600, "d": 86_400, "w": 7 * 86_400}


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a size: write 500MB or 2GB")
    return int(float(match[1]) * _SIZES[match[2].upper()])


def _age(text: str) -> int:
    match = re.fullmatch(r"(\d+)\s*([hdw])", text.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{text!r} is not an age: write 12h, 30d or 8w")
    return int(match[1]) * _AGES[match[2].lower()]


def _label(description: str | None) -> str:
    """Return a recipe in a few words."""
    if not description:
        return "unknown"
    recipe: dict[str, Any] = parse_json(description)
    words = [recipe["space"]["model"], f"{recipe['space']['dimensions']}-d", recipe["precision"]]
    if recipe["role"]:
        words.append(recipe["role"])
    space = recipe["space"]
    if space["provider"] == "local" and not space.get("configuration"):
        words.append("(space version 1)")  # not used any more
    return " ".join(words)


@click.group(cls=Commands)
def cache() -> None:
    """Show, prune or clear the vector cache."""


@cache.command()
@json_option
def stats(as_json: bool) -> None:
    """Show how many vectors are cached, by model, and their size on disk."""
    from veclab.cache import Cache

    with Cache.open() as store:
        found = store.stats()
        notes = list(store.notes)
    if as_json:
        print_json(
            {
                "path": str(found.path),
                "version": found.version,
                "entries": found.entries,
                "bytes": found.bytes,
                "recipes": [
                    {
                        "recipe": parse_json(recipe.description or "null"),
                        "entries": recipe.entries,
                        "bytes": recipe.bytes,
                        "oldest": recipe.oldest,
                        "newest": recipe.newest,
                    }
                    for recipe in found.recipes
                    if recipe.entries
                ],
                "notes": notes,
            }
        )
        return
    print_facts(
        [
            ("cache", str(found.path)),
            ("vectors", f"{found.entries:,}"),
            ("on disk", f"{found.bytes / 1e6:,.1f} MB"),
            *(("note", note) for note in group_notes(notes)),
        ]
    )
    if found.entries:
        echo()
        print_table(["model", "vectors", "size", "last written"], _by_model(found.recipes))


def _by_model(recipes: Sequence[RecipeStats]) -> list[list[str]]:
    """Return table rows: the recipes that read alike, added up."""
    groups: dict[str, list[RecipeStats]] = {}
    for recipe in recipes:
        if recipe.entries:
            groups.setdefault(_label(recipe.description), []).append(recipe)
    return [
        [
            label,
            f"{sum(recipe.entries for recipe in group):,}",
            f"{sum(recipe.bytes for recipe in group) / 1e6:,.1f} MB",
            datetime.fromtimestamp(max(r.newest for r in group), UTC).strftime("%Y-%m-%d"),
        ]
        for label, group in groups.items()
    ]


@cache.command()
@click.option(
    "--model",
    "-m",
    shell_complete=complete_models,
    metavar="NAME",
    help="Only vectors of models whose name contains this.",
)
@click.option("--older-than", metavar="AGE", help="Only vectors older than this: 12h, 30d, 8w.")
@click.option(
    "--max-size", metavar="SIZE", help="Remove the oldest until the cache fits: 500MB, 2GB."
)
@json_option
def prune(model: str | None, older_than: str | None, max_size: str | None, as_json: bool) -> None:
    """Remove some vectors and free their disk space."""
    from veclab.cache import Cache

    if model is None and older_than is None and max_size is None:
        raise click.UsageError("say what to remove: --model, --older-than or --max-size")
    age = None if older_than is None else _age(older_than)
    size = None if max_size is None else _size(max_size)
    with Cache.open() as store:
        recipes: list[bytes] | None = None
        if model is not None:
            recipes = [
                recipe.recipe
                for recipe in store.stats().recipes
                if model.lower() in _label(recipe.description).lower()
            ]
            if not recipes:
                raise click.UsageError(
                    f"the cache holds no vectors of a model whose name contains {model!r}"
                )
        result = store.prune(recipes=recipes, older_than=age, max_bytes=size)
    _removed(result, as_json)


@cache.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@json_option
def clear(yes: bool, as_json: bool) -> None:
    """Remove all vectors."""
    from veclab.cache import Cache

    with Cache.open() as store:
        entries = store.stats().entries
        if entries and not yes:
            confirm(f"remove all {entries:,} vectors in {store.path}?", abort=True)
        result = store.clear()
    _removed(result, as_json)


@cache.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@json_option
def repair(folder: Path, as_json: bool) -> None:
    """Take over what can still be read from a cache that was set aside.

    FOLDER is one that a note has named, such as v2.damaged-20260101-120000 in the folder that
    `veclab cache stats` shows. It stays as it is.
    """
    from veclab.cache import Cache

    with Cache.open() as store:
        found = store.repair(folder)
    if as_json:
        print_json(asdict(found))
        return
    echo(
        f"{found.read:,} vectors could be read, {found.added:,} of them were not in the cache and "
        f"were added; {found.damaged:,} are damaged"
    )


def _removed(result: PruneResult, as_json: bool) -> None:
    if as_json:
        print_json(asdict(result))
        return
    freed = (result.bytes_before - result.bytes_after) / 1e6
    echo(f"removed {result.removed:,} vectors, kept {result.kept:,}; {freed:,.1f} MB freed")
    if result.note is not None:
        print_note(result.note)
