"""What reading a file may cost, and how a reader says that it cannot."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from dataclasses import dataclass

from veclab.errors import InputError


class Unreadable(Exception):
    """A file cannot be read as what it says it is; the message is the reason, for the user."""


@dataclass(frozen=True)
class Limits:
    """How much one file may take; what goes over is left out and reported.

    Attributes:
        file_bytes: of the file, and of what it unpacks to.
        seconds: of processor time for parsing it.
        memory_bytes: of the process that parses it.
    """

    file_bytes: int = 200 << 20
    seconds: float = 60.0
    memory_bytes: int = 2 << 30

    def __post_init__(self) -> None:
        if min(self.file_bytes, self.seconds, self.memory_bytes) <= 0:
            raise InputError(f"limits must be above 0: {self}")


def human(count: float) -> str:
    """A size in bytes for people."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def unzipped(data: bytes, limit: int) -> bytes:
    """What gzip data holds.

    Raises:
        Unreadable: it is damaged, or holds more than `limit` bytes.
    """
    import io

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            found = stream.read(limit + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise Unreadable(f"its gzip data is damaged or cut short ({error})") from error
    if len(found) > limit:
        raise Unreadable(f"it unpacks to more than {human(limit)}")
    return found


def open_zip(data: bytes, limit: int) -> zipfile.ZipFile:
    """A zip archive whose members' sizes, as it gives them, add up to no more than `limit`.

    A member that holds more than it says fails its check when it is read.

    Raises:
        Unreadable: it is damaged, encrypted or too large.
    """
    import io

    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise Unreadable(f"it is damaged or cut short ({error})") from error
    members = archive.infolist()
    if (size := sum(member.file_size for member in members)) > limit:
        raise Unreadable(f"it unpacks to {human(size)}, over the limit of {human(limit)}")
    if any(member.flag_bits & 1 for member in members):
        raise Unreadable("it is encrypted")
    return archive
