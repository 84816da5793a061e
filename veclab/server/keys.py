"""The keys that open the server: from a file or the environment, never from the command line."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from veclab.errors import InputError

VARIABLE = "VECLAB_API_KEYS"
_SHORTEST = 16


@dataclass(frozen=True, slots=True)
class Keys:
    """Some keys, of which only digests are kept.

    Attributes:
        source: where they were found, in words.
    """

    source: str
    _digests: tuple[bytes, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self._digests)

    @classmethod
    def read(cls, file: Path | None) -> Self | None:
        """Read keys from a file, one a line (`#` begins a comment), else from the environment.

        Returns:
            None where there are none and no file was named.

        Raises:
            InputError: the file cannot be read or holds none, or a key cannot be one.
        """
        if file is not None:
            source = f"the file {file}"
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeError) as error:
                raise InputError(f"the keys in {file} cannot be read: {error}") from None
            found = [line.partition("#")[0].strip() for line in lines]
        else:
            source = VARIABLE
            found = os.environ.get(VARIABLE, "").split()
        keys = [key for key in found if key]
        if not keys:
            if file is not None:
                raise InputError(f"{source} holds no key: write one a line")
            return None
        for number, key in enumerate(keys, 1):
            if not (key.isascii() and key.isprintable()) or " " in key or len(key) < _SHORTEST:
                raise InputError(
                    f"key {number} of {source} cannot be one: {_SHORTEST} characters or more of "
                    "ASCII, without spaces"
                )
        return cls(source, tuple(map(_digest, dict.fromkeys(keys))))

    def owner(self, authorization: str) -> str | None:
        """Return a name for the key of an `authorization` header; None where it opens nothing.

        Every key is compared, in constant time.
        """
        scheme, _, key = authorization.partition(" ")
        shown = _digest(key.strip() if scheme.lower() == "bearer" else "")
        found = None
        for number, digest in enumerate(self._digests, 1):
            if hmac.compare_digest(shown, digest):
                found = f"key {number}"
        return found


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
