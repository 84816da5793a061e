"""Which vectors somebody is buying right now, so that nobody else buys them too.

A claim lies in the cache beside the records. It holds as long as its owner lives: each process
with the cache open holds a lock on its journal, which the system gives back when it dies. An owner
that lives and does nothing, such as one that was suspended, loses its claims after half an hour.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence

import lmdb
import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.cache.journal import FileLock, Op
from veclab.cache.store import Store

# Longer than any request takes with all its tries.
EXPIRY_S = 1800.0
# How often an owner says that it is at work.
_RENEW_S = 60.0
_UNTIL = struct.Struct("<d")
_OWNER_SIZE = 16


class Claims:
    """The claims of one run."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._owner = os.urandom(_OWNER_SIZE)
        self._keys: set[bytes] = set()
        self._renewed = 0.0

    def take(self, recipe: bytes, digests: Sequence[bytes]) -> NDArray[np.bool_]:
        """Claim texts for an 8-byte `recipe`; (n,) which are this run's, the others somebody's.

        Raises CacheError.
        """
        store = self._cache.store
        keys = [recipe + digest for digest in digests]

        def take(txn: lmdb.Transaction[bytes]) -> list[bool]:
            alive: dict[bytes, bool] = {self._owner: False}  # its own, from before: again its own
            mine: list[bool] = []
            for key in keys:
                owner = txn.get(key, db=store.claims)
                if owner is not None and owner not in alive:
                    alive[owner] = _is_alive(store, txn.get(owner, db=store.claims))
                mine.append(owner is None or not alive[owner])
                if mine[-1]:
                    txn.put(key, self._owner, db=store.claims)
            for owner, lives in alive.items():
                if not lives and owner != self._owner:
                    txn.delete(owner, db=store.claims)
            if any(mine):
                txn.put(self._owner, self._value(store), db=store.claims)
            return mine

        mine = np.array(store.run(take, Op.DESCRIBE, write=True), np.bool_)
        self._renewed = time.monotonic()
        self._keys.update(keys[int(i)] for i in np.flatnonzero(mine))
        return mine

    def renew(self) -> None:
        """Say that this run is at work; raises CacheError."""
        store = self._cache.store
        if self._keys and time.monotonic() - self._renewed > _RENEW_S:
            value = self._value(store)
            store.run(
                lambda txn: txn.put(self._owner, value, db=store.claims), Op.DESCRIBE, write=True
            )
            self._renewed = time.monotonic()

    def release(self) -> None:
        """Give all claims up; raises CacheError."""
        store = self._cache.store
        keys, self._keys = self._keys, set()

        def release(txn: lmdb.Transaction[bytes]) -> None:
            for key in keys:
                if txn.get(key, db=store.claims) == self._owner:
                    txn.delete(key, db=store.claims)
            txn.delete(self._owner, db=store.claims)

        if keys:
            store.run(release, Op.DESCRIBE, write=True)

    def _value(self, store: Store) -> bytes:
        return _UNTIL.pack(time.time() + EXPIRY_S) + store.journal_name.encode()


def _is_alive(store: Store, value: bytes | None) -> bool:
    """Return whether the owner with that entry is at work."""
    if value is None or _UNTIL.unpack_from(value)[0] < time.time():
        return False
    path = store.root / value[_UNTIL.size :].decode(errors="replace")
    if not path.is_file():
        return False
    lock = FileLock(path)
    try:
        return not lock.try_exclusive()
    finally:
        lock.close()
