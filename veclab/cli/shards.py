"""What `embed` and `index` share where the input is many files: options, progress, the end."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import click

from veclab.cli.console import print_facts, print_json, print_note, progress
from veclab.cli.options import group

SET_ASIDE = 3  # the exit code where some shards could not be used


def _address(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Take an address of a Ray cluster; another word was meant as something else."""
    if value is None or value in ("", "auto") or re.fullmatch(r"(ray://)?[^/\s]+:\d+", value):
        return value
    raise click.BadParameter(
        f"{value!r} is no address (auto, HOST:PORT, ray://HOST:PORT). To start Ray on this machine "
        "write --ray behind everything else",
        context,
        option,
    )


shard_options = group(
    "sharding",
    click.option(
        "--ray",
        metavar="[ADDRESS]",
        is_flag=False,
        flag_value="",
        callback=_address,
        help="Shards: use the Ray cluster at ADDRESS (auto: this machine's), or start one here.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        help="Shards: how many models on the cluster. Default: as many as it has room for.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Shards: replace vectors that another model or other options made.",
    ),
)


class ShardProgress(ExitStack):
    """Bars, one after the other: looking, embedding shards, taking vectors in."""

    def __enter__(self) -> Self:
        """Begin with looking."""
        super().__enter__()
        self.enter_context(progress("looking at what is there", None))
        self._taken: Callable[[int], None] | None = None
        return self

    def started(self, shards: int) -> Callable[[int], None]:
        """Show shards that are embedded."""
        self.close()
        return self.enter_context(progress("embedding", shards, "shards"))

    def taken(self, rows: int) -> None:
        """Show vectors that were taken into a store."""
        if self._taken is None:
            self.close()
            self._taken = self.enter_context(progress("indexing", None, "vectors"))
        self._taken(rows)


def is_folder(output: str) -> bool:
    """Return whether an output means a folder or a bucket, and not one file."""
    return (
        "://" in output
        or output.endswith("/")
        or Path(output).is_dir()
        or (not Path(output).suffix)
    )


def tell_failed(name: str, reason: str) -> None:
    """Say that a shard was set aside."""
    print_note(f"set aside: {name}: {reason}")


def embed_and_tell(
    inputs: Sequence[str], output: str, sharding: dict[str, Any], as_json: bool, **options: Any
) -> None:
    """Embed shards, say what became of them, and exit with a code that says it too."""
    from veclab.cluster.embed_shards import embed_shards

    with ShardProgress() as bars:
        given = {**sharding, **options, "on_start": bars.started, "on_failed": tell_failed}
        manifest = embed_shards(inputs[0] if len(inputs) == 1 else inputs, output, **given)
    for note in manifest.notes:
        print_note(note)
    if as_json:
        print_json(manifest.to_dict())
    else:
        err = sys.stderr.isatty() and not sys.stdout.isatty()
        print_facts([*manifest.lines(), ("written", manifest.job.output)], err=err)
    if manifest.failed:
        raise click.exceptions.Exit(SET_ASIDE)
