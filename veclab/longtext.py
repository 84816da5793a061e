"""Texts so long that tokenising them whole would cost gigabytes and minutes."""

from __future__ import annotations

import re
from collections.abc import Callable

# Characters above which a text is tokenised in segments: a tokenizer keeps some hundred bytes for
# each token at once, so ten megabytes of text would take it more than a gigabyte.
LONG_CHARS = 200_000

_SPACE = re.compile(r"\s")


def segments(text: str, size: int = LONG_CHARS) -> list[str]:
    """Consecutive parts of `size` to twice that many characters, cut before white space where there is any.

    A tokenizer that splits at white space, as nearly all do, finds the same tokens in the parts
    as in the whole.
    """
    cuts = [0]
    while len(text) - cuts[-1] > 2 * size:
        goal = cuts[-1] + size
        space = _SPACE.search(text, goal, goal + size)
        cuts.append(space.start() if space else goal)
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def count_long(text: str, count: Callable[[list[str]], list[int]]) -> int:
    """Tokens of a long text, special tokens and prompt included once; see `segments`."""
    frame = count([""])[0]
    # One segment at a time: memory is what this is for.
    return frame + sum(count([part])[0] - frame for part in segments(text))


def beginning(text: str, limit: int, count: Callable[[list[str]], list[int]]) -> str:
    """A first part of a text that is over the limit too, but not by much.

    A model that reads the first `limit` tokens reads the same of both.
    """
    size = 16 * limit
    while size < len(text):
        space = _SPACE.search(text, size)
        part = text[: space.start() if space else len(text)]
        # One token to spare: the last word may be cut otherwise than in the whole.
        if count([part])[0] > limit + 1:
            return part
        size *= 2
    return text
