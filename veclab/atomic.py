"""Write a file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from veclab.errors import OutputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to it at the end, removed on any failure.

    Whoever reads `path` sees the old file or the whole new one, never a part.

    Raises:
        OutputError: the folder does not exist or cannot be written, the disk is full, ...
    """
    check_output(path)
    try:
        with beside(path) as temporary:
            temporary.touch()
            yield temporary
            sync(temporary)
            temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}. What was embedded is in the cache: "
            "run the same command again with another output or after freeing space"
        ) from error


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a path in the same folder to write to, removed at the end if it is still there."""
    _remove_stale(path)
    # One process may write a file twice at a time.
    temporary = path.parent / f".{path.name}.{token_hex(4)}.{os.getpid()}.veclab-tmp"
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk; raises OSError."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def check_output(path: Path) -> None:
    """Raise OutputError where a file of that name could not be written."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise OutputError(f"the folder {path.parent} does not exist: mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(
            f"the folder {path.parent} cannot be written; choose another for {path.name}"
        )


def _remove_stale(path: Path) -> None:
    """Remove what runs that were killed left behind; those of living processes stay."""
    for stale in path.parent.glob(f".{path.name}.*.veclab-tmp"):
        pid = stale.name.split(".")[-2]
        if pid.isdigit() and not _alive(int(pid)):
            with suppress(OSError):  # another run may have removed it first
                stale.unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
