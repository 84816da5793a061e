"""`veclab watch`: keep a store up to date with a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veclab.cli.console import echo
from veclab.cli.options import loading_options, store_model_option, store_option
from veclab.report import group_notes

if TYPE_CHECKING:
    from veclab.store.index import Indexed


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@store_option
@store_model_option
@loading_options
def watch(folder: Path, store: str, model: str | None, loading: dict[str, Any]) -> None:
    """Keep a store up to date with FOLDER until Ctrl-C.

    New and changed files are embedded; deleted files are removed from the store.
    """
    from veclab.store.store import Store
    from veclab.store.watch import watch as keep

    with Store.open(store, model, create=True, **loading) as opened:
        keep(
            opened,
            folder,
            on_indexed=_tell,
            on_error=lambda error: echo(f"veclab: {error}", err=True),
        )


def _tell(done: Indexed) -> None:
    echo(
        f"{done.added:,} added, {done.changed:,} changed, {done.removed:,} removed, "
        f"{done.unchanged:,} unchanged; {done.passages:,} passages ({done.seconds:.1f} s)"
    )
    for line in group_notes([f"{file}: {reason}" for file, reason in done.skipped]):
        echo(f"  skipped {line}")
