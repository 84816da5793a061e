"""One LMDB environment per process and directory: opened, shared, grown, repaired and compacted.

Files, all beside each other so that a damaged environment can be renamed away in one step:

    v2/                 the LMDB environment
    v2.gate             held exclusively while anybody opens, repairs or compacts
    v2.users            held shared by every process that has the environment open
    v2.running-XXXX     one process's journal, see `veclab.cache.journal`
    v2.damaged-DATE     an environment that was set aside; veclab never deletes it
    v1/                 one of an earlier format, whose vectors were taken over
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

import lmdb

from veclab.cache.aside import not_alone, set_aside, take_over_format_1
from veclab.cache.environment import (
    FORMAT,
    MAP_SIZE,
    NAME,
    copy_compacted,
    disk_trouble,
    mapped_bytes,
    open_environment,
)
from veclab.cache.journal import (
    DAMAGE,
    HAS_LOCKS,
    FileLock,
    Journal,
    Op,
    abandoned,
    can_map,
    replay,
)
from veclab.errors import CacheError

T = TypeVar("T")

_CANNOT_WRITE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT}
# Errors that have a remedy while opening; all others are reported.
_OPENING = (*DAMAGE, lmdb.NotFoundError, lmdb.MapResizedError)


class _Foreign(Exception):
    """The environment is sound, but not in the format that this version writes."""


class Store:
    """The environment at `root/v1`, shared by all threads of this process under one lock.

    To be had from `registry` only: LMDB forbids opening it twice in one process.

    Attributes:
        path: the environment's directory.
        notes: what the user must be told.
        readonly: directory or disk take no writes.
        closed: given up, at the last `release` or because this is a forked child.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / NAME
        self.data = self.path / "data.mdb"
        self.lock = threading.RLock()
        self.notes: list[str] = []
        self.references = 0
        self.readonly = False
        self.closed = False
        self._mapped = mapped_bytes() or 0
        self._gate: FileLock | None = None
        self._users: FileLock | None = None
        self._journal: Journal | None = None
        try:
            self._open()
        except OSError as error:
            self._drop_locks()
            self._open_readonly(error)
        except BaseException:
            self._drop_locks()
            raise

    # -- opening ---------------------------------------------------------------------------------

    def _open(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._gate = FileLock(self.root / f"{NAME}.gate")
        self._users = FileLock(self.root / f"{NAME}.users")
        with self._maintenance() as alone:
            if alone:
                shutil.rmtree(self._copy_path, ignore_errors=True)  # of a killed compaction
                self.notes += take_over_format_1(self.path, self._copy_path)
            self._examine_crashes(alone)
            self._journal = Journal(self.root, NAME) if HAS_LOCKS else None
            try:
                self._open_environment(alone)
            except (*DAMAGE, _Foreign, lmdb.NotFoundError) as error:
                self._set_aside(error, alone)
                self._open_environment(alone)

    def _open_readonly(self, why: OSError) -> None:
        if why.errno not in _CANNOT_WRITE or not self.data.exists():
            raise CacheError(
                f"no cache can be kept at {self.root}: {why.strerror}. Set VECLAB_HOME to a "
                "directory that can be written, or run without the cache."
            ) from why
        self.readonly = True
        try:
            if (users := self.root / f"{NAME}.users").exists():
                self._users = FileLock(users, readonly=True)
                self._users.share()
            self._open_environment(alone=False)
        except (OSError, lmdb.Error, _Foreign) as error:
            self._drop_locks()
            raise CacheError(f"the cache at {self.path} cannot be read: {error}") from error
        self.notes.append(f"the cache at {self.path} is read-only, not added to: {why.strerror}")

    @contextmanager
    def _maintenance(self) -> Iterator[bool]:
        """Keep others from opening; yields whether no other process has the environment open."""
        if self._gate is None or self._users is None:
            yield False
            return
        with self._gate:
            try:
                yield self._users.try_exclusive()
            finally:
                self._users.share()  # at once: nobody takes it exclusively without the gate

    def _examine_crashes(self, alone: bool) -> None:
        """Look again at what processes were doing that died inside LMDB; see `journal`."""
        for journal in abandoned(self.root, NAME):
            if Journal.read(journal)[0] is not Op.IDLE and self.data.exists():
                damaged, said = replay(self.path, journal)
                if damaged:
                    self._set_aside(lmdb.CorruptedError(said), alone)
                elif said:
                    self.notes.append(
                        f"veclab was killed while using the cache at {self.path}, "
                        f"which could not be checked: {said}"
                    )
            journal.unlink(missing_ok=True)

    def _open_environment(self, alone: bool) -> None:
        with self._noted(Op.OPEN):
            while True:
                try:
                    return self._open_once(alone)
                except lmdb.MapResizedError:
                    continue  # another process made it larger in this moment: map all of it

    def _open_once(self, alone: bool) -> None:
        try:
            self._env = open_environment(self.path, readonly=self.readonly)
        except lmdb.MemoryError as error:
            # LMDB maps what the file's first pages claim to be in use. If an ordinary map can be
            # had, it is the claim that is absurd.
            if can_map(MAP_SIZE):
                raise lmdb.CorruptedError(f"{self.data}: {error}") from error
            raise self._failure(error) from error
        except lmdb.Error as error:
            if isinstance(error, lmdb.VersionMismatchError) or "data format" in str(error):
                raise _Foreign(str(error)) from error  # py-lmdb 3 has no class for it
            if isinstance(error, _OPENING) or self.readonly:
                raise
            raise self._failure(error) from error
        try:
            self._examine_length(alone)
            self._open_databases()
        except lmdb.Error as error:
            self._env.close()
            if isinstance(error, _OPENING) or self.readonly:
                raise
            raise self._failure(error) from error
        except BaseException:
            self._env.close()
            raise

    def _examine_length(self, alone: bool) -> None:
        """Check the length: a page mapped beyond the end of the file would kill us (SIGBUS)."""
        if not alone and not self.readonly:
            return  # another process uses the file in good health, and may be lengthening it
        claimed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        length = self.data.stat().st_size
        if length >= claimed:
            return
        # Free pages at the end need not have been written: only a walk tells loss from thrift.
        if self.readonly or replay(self.path, None)[0]:
            raise lmdb.CorruptedError(f"{length} bytes of {claimed} are there")
        os.truncate(self.data, claimed)

    def _open_databases(self) -> None:
        if not self._env.stat()["entries"]:
            if self.readonly:
                raise _Foreign("it is empty")
            with self._env.begin(write=True) as txn:
                txn.put(b"format", FORMAT)
                for name in (b"records", b"recipes"):
                    self._env.open_db(name, txn=txn)
        with self._env.begin() as txn:
            if (written := txn.get(b"format")) != FORMAT:
                raise _Foreign(f"written in another format: {written!r}")
        self.records = self._env.open_db(b"records", create=False)
        self.recipes = self._env.open_db(b"recipes", create=False)
        if not self.readonly:
            self.claims = self._env.open_db(b"claims")

    # -- using -----------------------------------------------------------------------------------

    def run(
        self,
        work: Callable[[lmdb.Transaction[bytes]], T],
        op: Op,
        keys: bytes = b"",
        value_size: int = 0,
        *,
        write: bool = False,
    ) -> T:
        """Run `work` in a transaction on the records and return its result; it may be run again.

        `op`, `keys` (concatenated) and `value_size` say what `work` is about to do. Raises
        CacheError.
        """
        if write and self.readonly:
            raise CacheError(f"the cache at {self.path} is read-only: nothing can be kept in it")
        replaced = False
        with self.lock:
            while True:
                try:
                    with (
                        self._noted(op, keys, value_size),
                        self._env.begin(db=self.records, write=write) as txn,
                    ):
                        return work(txn)
                except lmdb.MapFullError:
                    self._map(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._map(0)  # another process made it larger: follow
                except lmdb.Error as error:
                    if not isinstance(error, DAMAGE) or replaced:
                        raise self._failure(error) from error
                    self._replace(error)
                    replaced = True
                except OSError as error:
                    raise CacheError(f"the cache at {self.path} failed: {error}") from error

    def release_pages(self, keep: int) -> None:
        """Map the file anew where more than `keep` bytes have come into memory since last time."""
        with self.lock:
            if (mapped := mapped_bytes()) is None or mapped > self._mapped + keep:
                self._map(self._env.info()["map_size"])
                self._mapped = mapped_bytes() or 0

    def used_bytes(self) -> int:
        """Return the bytes that the file takes on the disk."""
        stat = self.data.stat()
        return getattr(stat, "st_blocks", -(-stat.st_size // 512)) * 512

    def page_size(self) -> int:
        """Return the bytes in one of LMDB's pages."""
        with self.lock:
            return self._env.stat()["psize"]

    @property
    def journal_name(self) -> str:
        """The name of this process's journal, on which it holds a lock; empty without locks."""
        return self._journal.path.name if self._journal else ""

    def _map(self, size: int) -> None:
        try:
            self._env.set_mapsize(size)
        except lmdb.Error as error:
            raise self._failure(error) from error

    def _noted(
        self, op: Op, keys: bytes = b"", value_size: int = 0
    ) -> AbstractContextManager[None]:
        return self._journal.doing(op, keys, value_size) if self._journal else nullcontext()

    # -- trouble ---------------------------------------------------------------------------------

    def _failure(self, error: lmdb.Error) -> CacheError:
        cause = disk_trouble(error)
        if cause is None:
            return CacheError(f"the cache at {self.path} failed: {error}")
        return CacheError(
            f"{cause}: {self._kept()} at {self.path}. Free some space, set VECLAB_HOME to a "
            f"directory on another disk, or run without the cache. ({error})"
        )

    def _kept(self) -> str:
        if not hasattr(self, "records"):
            return "nothing could be kept"
        try:
            with self._env.begin() as txn:
                return f"{txn.stat(self.records)['entries']:,} vectors are kept"
        except lmdb.Error as error:
            return f"nothing more could be kept, nor what there is be counted ({error}),"

    def _replace(self, error: lmdb.Error) -> None:
        """Set the open environment aside and start a new one."""
        with self._maintenance() as alone:
            if alone:
                self._env.close()
            self._set_aside(error, alone)
            self._open_environment(alone)

    def _set_aside(self, error: Exception, alone: bool) -> None:
        """Rename the environment away; its user may want to look into it."""
        foreign = isinstance(error, _Foreign)
        if not alone:
            raise not_alone(self.path, error, foreign, self.readonly) from error
        self.notes.append(set_aside(self.path, self._copy_path, error, foreign))

    # -- giving disk space back ------------------------------------------------------------------

    @property
    def _copy_path(self) -> Path:
        return self.root / f"{NAME}.compact"

    def compact(self) -> str | None:
        """Rewrite the file without its free space; returns why that could not be, or None.

        LMDB never shortens its file. Only a process that is alone may swap the file, as others
        would go on writing into the old one.
        """
        with self.lock, self._maintenance() as alone:
            if not HAS_LOCKS:
                return "this platform cannot tell whether another process has the cache open"
            if not alone:
                return "another process has the cache open; the space will be used again"
            try:
                with self._noted(Op.WALK):
                    copied = copy_compacted(
                        self._env,
                        {b"records": self.records, b"recipes": self.recipes},
                        FORMAT,
                        self._copy_path,
                    )
                self._env.close()
                try:
                    copied.replace(self.data)
                finally:
                    self._open_environment(alone)
            except (OSError, lmdb.Error) as error:
                return f"a compacted copy could not be made: {error}"
            finally:
                shutil.rmtree(self._copy_path, ignore_errors=True)
        return None

    def start_over(self) -> bool:
        """Empty the file at once, for which a full disk needs no room; False if not alone."""
        with self.lock, self._maintenance() as alone:
            if alone:
                self._env.close()
                self.data.unlink()
                self._open_environment(alone)
            return alone

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the environment in order."""
        with self.lock:
            self.closed = True
            self._env.close()
            self._drop_locks()

    def abandon(self) -> None:
        """Let go, in a forked child, of what belongs to the parent, without disturbing it."""
        self.closed = True
        self._env.close()
        self._drop_locks(forked=True)

    def _drop_locks(self, *, forked: bool = False) -> None:
        if self._journal:
            self._journal.close(unlink=not forked)
        for lock in (self._users, self._gate):
            if lock:
                lock.close()
        self._journal = self._users = self._gate = None
