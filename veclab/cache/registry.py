"""The stores that this process has open, and what becomes of them when it forks.

LMDB forbids opening an environment twice in one process, so all caches in one directory share one
store. Nor does LMDB survive a fork: the child must let go of what it inherited and open for itself.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

from veclab.cache.store import Store

_stores: dict[Path, Store] = {}
_registry = threading.RLock()
# Of caches that nobody holds any more and nobody closed.
_forgotten: deque[Store] = deque()


def acquire(root: Path) -> Store:
    """Return this process's store at `root`, opening it if need be. Raises CacheError."""
    key = root.resolve()
    with _registry:
        store = _stores.get(key) or Store(key)
        _stores[key] = store
        store.references += 1
        while _forgotten:
            release(_forgotten.popleft())
        return store


def forget(store: Store) -> None:
    """Give back, without a lock, what `acquire` gave: the next to acquire one closes it.

    For a finalizer, which runs at any moment in any thread, also in one that holds a lock.
    """
    _forgotten.append(store)


def release(store: Store) -> None:
    """Give back what `acquire` gave; the last to do so closes the store."""
    with _registry:
        store.references -= 1
        if not store.references and not store.closed:
            del _stores[store.root]
            store.close()


def _before_fork() -> None:
    # No thread may be inside LMDB at the moment of the fork.
    _registry.acquire()
    for store in _stores.values():
        store.lock.acquire()


def _after_fork_in_parent() -> None:
    for store in _stores.values():
        store.lock.release()
    _registry.release()


def _after_fork_in_child() -> None:
    for store in _stores.values():
        store.abandon()
        store.lock.release()
    _stores.clear()
    _forgotten.clear()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
