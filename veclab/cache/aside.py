"""Setting an environment aside, and beginning a new one with what is sound in it."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import lmdb

from veclab.cache.environment import FORMAT
from veclab.cache.journal import HAS_LOCKS
from veclab.cache.salvage import salvage_into
from veclab.errors import CacheError
from veclab.hints import typed


def set_aside(path: Path, work: Path, error: Exception, foreign: bool) -> str:
    """Rename an environment away and begin a new one; returns what the user must be told.

    Nothing is taken from one that is `foreign`: of another format.
    """
    word = "unknown" if foreign else "damaged"
    stem, n = f"{path.name}.{word}-{time.strftime('%Y%m%d-%H%M%S')}", 1
    target = path.with_name(stem)
    while target.exists():
        target, n = path.with_name(f"{stem}-{n}"), n + 1
    path.rename(target)
    kept = "a new one was started" if foreign else _begin_with(target, work, path)
    return (
        f"the cache at {path} {'cannot be used' if foreign else 'was damaged'} ({error}); it was "
        f"set aside as {target} and {kept}"
    )


def not_alone(path: Path, error: Exception, foreign: bool, readonly: bool) -> CacheError:
    """Return the error of an environment that must be set aside and cannot be."""
    if not HAS_LOCKS:
        remedy = "stop every process that uses it and delete it"
    elif readonly:
        remedy = "it cannot be replaced, being read-only"
    else:
        remedy = "another process has it open: stop that one and it will be replaced"
    return CacheError(
        f"the cache at {path} {'cannot be used' if foreign else 'is damaged'} ({error}); {remedy}, "
        "or run without the cache"
    )


def take_over_format_1(path: Path, work: Path) -> list[str]:
    """Begin an environment with what one of format 1 beside it has; notes for the user."""
    old = path.with_name("v1")
    if path.exists() or not (old / "data.mdb").exists():
        return []
    kept = _begin_with(old, work, path)
    return [
        f"the cache has a new format, with better checksums; {kept}. {old} is not used any more "
        "and may be deleted"
    ]


def _begin_with(source: Path, work: Path, target: Path) -> str:
    """Begin the environment `target` with what is sound in `source`; say in words what was kept.

    It is made in the folder `work` and appears whole, or not at all.
    """
    shutil.rmtree(work, ignore_errors=True)
    try:
        found = salvage_into(source / "data.mdb", work, FORMAT)
        work.rename(target)
    except (OSError, lmdb.Error) as error:
        return (
            f"a new one was started; its vectors could not be taken over ({error}). Try again "
            f"later: {typed('cache', 'repair', source)}"
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return f"a new one was started with the {found.added:,} vectors that could still be read"
