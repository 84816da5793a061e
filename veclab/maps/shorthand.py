"""Frequent words as two or three bytes, before gzip: a tenth off the size of a page's texts.

Gzip looks back 32,000 bytes, a hundred texts of a page; a table of words serves all of them. The
codes begin with bytes that UTF-8 never has, so every other byte stands for itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

# 0xFE and 0xFF, which UTF-8 has not either, end strings: no code contains them.
_LEADS = (0xC0, 0xC1, *range(0xF5, 0xFD))
_LONG = 0xFD  # begins a code of three bytes
_VALUES = 0xFE
_SHORT_CODES = len(_LEADS) * _VALUES
# More would cost more in the table than they save in 64,000 texts.
_MOST = 8000
_RAREST = 4
_READ = 2_000_000  # characters of each field that words are counted in
_WORD = re.compile(rb"[A-Za-z]{3,}")


@dataclass(frozen=True)
class Shorthand:
    """A table of words, and how to write with it.

    Attributes:
        words: ASCII letters, the most useful first.
    """

    words: Sequence[bytes]
    _codes: dict[bytes, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        codes = {word: _code(number) for number, word in enumerate(self.words)}
        object.__setattr__(self, "_codes", codes)

    def write(self, text: bytes) -> bytes:
        """UTF-8 with the codes of words in place of them."""
        codes = self._codes
        return _WORD.sub(lambda found: codes.get(found[0], found[0]), text) if codes else text

    def table(self) -> bytes:
        """The words in the order of their codes, each on a line."""
        return b"\n".join(self.words)


def learn(fields: Iterable[Sequence[str | None]]) -> Shorthand:
    """The words that save most in these strings, counted in texts spread evenly over them."""
    counts: Counter[bytes] = Counter()
    for strings in fields:
        length = sum(len(text or "") for text in strings)
        for text in strings[:: 1 + length // _READ]:
            counts.update(_WORD.findall((text or "").encode("utf-8", "replace")))
    saved = {word: n * (len(word) - 1.5) for word, n in counts.items() if n >= _RAREST}
    return Shorthand(sorted(saved, key=lambda word: (-saved[word], word))[:_MOST])


def _code(number: int) -> bytes:
    if number < _SHORT_CODES:
        return bytes([_LEADS[number // _VALUES], number % _VALUES])
    return bytes([_LONG, *divmod(number - _SHORT_CODES, _VALUES)])
