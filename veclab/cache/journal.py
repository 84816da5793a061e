"""Knowing, after a process died, whether the cache killed it.

LMDB maps the file and trusts what it maps: a page that a failing disk zeroed can abort the process
(SIGABRT, SIGSEGV), and the next run would die on the same page, and the next. Being killed from
outside is, on the other hand, everyday life, and no reason to distrust a cache of many gigabytes.

So each process notes in a small file of its own what it is doing inside LMDB while it is inside.
The note costs two small writes to a file that is never synced. When the owner is dead (its lock is
free) and the note says it died inside, the next to open the cache first lets a child process do the
same again: the same lookups, or the same writes in a transaction that is then dropped. That costs
what the one operation costs, whatever the size of the cache. If the child dies too, the cache is
damaged.

Setting a damaged cache aside cannot do without this: such a page raises no exception to catch, and
setting aside after every kill would throw away gigabytes of good vectors, some of them paid for.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Self

import lmdb

from veclab.processes import import_path, python_command

if sys.platform != "win32":
    import fcntl

KEY_SIZE = 24
HAS_LOCKS = sys.platform != "win32"
# Far beyond any single operation.
REPLAY_LIMIT_S = 900
REPLAY_MET_DAMAGE = 3

DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.IncompatibleError,
    lmdb.CursorFullError,
    lmdb.PageFullError,
    lmdb.BadTxnError,
)
# What damage does to a process; any other signal came from outside.
_CRASHES = {
    -number
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
    if (number := getattr(signal, name, None)) is not None
}


class FileLock:
    """An advisory lock on a file, given back by the system when its holder dies.

    As a context manager it is held exclusively. Windows has no such lock: there nobody waits, and
    nobody is ever known to be alone.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self._fd = os.open(path, os.O_RDONLY if readonly else os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Hold it together with others who share it."""
        if sys.platform != "win32":
            fcntl.flock(self._fd, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Hold it alone if nobody else holds it; if False, it is no longer held at all."""
        if sys.platform != "win32":
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True
        return False

    def close(self) -> None:
        """Let go; repeated calls do nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        if sys.platform != "win32":
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        return self

    def __exit__(self, *error: object) -> None:
        if sys.platform != "win32":
            fcntl.flock(self._fd, fcntl.LOCK_UN)


class Op(Enum):
    """What can be going on inside LMDB."""

    IDLE = b"idle"
    GET = b"get "
    PUT = b"put "
    DELETE = b"del "
    WALK = b"walk"
    OPEN = b"open"
    DESCRIBE = b"desc"


class Journal:
    """One process's note of the operation it is in.

    Layout: operation (4 bytes), size of one value (uint32), length of the keys (uint64), the keys.
    """

    HEADER = struct.Struct("<4sIQ")

    def __init__(self, root: Path, name: str) -> None:
        self._fd, path = tempfile.mkstemp(prefix=f"{name}.running-", dir=root)
        self.path = Path(path)
        try:
            if sys.platform != "win32":
                fcntl.flock(self._fd, fcntl.LOCK_EX)
            self._note(Op.IDLE)
        except OSError:
            self.close()
            raise

    @contextmanager
    def doing(self, op: Op, keys: bytes = b"", value_size: int = 0) -> Iterator[None]:
        """Note `op` on `keys` (concatenated) for as long as the block runs."""
        try:
            os.pwrite(self._fd, keys, self.HEADER.size)
        except OSError:
            op, keys = Op.WALK, b""  # a full disk: the wider note needs no room
        self._note(op, value_size, len(keys))
        try:
            yield
        finally:
            self._note(Op.IDLE)

    def _note(self, op: Op, value_size: int = 0, length: int = 0) -> None:
        os.pwrite(self._fd, self.HEADER.pack(op.value, value_size, length), 0)

    def close(self, *, unlink: bool = True) -> None:
        """End orderly; a forked child leaves the file to its owner (`unlink=False`)."""
        os.close(self._fd)
        if unlink:
            self.path.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> tuple[Op, int, bytes]:
        """Return the note left in `path`: operation, size of one value, keys.

        Half a note, as a power cut can leave it, says nothing: that reads as idle.
        """
        content = path.read_bytes().ljust(cls.HEADER.size, b"\0")
        name, size, length = cls.HEADER.unpack_from(content)
        op = next((op for op in Op if op.value == name), Op.IDLE)
        return op, size, content[cls.HEADER.size :][:length]


def abandoned(root: Path, name: str) -> Iterator[Path]:
    """Yield the journals of dead processes. Call it only while nobody can start a new one."""
    for path in root.glob(f"{name}.running-*"):
        lock = FileLock(path)
        try:
            if lock.try_exclusive():
                yield path
        finally:
            lock.close()


def can_map(size: int) -> bool:
    """Return whether `size` bytes of address space are available."""
    try:
        mmap.mmap(-1, size).close()
    except OSError:
        return False
    return True


def replay(environment: Path, journal: Path | None) -> tuple[bool, str]:
    """Let a child process repeat what `journal` notes (None: read everything).

    Returns:
        Whether the environment is damaged, and what the child said or died of: empty if all is
        well; text without damage means that the child could not do it for other reasons.
    """
    code = f"import sys; from {__name__} import main; sys.exit(main(*sys.argv[1:]))"
    command = python_command("-c", code, str(environment), str(journal or ""))
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": import_path()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=REPLAY_LIMIT_S,
        )
    except subprocess.TimeoutExpired:  # a large cache on a slow disk, or a busy machine
        return False, f"a look at it did not end within {REPLAY_LIMIT_S} s"
    except OSError as error:
        return False, str(error)
    if done.returncode in _CRASHES:
        return True, f"reading it ends in {signal.Signals(-done.returncode).name}"
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    if done.returncode == 0:
        return False, ""
    return done.returncode == REPLAY_MET_DAMAGE, said or f"exit status {done.returncode}"


def _repeat(env: lmdb.Environment, op: Op, size: int, keys: list[bytes]) -> None:
    if not env.stat()["entries"]:
        return  # killed before there was anything
    recipes = env.open_db(b"recipes", create=False)
    records = env.open_db(b"records", create=False)
    if op in (Op.OPEN, Op.DESCRIBE, Op.WALK):
        with env.begin() as txn:
            for database in (recipes, records) if op is Op.WALK else (recipes,):
                for _key, _value in txn.cursor(database):
                    pass  # the cursor copies the value, so its pages are read
        return
    with env.begin(db=records, write=op is not Op.GET) as txn:
        step: dict[Op, Callable[[bytes], object]] = {
            Op.GET: txn.get,
            Op.PUT: lambda key: txn.put(key, bytes(size)),
            Op.DELETE: txn.delete,
        }
        for key in keys:
            step[op](key)
        txn.abort()


def main(environment: str, journal: str) -> int:
    """Run the child's side of `replay`."""
    op, size, keys = Journal.read(Path(journal)) if journal else (Op.WALK, 0, b"")
    room = (Path(environment) / "data.mdb").stat().st_size + len(keys) // KEY_SIZE * 2 * size
    try:
        with lmdb.open(environment, map_size=2 * room + (64 << 20), max_dbs=4, create=False) as env:
            _repeat(env, op, size, [keys[i : i + KEY_SIZE] for i in range(0, len(keys), KEY_SIZE)])
    except (*DAMAGE, lmdb.NotFoundError) as error:
        print(error, file=sys.stderr)
        return REPLAY_MET_DAMAGE
    return 0
