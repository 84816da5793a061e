"""Finding the files of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from veclab.documents.document import Skipped

_LEFT_OUT = {"CVS", "node_modules", "__pycache__"}


def files_below(
    root: Path, follow_links: bool, leave_out: Path | None = None
) -> Iterator[tuple[str, Path] | Skipped]:
    """Every file below a folder with its path there, in order of these paths.

    Hidden ones are left out, and those of version control and package managers.

    Args:
        root: the folder.
        follow_links: whether to read what links lead to, out of the folder as well; each file and
            folder is read once, so loops end. Links are reported otherwise: a folder from somebody
            else may hold a link to the user's own files.
        leave_out: a folder that may lie below and is no part of it.
    """
    seen = {_identity(root)}
    left_out = _identity(leave_out) if leave_out is not None and leave_out.is_dir() else None
    waiting = _entries(root, "")
    while waiting:
        id, path = waiting.pop()
        try:
            id.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(path).decode("utf-8", "replace")
            yield Skipped(shown, "its name is not valid UTF-8; rename it")
            continue
        try:
            if path.is_symlink() and not follow_links:
                reason = f"it is a link (to {path.readlink()}), and links are not followed"
                yield Skipped(str(path), reason)
                continue
            identity = _identity(path)
            if identity == left_out:
                continue
            if path.is_symlink() and identity in seen:
                yield Skipped(str(path), "it is a link to something that was read already")
                continue
            seen.add(identity)
            if path.is_dir():
                waiting += _entries(path, id + "/")
            elif path.is_file():
                yield id, path
            else:
                yield Skipped(str(path), "it is neither a file nor a folder")
        except OSError as error:
            yield Skipped.by_system(path, error, id)


def _entries(folder: Path, prefix: str) -> list[tuple[str, Path]]:
    """What lies in a folder, last name first."""
    return [
        (prefix + path.name, path)
        for path in sorted(folder.iterdir(), key=lambda path: path.name, reverse=True)
        if not path.name.startswith(".") and path.name not in _LEFT_OUT
    ]


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino
