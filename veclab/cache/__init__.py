"""The cache: one persistent store of vectors per user, keyed by recipe and text.

A record is found by 24 bytes: the recipe (8: which model, how used) and a digest of the prepared
text (16). All records of one recipe have one size, so that a lookup is one pass of LMDB over the
keys and numpy for everything else.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from itertools import compress, islice, repeat
from pathlib import Path
from typing import NamedTuple, Self
from weakref import finalize

import lmdb
import numpy as np
from numpy.typing import NDArray

from veclab.cache import registry
from veclab.cache.environment import VERSION
from veclab.cache.journal import KEY_SIZE, Op
from veclab.cache.location import local_root
from veclab.cache.record import (
    HEADER_SIZE,
    RECIPE_SIZE,
    TRUNCATED,
    UNKNOWN_SHIFT,
    begins,
    checksums,
    disk_bytes,
    record_dtype,
    sorted_keys,
)
from veclab.cache.results import CacheStats, Found, PruneResult, RecipeStats
from veclab.cache.salvage import Salvaged, Sound, sound_records
from veclab.cache.store import Store
from veclab.errors import CacheError
from veclab.home import home

# Records per transaction on reading and deleting: temporary arrays stay within the CPU's caches.
BLOCK = 2048
WALK_BLOCK = 16384
# Bytes of the cache's pages that a run may leave in memory between blocks that it only reads.
# Giving them back after every block costs a run from the cache a fifth of its speed: each page has
# to be found again. A hundred thousand vectors of 384 numbers take about this much.
PAGES_KEPT = 320 << 20


class _Survey(NamedTuple):
    """Key, age and size of every record, in key order."""

    keys: NDArray[np.void]
    created: NDArray[np.uint32]
    sizes: NDArray[np.int64]

    @property
    def recipes(self) -> NDArray[np.void]:
        return self.keys.view(f"V{RECIPE_SIZE}")[:: KEY_SIZE // RECIPE_SIZE]


class Cache:
    """The cache, from `Cache.open`; for any number of threads and processes at once.

    A cache carried into a forked child opens anew there on first use.
    """

    def __init__(self, path: Path) -> None:
        self._root = path
        self._shared: Store | None = self._acquire()

    def __reduce__(self) -> tuple[type[Cache], tuple[Path]]:
        """Pickle where it is: another process opens it there."""
        return Cache, (self._root,)

    @classmethod
    def open(cls, path: Path | None = None) -> Cache:
        """Open the cache in the directory `path`, by default `home() / "cache"`.

        Where the home is on a network file system it is a directory of this machine. Look at
        `notes` afterwards. Raises CacheError if there can be no cache there.
        """
        root, note = local_root(home() / "cache" if path is None else path, path is not None)
        cache = cls(root)
        if note and note not in cache.notes:
            cache.notes.append(note)
        return cache

    @property
    def store(self) -> Store:
        """The environment, of this process; raises CacheError once the cache is closed."""
        if self._shared is None:
            raise CacheError(f"the cache at {self._root} is closed")
        if self._shared.closed:  # this is a forked child
            self._end.detach()
            self._shared = self._acquire()
        return self._shared

    def _acquire(self) -> Store:
        store = registry.acquire(self._root)
        self._end = finalize(self, registry.forget, store)
        self._end.atexit = False
        return store

    @property
    def path(self) -> Path:
        """The directory of the LMDB environment."""
        return self.store.path

    @property
    def readonly(self) -> bool:
        """Whether nothing can be added; `notes` says why."""
        return self.store.readonly

    @property
    def notes(self) -> list[str]:
        """What the user must be told: damage, what was set aside, why nothing is kept."""
        return self.store.notes

    def get_many(self, recipe: bytes, digests: Sequence[bytes], dim: int) -> Found:
        """Look up `digests` (16 bytes each, repeats allowed) under an 8-byte `recipe`.

        A damaged record is a miss; it is dropped and noted. Raises ValueError for keys of another
        length, CacheError if the cache fails as a whole.
        """
        keys, order = sorted_keys(recipe, digests)
        n = len(keys)
        found = Found(
            hit=np.zeros(n, np.bool_),
            vectors=np.empty((n, dim), np.float32),
            tokens=np.zeros(n, np.int32),
            truncated=np.zeros(n, np.bool_),
            unknown=np.zeros(n, np.int32),
        )
        damaged = [
            self._read(keys[start : start + BLOCK], order[start : start + BLOCK], found)
            for start in range(0, n, BLOCK)
        ]
        if any(map(len, damaged)):
            self._drop_damaged(np.unique(np.concatenate(damaged)))
        return found

    def _read(
        self, keys: NDArray[np.void], rows: NDArray[np.intp], found: Found
    ) -> NDArray[np.void]:
        """Fill `rows` of `found` from the records at `keys`; returns the keys of damaged ones."""
        dtype = record_dtype(found.vectors.shape[1])

        def fetch(
            txn: lmdb.Transaction[bytes],
        ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], bytes]:
            # txn.get over sorted keys is a little faster than Cursor.getmulti; bytes are faster
            # than memoryviews, which the garbage collector has to follow.
            values = list(map(txn.get, keys.tolist(), repeat(b"")))
            sizes = np.fromiter(map(len, values), np.int64, len(values))
            whole = sizes == dtype.itemsize
            return sizes != 0, whole, b"".join(compress(values, whole.tolist()))

        there, whole, joined = self.store.run(fetch, Op.GET, keys.tobytes())
        records = np.frombuffer(joined, dtype)
        sound = records["checksum"] == checksums(keys[whole], records)
        if not sound.all():
            records = records[sound]
            whole[whole] = sound
        hits = rows[whole]
        found.hit[hits] = True
        found.vectors[hits] = records["vector"]
        found.tokens[hits] = records["tokens"]
        found.truncated[hits] = records["flags"] & TRUNCATED
        found.unknown[hits] = records["flags"] >> UNKNOWN_SHIFT
        return keys[there & ~whole]

    def _drop_damaged(self, keys: NDArray[np.void]) -> None:
        # Another process may just have put a good record there: then that one is made again.
        said = f"{len(keys)} damaged entries in the cache at {self.path} were"
        try:
            self._delete(keys)
        except CacheError as error:
            self.notes.append(f"{said} skipped; they could not be deleted: {error}")
        else:
            self.notes.append(f"{said} deleted")

    def put_many(
        self,
        recipe: bytes,
        digests: Sequence[bytes],
        vectors: NDArray[np.float32],
        tokens: NDArray[np.int32],
        truncated: NDArray[np.bool_],
        unknown: NDArray[np.int32] | None = None,
    ) -> None:
        """Keep `vectors` (n, dim), all in one transaction, over what was there before.

        `tokens`, `truncated` and `unknown` (see `Found`) are (n,). Raises ValueError for keys or
        arrays of another shape, CacheError if they cannot be kept, as on a full disk; what was
        kept before stays.
        """
        keys, order = sorted_keys(recipe, digests)
        n = len(keys)
        if vectors.ndim != 2 or not (len(vectors) == len(tokens) == len(truncated) == n):
            raise ValueError(
                f"{n} digests, vectors {vectors.shape}, tokens {tokens.shape}, "
                f"truncated {truncated.shape}: one row is needed for each digest"
            )
        if not n:
            return
        records = np.empty(n, record_dtype(vectors.shape[1]))
        records["created"] = int(time.time())
        records["tokens"] = tokens[order]
        records["flags"] = truncated[order]
        if unknown is not None:
            records["flags"] |= unknown[order].astype(np.uint32) << np.uint32(UNKNOWN_SHIFT)
        records["vector"] = vectors[order]
        records["checksum"] = checksums(keys, records)
        size = records.dtype.itemsize
        content = memoryview(records.tobytes())
        values = [content[at : at + size] for at in range(0, len(content), size)]

        def put(txn: lmdb.Transaction[bytes]) -> None:
            txn.cursor().putmulti(zip(keys.tolist(), values, strict=True))

        self.store.run(put, Op.PUT, keys.tobytes(), size, write=True)

    def holds(self, recipe: bytes) -> bool:
        """Return whether there is a record under an 8-byte `recipe`."""
        return self.store.run(lambda txn: begins(txn.cursor(), recipe), Op.WALK)

    def describe(self, recipe: bytes, description: str) -> None:
        """Keep the JSON text that says what `recipe` stands for, unless there is one already."""
        store = self.store
        if store.run(lambda txn: txn.get(recipe, db=store.recipes) is None, Op.DESCRIBE):
            store.run(
                lambda txn: txn.put(recipe, description.encode(), db=store.recipes),
                Op.DESCRIBE,
                write=True,
            )

    def stats(self) -> CacheStats:
        """Count what is in the cache. Slow for gigabytes: it reads every record's header."""
        store = self.store
        survey = self._survey()
        described: dict[bytes, str] = store.run(
            lambda txn: {
                key: text.decode(errors="replace") for key, text in txn.cursor(store.recipes)
            },
            Op.DESCRIBE,
        )
        recipes = [
            _recipe_stats(prefix, described.get(prefix), survey, survey.recipes == np.void(prefix))
            for prefix in sorted({*described, *np.unique(survey.recipes).tolist()})
        ]
        return CacheStats(store.path, VERSION, len(survey.keys), store.used_bytes(), tuple(recipes))

    def prune(
        self,
        *,
        recipes: Collection[bytes] | None = None,
        older_than: float | None = None,
        max_bytes: int | None = None,
    ) -> PruneResult:
        """Remove records, then give their disk space back if no other process has the cache open.

        `recipes` and `older_than` (seconds since they were made) choose records. Without
        `max_bytes` all that are chosen go; with it only the oldest of them, as many as it takes
        for the compacted file to have at most `max_bytes`. Without any limit nothing goes. Raises
        CacheError.
        """
        survey = self._survey()
        chosen = np.ones(len(survey.keys), np.bool_)
        if recipes is not None:
            wanted = np.array([np.void(recipe) for recipe in recipes], f"V{RECIPE_SIZE}")
            chosen &= np.isin(survey.recipes, wanted)
        if older_than is not None:
            chosen &= survey.created < time.time() - older_than
        if max_bytes is not None:
            costs = disk_bytes(survey.sizes, self.store.page_size())
            oldest = np.flatnonzero(chosen)
            oldest = oldest[np.argsort(survey.created[oldest], kind="stable")]
            freed_before = np.cumsum(costs[oldest]) - costs[oldest]
            chosen[oldest[freed_before >= costs.sum() - max_bytes]] = False
        elif recipes is None and older_than is None:
            chosen[:] = False
        return self._remove(survey.keys[chosen], kept=int((~chosen).sum()))

    def clear(self) -> PruneResult:
        """Remove everything, then give the disk space back as `prune` does."""
        keys, before = self._survey().keys, self.store.used_bytes()
        if self.store.start_over():
            return PruneResult(len(keys), 0, before, self.store.used_bytes(), None)
        return self._remove(keys, kept=0)

    def repair(self, folder: Path) -> Salvaged:
        """Take over what is sound in an environment that was set aside; it stays as it is.

        What is here already stays, too. Raises CacheError if there is no environment in `folder`,
        if it is this cache itself, or if nothing can be kept.
        """
        data = folder / "data.mdb" if folder.is_dir() else folder
        store, found = self.store, Salvaged()
        if not data.is_file():
            raise CacheError(f"{folder} holds no cache: there is no file data.mdb in it")
        if data.resolve() == store.data.resolve():
            raise CacheError(f"{folder} is the cache in use: it needs no repair")
        try:
            for sound in sound_records(data, found):
                found.added += self._add(sound)
        except OSError as error:
            raise CacheError(f"{data} cannot be read: {error}") from error
        return found

    def _add(self, sound: Sound) -> int:
        """Put records and descriptions where there are none; how many records were new."""
        store = self.store

        def put(txn: lmdb.Transaction[bytes]) -> int:
            txn.cursor(store.recipes).putmulti(sound.recipes, overwrite=False)
            added: int = txn.cursor(store.records).putmulti(sound.records, overwrite=False)[1]
            return added

        keys = b"".join(key for key, _ in sound.records)
        longest = max((len(value) for _, value in sound.records), default=0)
        return store.run(put, Op.PUT, keys, longest, write=True)

    def _remove(self, keys: NDArray[np.void], kept: int) -> PruneResult:
        before = self.store.used_bytes()
        self._delete(keys)
        note = self.store.compact() if len(keys) else None
        return PruneResult(len(keys), kept, before, self.store.used_bytes(), note)

    def _delete(self, keys: NDArray[np.void]) -> None:
        for start in range(0, len(keys), BLOCK):
            block = keys[start : start + BLOCK]

            def delete(txn: lmdb.Transaction[bytes], block: NDArray[np.void] = block) -> None:
                for key in block.tolist():
                    txn.delete(key)

            self.store.run(delete, Op.DELETE, block.tobytes(), write=True)

    def _survey(self) -> _Survey:
        def walk(txn: lmdb.Transaction[bytes]) -> Iterator[tuple[bytes, bytes, list[int]]]:
            items = iter(txn.cursor())
            while block := list(islice(items, WALK_BLOCK)):
                if any(len(key) != KEY_SIZE for key, _ in block):
                    raise lmdb.CorruptedError("there is a key of another length")
                headers = (value[:HEADER_SIZE].ljust(HEADER_SIZE) for _, value in block)
                yield (
                    b"".join(key for key, _ in block),
                    b"".join(headers),
                    [len(value) for _, value in block],
                )

        blocks = self.store.run(lambda txn: list(walk(txn)), Op.WALK)
        words = np.frombuffer(b"".join(block[1] for block in blocks), "<u4")
        return _Survey(
            np.frombuffer(b"".join(block[0] for block in blocks), f"V{KEY_SIZE}"),
            words.reshape(-1, HEADER_SIZE // 4)[:, 2],
            np.array([size for block in blocks for size in block[2]], np.int64),
        )

    def release(self, *, keep: int = 0) -> None:
        """Give back the mapped pages used so far, once they are more than `keep` bytes.

        A long job calls it now and then. They count as this process's resident memory: the system
        would take them back itself only under pressure, and a memory limit or a watching user
        sees them grow with the cache.
        """
        self.store.release_pages(keep)

    def close(self) -> None:
        """Close; the last to close in this process closes the file. Repeated calls do nothing."""
        shared, self._shared = self._shared, None
        if shared is not None:
            self._end.detach()
            registry.release(shared)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _recipe_stats(
    recipe: bytes, description: str | None, survey: _Survey, rows: NDArray[np.bool_]
) -> RecipeStats:
    created, sizes = survey.created[rows], survey.sizes[rows]
    return RecipeStats(
        recipe=recipe,
        description=description,
        entries=len(sizes),
        bytes=int(sizes.sum()) + KEY_SIZE * len(sizes),
        oldest=int(created.min(initial=2**32 - 1)) if len(sizes) else 0,
        newest=int(created.max(initial=0)),
    )
