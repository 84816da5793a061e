"""Which words the texts of a group have that others have not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Words of letters, joined by a hyphen or an apostrophe; what has digits alone says nothing.
_WORD = re.compile(r"[^\W\d_](?:[\w'’-]*[^\W_])?")
# Scripts that are written without spaces are read two characters at a time.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]{2,}")
_READ = 2_000  # characters of a text that are looked at
_RAREST = 3  # texts that must have a word


@dataclass(frozen=True, slots=True)
class WordTable:
    """Which of n texts have which words.

    Attributes:
        words: the vocabulary.
        table: bool sparse (texts, words).
    """

    words: list[str]
    table: csr_array

    @property
    def counts(self) -> NDArray[np.float64]:
        """Texts that have each word, float64 (words,)."""
        return np.asarray(self.table.sum(axis=0), dtype=np.float64).reshape(-1)


def split_words(text: str) -> set[str]:
    """The different words of a text, in lower case."""
    found: set[str] = set()
    for word in _WORD.findall(text[:_READ].lower()):
        if run := _UNSPACED.search(word):
            part = run.group()
            found.update(part[i : i + 2] for i in range(len(part) - 1))
        elif 3 <= len(word) <= 30 or (len(word) == 2 and not word.isascii()):
            found.add(word)
    return found


def count_words(texts: Sequence[str | None]) -> WordTable:
    """The words of texts; those that hardly any text has are left out."""
    from scipy.sparse import csr_array

    number: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for text in texts:
        for word in sorted(split_words(text or "")):
            columns.append(number.setdefault(word, len(number)))
        ends.append(len(columns))
    table: Any = csr_array(
        (np.ones(len(columns), dtype=np.float32), np.array(columns, dtype=np.int32), ends),
        shape=(len(texts), len(number)),
    )
    often = np.bincount(columns, minlength=len(number)) >= min(_RAREST, max(1, len(texts) // 2))
    words = [word for word, keep in zip(number, often, strict=True) if keep]
    return WordTable(words, table[:, np.flatnonzero(often)].tocsr())


def count_by_group(found: WordTable, group: NDArray[np.int32], groups: int) -> csr_array:
    """Texts of each group that have each word: sparse (groups, words); group -1 is none."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(group >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    members: Any = csr_array((ones, (group[rows], rows)), shape=(groups, len(group)))
    counted: csr_array = (members @ found.table).tocsr()
    return counted


def distinctive(
    words: Sequence[str],
    count: NDArray[np.float64],
    size: int,
    expected: NDArray[np.float64],
    most: int = 3,
) -> list[str]:
    """Up to `most` of a group's words, the most telling first.

    A word tells of a group its share of the group's texts times the square of the logarithm of how
    much larger that is than expected. The logarithm itself would give the Kullback-Leibler
    divergence, in which "for" and "with", a little more frequent where texts are longer, lead.

    Args:
        words: that any text of the group has.
        count: float64 (words,), how many texts of the group have each.
        size: texts of the group.
        expected: float64 (words,), share of texts elsewhere that have each.
        most: words to return.
    """
    share = count / (size + 1)
    score = np.where(count > 1, share * np.log(np.maximum(share / expected, 1)) ** 2, 0)
    order = sorted(np.flatnonzero(score > 0), key=lambda i: (-score[i], words[int(i)]))
    return _different([words[int(i)] for i in order], most)


def _different(words: list[str], most: int) -> list[str]:
    """The first `most` words that are not forms of one before (game, games)."""
    chosen: list[str] = []
    for word in words:
        if len(chosen) < most and not any(_related(word, other) for other in chosen):
            chosen.append(word)
    return chosen


def _related(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    return len(short) > 3 and short[: max(4, len(short) - 2)] in long
