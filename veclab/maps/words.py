"""Which words the texts of a group have that others have not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        ends: int64 (n,), where the words of each text end among all.
        numbers: int32, the words of all texts, one text after the other.
    """

    words: list[str]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int32]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Texts that have each word, int64 (words,)."""
        return np.bincount(self.numbers, minlength=len(self.words))


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """How many texts of each group have each word; words that none has are left out.

    Attributes:
        ends: int64 (groups + 1,), where the words of each group end, from 0 on.
        numbers: int64, the words of all groups, one group after the other, ascending.
        counts: int64, texts of the group that have each.
    """

    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]

    def of(self, group: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of a group and how many of its texts have each."""
        part = slice(self.ends[group], self.ends[group + 1])
        return self.numbers[part], self.counts[part]

    def of_words(self, group: int, words: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many texts of a group have each of some words, 0 where none has."""
        own, counts = self.of(group)
        if not len(own):
            return np.zeros(len(words), np.int64)
        at = np.searchsorted(own, words).clip(max=len(own) - 1)
        return np.where(own[at] == words, counts[at], 0)


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
    number: dict[str, int] = {}
    found: list[int] = []
    ends: list[int] = []
    for text in texts:
        for word in sorted(split_words(text or "")):
            found.append(number.setdefault(word, len(number)))
        ends.append(len(found))
    numbers = np.array(found, dtype=np.int32)
    often = np.bincount(numbers, minlength=len(number)) >= min(_RAREST, max(1, len(texts) // 2))
    kept = often[numbers]
    new = np.cumsum(often, dtype=np.int32) - 1
    words = [word for word, keep in zip(number, often, strict=True) if keep]
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return WordTable(words, before[np.array(ends, dtype=np.int64)], new[numbers[kept]])


def count_by_group(found: WordTable, group: NDArray[np.int32], groups: int) -> GroupCounts:
    """Texts of each group that have each word; group -1 is none."""
    of_word = np.repeat(group.astype(np.int64), np.diff(found.ends, prepend=0))
    grouped = of_word >= 0
    many = max(len(found.words), 1)
    pairs, counts = np.unique(of_word[grouped] * many + found.numbers[grouped], return_counts=True)
    ends = np.searchsorted(pairs, np.arange(groups + 1) * many)
    return GroupCounts(ends, pairs % many, counts)


def distinctive(
    words: Sequence[str],
    count: NDArray[np.int64],
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
        count: int64 (words,), how many texts of the group have each.
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
