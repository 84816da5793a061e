"""Tokens of texts, and those among them that the model does not know, in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veclab.pipeline.long_texts import LONG_CHARS, count_all

# Texts to (tokens, tokens of those that are read and unknown).
Tokenize = Callable[[list[str]], list[tuple[int, int]]]


def count_both(texts: Sequence[str], tokenize: Tokenize) -> tuple[list[int], list[int]]:
    """Count the tokens of each text, and how many that the model reads it does not know.

    A very long text is counted in pieces; the model reads no more than its beginning.
    """
    unknown: list[int] = []

    def count(some: list[str]) -> list[int]:
        pairs = tokenize(some)
        unknown.extend(pair[1] for pair in pairs)
        return [pair[0] for pair in pairs]

    tokens = count_all(texts, count)
    if any(len(text) > LONG_CHARS for text in texts):
        unknown = [pair[1] for text in texts for pair in tokenize([text[:LONG_CHARS]])]
    return tokens, unknown
