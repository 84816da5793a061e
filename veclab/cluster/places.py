"""Where shards lie: a folder or a bucket. What is put there appears whole, once, or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veclab.atomic import beside, sync
from veclab.errors import InputError, VeclabError

SCHEMES = ("s3://", "gs://", "az://")


class StorageRefused(VeclabError):
    """A folder or bucket cannot be used at all: no rights, no credentials, full, not there."""


class StorageFailed(VeclabError):
    """One file or object could not be read or written; another may."""


class AlreadyThere(Exception):
    """Something was put under that name first, or what was to be replaced has changed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or an object.

    Attributes:
        name: below the place, with "/" between folders.
        size: in bytes.
        tag: another one whenever it has been written to.
    """

    name: str
    size: int
    tag: str


class Place(Protocol):
    """A folder or a bucket (with what stands before all its names).

    Methods raise StorageRefused where nothing there can be used, StorageFailed for one name.

    Attributes:
        address: for this and other processes.
    """

    address: str

    def entries(self) -> list[Entry]:
        """Everything below, sorted by name; [] where there is nothing."""

    def entry(self, name: str) -> Entry | None:
        """Return what is there under a name."""

    def fetched(self, name: str) -> AbstractContextManager[Path]:
        """Give a file with the content, for `with`."""

    def tail(self, entry: Entry, size: int) -> bytes:
        """Return the last bytes."""

    def building(self, name: str) -> AbstractContextManager[Path]:
        """Give a path to write what will be put; what is not put is gone afterwards."""

    def put(self, name: str, built: Path, over: Entry | None) -> Entry:
        """Publish a built file, whole; raises AlreadyThere.

        Args:
            name: under which it appears.
            built: of `building`.
            over: what may be replaced; None where there must be nothing.
        """

    def read(self, name: str) -> bytes | None:
        """Return the content of something small; None where there is nothing."""

    def write(self, name: str, data: bytes) -> None:
        """Write something small, whole, over whatever is there."""


def open_place(address: str) -> Place:
    """Open a folder or a bucket; nothing is asked of it yet.

    Raises:
        InputError: an address of another kind.
        MissingExtra: what reads buckets is not installed.
    """
    if address.startswith(SCHEMES):
        from veclab.cluster.buckets import Bucket

        return Bucket(address)
    if "://" in address:
        raise InputError(f"{address}: a place is a folder, or one of {', '.join(SCHEMES)}")
    return Folder(Path(address))


class Folder:
    """A folder of this machine, or one that many share."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.address = str(self.root)

    def entries(self) -> list[Entry]:
        """Everything below."""

        def refuse(error: OSError) -> None:
            raise StorageRefused(f"{error.filename} cannot be read: {error.strerror}")

        if not self.root.exists():
            return []
        found = []
        for parent, folders, files in os.walk(self.root, onerror=refuse):
            folders.sort()
            for file in files:
                name = (Path(parent) / file).relative_to(self.root).as_posix()
                if (entry := self.entry(name)) is not None:
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.name)

    def entry(self, name: str) -> Entry | None:
        """Return what is there under a name."""
        try:
            stat = (self.root / name).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed(f"{name} cannot be read: {error.strerror}") from None
        return Entry(name, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Give the file itself."""
        path = self.root / name
        try:
            path.open("rb").close()
        except OSError as error:
            raise StorageFailed(f"{name} cannot be read: {error.strerror}") from None
        yield path

    def tail(self, entry: Entry, size: int) -> bytes:
        """Return the last bytes."""
        with self.fetched(entry.name) as path, path.open("rb") as file:
            file.seek(max(0, entry.size - size))
            return file.read()

    @contextmanager
    def building(self, name: str) -> Iterator[Path]:
        """Give a path beside the one it will have."""
        path = self.root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside(path) as temporary:
                yield temporary
        except OSError as error:
            raise self._told(name, error) from error

    def put(self, name: str, built: Path, over: Entry | None) -> Entry:
        """Publish a built file."""
        path = self.root / name
        try:
            sync(built)
            if over is not None:
                if self.entry(name) != over:
                    raise AlreadyThere(name)
                built.replace(path)
            else:
                _link(built, path)
        except FileExistsError:
            raise AlreadyThere(name) from None
        except OSError as error:
            raise self._told(name, error) from error
        found = self.entry(name)
        assert found is not None
        return found

    def read(self, name: str) -> bytes | None:
        """Return the content of something small."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageRefused(f"{self.root / name} cannot be read: {error.strerror}") from None

    def write(self, name: str, data: bytes) -> None:
        """Write something small over whatever is there."""
        with self.building(name) as temporary:
            temporary.write_bytes(data)
            sync(temporary)
            temporary.replace(self.root / name)

    def _told(self, name: str, error: OSError) -> VeclabError:
        said = f"cannot write {self.root / name}: {error.strerror or error}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            return StorageRefused(f"{said}. The shards that are there are complete: {AGAIN}")
        return StorageFailed(said)


AGAIN = "once that is mended, the same command goes on where this one stopped"


def _link(built: Path, path: Path) -> None:
    """Give a file its name if nothing has it; raises FileExistsError."""
    try:
        os.link(built, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists():  # a file system without links: the two steps could meet another writer
            raise FileExistsError(path) from None
        built.replace(path)
