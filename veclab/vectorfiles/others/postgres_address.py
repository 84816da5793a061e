"""Addresses of PostgreSQL, which may hold a password: what of them may be shown and kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from veclab.errors import InputError


@dataclass(frozen=True, slots=True, repr=False)
class PostgresAddress:
    """`postgresql://USER:PASSWORD@HOST/DATABASE?OPTIONS#NAME` in its parts.

    Attributes:
        to_connect: with all that a connection needs; not to be shown.
        public: without passwords and without `#NAME`.
        host: of the server, or "" where the system's own is meant.
        name: after the `#`, or "".
        secrets: what must not be shown, as it may stand in messages.
    """

    to_connect: str
    public: str
    host: str
    name: str
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, address: str) -> Self:
        """Read an address.

        Raises:
            InputError: a sign of its password ends the password, and the rest would be told as the
                name of a host or a database.
        """
        try:
            parts = urlsplit(address)
            after = (parts.path, parts.fragment, "" if "@" in parts.netloc else parts.query)
            if parts.netloc.count("@") > 1 or any("@" in part for part in after):
                raise ValueError
            host = parts.hostname or ""
        except ValueError:
            raise InputError(
                "this address of PostgreSQL cannot be taken apart; in a password write %40 for @, "
                "%23 for #, %2F for /, %3A for :, %3F for ?, %5B for [ and %25 for %"
            ) from None
        user, _, netloc = parts.netloc.rpartition("@")
        user, _, password = user.partition(":")
        options = parse_qsl(parts.query, keep_blank_values=True)
        hidden = [v for k, v in options if _is_secret(k)]
        words = {w for v in [password, *hidden] for w in (v, unquote(v)) if w}
        kept = urlencode([(k, v) for k, v in options if not _is_secret(k)], safe="/,=:-")
        shown = f"{user}@{netloc}" if user else netloc
        return cls(
            address.partition("#")[0],
            f"postgresql://{shown}{parts.path}{'?' if kept else ''}{kept}",
            host,
            parts.fragment,
            tuple(sorted(words, key=len, reverse=True)),
        )

    def hide(self, text: str) -> str:
        """A message on one line, with its secrets left out."""
        text = " ".join(text.split())
        for word in self.secrets:
            text = text.replace(word, "...")
        return text


def _is_secret(option: str) -> bool:
    return any(part in option.lower() for part in ("pass", "secret", "key"))
