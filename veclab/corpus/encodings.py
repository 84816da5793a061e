"""Bytes of a text file as UTF-8, whatever its encoding is."""

from __future__ import annotations

import codecs
import io
from typing import Any

from veclab.errors import InputError

_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_PIECE = 1 << 16


def encoding_of(head: bytes) -> str | None:
    """Return the encoding that the first four bytes of a text show; None for UTF-8.

    They are a byte-order mark, or hold exactly one zero byte in the first character.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head[:2].count(0) == 1:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return None


def checked_encoding(name: str) -> str:
    """Return the name that Python knows an encoding by; raises InputError for an unknown one."""
    try:
        "".encode(name)  # codecs that are not of texts have names, too
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        raise InputError(
            f"the encoding {name!r} is not known; known are utf-8, utf-16, cp1252 (Windows in "
            "western Europe), latin-1, shift_jis, gb18030 and others of Python's"
        ) from None


def not_utf8(where: str, offset: int) -> InputError:
    """Return the error for a line whose byte at `offset` (from 0) is not UTF-8."""
    return InputError(
        f"{where}: byte {offset + 1} of the line is not UTF-8; say which encoding it is, for "
        "instance --encoding cp1252 for a file of Windows in western Europe"
    )


def not_in(where: str, encoding: str) -> InputError:
    """Return the error for a line that is not in the encoding of its file."""
    return InputError(f"{where}: not valid {encoding}; is the file damaged, or --encoding wrong?")


class Recoded(io.RawIOBase):
    """A stream of bytes in some encoding, given as UTF-8; what cannot be read raises in place."""

    def __init__(self, stream: Any, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._waiting = b""
        self._error: UnicodeDecodeError | None = None
        self._ended = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there is something; 0 at the end."""
        while not self._waiting and not self._ended:
            if self._error is not None:
                raise self._error
            data = self._stream.read(_PIECE)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
            except UnicodeDecodeError as error:
                # First what stands before it, so that whoever counts lines knows where it is.
                self._error, self._ended = error, False
                text = error.object[: error.start].decode(error.encoding)
            self._waiting = text.encode()
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def text_of(name: str, data: bytes, encoding: str | None = None) -> str:
    """Return the text of a whole file; raises InputError, which names the line."""
    encoding = encoding or encoding_of(data[:4]) or "utf-8"
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.decode(encoding, "replace").count("\n") + 1
        where = f"{name}, line {line}"
        if error.encoding != "utf-8":
            raise not_in(where, encoding) from error
        raise not_utf8(where, error.start - before.rfind(b"\n") - 1) from error
