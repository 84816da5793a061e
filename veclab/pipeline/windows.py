"""Cutting a text that is over the limit into windows that are not."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.unit_length import normalize

_WORD = re.compile(r"\s*\S+\s*")


def split_text(
    text: str, tokens: int, limit: int, count: Callable[[list[str]], list[int]]
) -> list[str]:
    """Split a text into consecutive windows, cut between words, each within the limit.

    Joined they give the text again. A word that is over the limit alone is cut between
    characters.

    Args:
        text: over the limit.
        tokens: of the text, for a first guess.
        limit: tokens a window may have, special tokens and prompt included.
        count: tokens of each of several texts.

    Raises:
        InputError: the limit leaves no room for a single character.
    """
    cuts = [match.end() for match in _WORD.finditer(text)]
    if not cuts or cuts[-1] != len(text):
        cuts.append(len(text))

    def fits(start: int, end: int) -> bool:
        return count([text[start:end]])[0] <= limit

    windows = []
    start = 0
    # A first guess from this text's own density; each window then corrects the next guess.
    per_window = max(1, len(text) * limit // max(1, tokens))
    while start < len(text):
        end = _window_end(start, start + per_window, cuts, fits)
        windows.append(text[start:end])
        per_window = max(1, end - start)
        start = end
    return windows


def _window_end(start: int, guess: int, cuts: list[int], fits: Callable[[int, int], bool]) -> int:
    """Return the last cut up to which a window from `start` fits, found by bisection."""
    low = bisect_right(cuts, start)  # the first cut after start
    if not fits(start, cuts[low]):
        return _inside_word(start, cuts[low], fits)
    high = bisect_right(cuts, guess, lo=low)
    while high < len(cuts) and fits(start, cuts[high]):  # the guess was too small
        guess = start + 2 * (guess - start)
        low, high = high, bisect_right(cuts, guess, lo=high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(start, cuts[middle]) else (low, middle)
    return cuts[low]


def _inside_word(start: int, end: int, fits: Callable[[int, int], bool]) -> int:
    low, high = start, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(start, middle) else (low, middle)
    if low == start:
        raise InputError("the token limit leaves no room for a single character of text")
    return low


def pool(vectors: NDArray[np.float32], tokens: Sequence[int]) -> NDArray[np.float32]:
    """Pool the vectors of a text's windows to one of unit length.

    The mean of the windows' unit vectors, weighted by their tokens: each token has the same say.

    Args:
        vectors: float32 (windows, dim), none of them zero.
        tokens: of each window.

    Returns:
        float32 (dim,).
    """
    weighted = np.asarray(tokens, np.float32)[:, None] * normalize(vectors)
    pooled: NDArray[np.float32] = normalize(weighted.sum(axis=0, keepdims=True))[0]
    return pooled
