"""An LMDB environment: opened, copied without its free space, and how much of it is in memory."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import lmdb

VERSION = 2
NAME = f"v{VERSION}"
FORMAT = b"veclab vectors %d" % VERSION

_DISK_FULL = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT))

# Address space only: neither memory nor disk is used before there is data.
MAP_SIZE = 256 << 20
COPY_BATCH = 4096


def open_environment(path: Path, *, readonly: bool) -> lmdb.Environment:
    """Open the environment in the folder `path`, made if need be; raises lmdb.Error."""
    if readonly:
        try:
            return _open(path, readonly=True, create=False)
        except lmdb.Error:
            # Nor can LMDB's lock file be written, so this reader cannot announce itself. A
            # writer elsewhere may reuse a page under it: the checksums tell.
            return _open(path, readonly=True, create=False, lock=False)
    path.mkdir(mode=0o700, exist_ok=True)
    # metasync=False: one fsync a commit instead of two. A power cut may undo the last commit,
    # but never tears one; for a cache that means computing some vectors again.
    env = _open(path, metasync=False)
    env.reader_check()  # a killed reader keeps pages from being used again
    return env


def _open(path: Path, **options: bool) -> lmdb.Environment:
    return lmdb.open(str(path), map_size=MAP_SIZE, max_dbs=4, max_spare_txns=0, **options)


def copy_compacted(
    env: lmdb.Environment, databases: Mapping[bytes, lmdb._Database], form: bytes, folder: Path
) -> Path:
    """Copy everything into `folder` and return the new file.

    Keys come in order, so that the copy's pages are filled to the brim. Raises OSError, lmdb.Error.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    used = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    with (
        # sync=False: nobody reads the copy before the one sync at the end.
        lmdb.open(str(folder), map_size=max(MAP_SIZE, 2 * used), max_dbs=4, sync=False) as copy,
        env.begin(buffers=True) as source,
    ):
        with copy.begin(write=True) as txn:
            txn.put(b"format", form)
        for name, database in databases.items():
            target = copy.open_db(name)
            items = iter(source.cursor(database))
            while batch := list(islice(items, COPY_BATCH)):
                with copy.begin(db=target, write=True) as txn:
                    if txn.cursor().putmulti(batch, append=True)[1] != len(batch):
                        raise lmdb.CorruptedError("its keys are out of order")
        copy.sync(True)
    return folder / "data.mdb"


def mapped_bytes() -> int | None:
    """Return the bytes of mapped files in this process's memory; None where unknown."""
    try:
        shared = int(Path("/proc/self/statm").read_bytes().split()[2])
    except (OSError, IndexError, ValueError):
        return None
    return shared * os.sysconf("SC_PAGE_SIZE")


def disk_trouble(error: lmdb.Error) -> str | None:
    """Return what is wrong with the disk, in words; None where it is something else."""
    if isinstance(error, lmdb.DiskError) or str(error).endswith(_DISK_FULL):
        return "the disk is full"
    if str(error).endswith(os.strerror(errno.EIO)):
        return "the disk is full or failing"  # LMDB calls a write cut short an I/O error
    return None
