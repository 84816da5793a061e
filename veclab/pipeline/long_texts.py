"""Texts so long that tokenizing them whole would cost gigabytes and minutes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from veclab.provider import EmbeddingProvider, TokenizedText
from veclab.space import Role

# Characters above which a text is tokenized in segments: a tokenizer keeps some hundred bytes for
# each token at once, so ten megabytes of text would take it more than a gigabyte.
LONG_CHARS = 200_000

# Characters tokenized in one call: what a tokenizer keeps of them meanwhile is about 25 MB.
_CALL_CHARS = 250_000

_SPACE = re.compile(r"\s")


def tokenize(
    provider: EmbeddingProvider, texts: Sequence[str], role: Role | None, limit: int | None
) -> list[TokenizedText]:
    """Tokenize each text, as `provider.tokenize` does, in memory that stays small.

    Of a very long text over the limit only the beginning is kept, with the tokens of the whole.
    """

    def count(parts: list[str]) -> list[int]:
        return [one.tokens for one in provider.tokenize(parts, role)]

    tokenized: list[TokenizedText] = []
    for group in _groups(texts):
        if len(group) > 1 or len(group[0]) <= LONG_CHARS or limit is None:
            tokenized += provider.tokenize(group, role)
            continue
        tokens = count_long(group[0], count)
        text = beginning(group[0], limit, count) if tokens > limit else group[0]
        read = provider.tokenize([text], role)[0]
        tokenized.append(read._replace(tokens=tokens if read.tokens else 0))
    return tokenized


def count_all(texts: Sequence[str], count: Callable[[list[str]], list[int]]) -> list[int]:
    """Count the tokens of each text, in memory that stays small however long one is."""
    counts: list[int] = []
    for group in _groups(texts):
        long = len(group) == 1 and len(group[0]) > LONG_CHARS
        counts += [count_long(group[0], count)] if long else count(group)
    return counts


def _groups(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in order, in groups of limited size; a long one is a group of its own."""
    if 0 < sum(map(len, texts)) <= min(_CALL_CHARS, LONG_CHARS):  # the usual case
        yield list(texts)
        return
    group: list[str] = []
    size = 0
    for text in texts:
        if group and (len(text) > LONG_CHARS or size + len(text) > _CALL_CHARS):
            yield group
            group, size = [], 0
        group.append(text)
        # Nothing joins a long text.
        size += _CALL_CHARS if len(text) > LONG_CHARS else len(text)
    if group:
        yield group


def segments(text: str, size: int = LONG_CHARS) -> list[str]:
    """Return consecutive parts of `size` to twice that many characters, cut before white space.

    A word as long as that is cut inside. A tokenizer that splits at white space, as nearly all do,
    finds the same tokens in the parts as in the whole.
    """
    cuts = [0]
    while len(text) - cuts[-1] > 2 * size:
        goal = cuts[-1] + size
        space = _SPACE.search(text, goal, goal + size)
        cuts.append(space.start() if space else goal)
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def count_long(text: str, count: Callable[[list[str]], list[int]]) -> int:
    """Count a long text's tokens, special tokens and prompt included once; see `segments`."""
    frame = count([""])[0]
    # One segment at a time: memory is what this is for.
    return frame + sum(count([part])[0] - frame for part in segments(text))


def beginning(text: str, limit: int, count: Callable[[list[str]], list[int]]) -> str:
    """Return a first part of a text that is over the limit too, but not by much.

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
