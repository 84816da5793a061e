"""Digests of a model's files, remembered so that a start stays fast."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from veclab.home import home
from veclab.jsontext import parse_json


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""

    def compute() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return remembered(path, "", compute)


def remembered(path: Path, kind: str, compute: Callable[[], str]) -> str:
    """Return what `compute` says of a file, remembered by the file's path, size and times.

    Args:
        path: the file.
        kind: which of the things that may be said of a file; raise its number when `compute`
            says something else of the same file.
        compute: reads the file.
    """
    facts = path.stat()
    key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|{facts.st_ino}"
    key = f"{kind}|{key}" if kind else key
    memo = home() / "digests.json"
    known = _memory(memo)
    if key in known:
        return known[key]
    said = compute()
    # Only a saving of time: where the home cannot be written, the next start reads again.
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        temporary = memo.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({**known, key: said}, indent=0), encoding="utf-8")
        temporary.replace(memo)
    except OSError:
        return said
    return said


def _memory(memo: Path) -> dict[str, str]:
    """Return what is remembered; nothing where that is missing or damaged."""
    try:
        known = parse_json(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, str)}
