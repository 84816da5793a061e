"""Follow-up questions, made to stand alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from veclab.rag.chat import BrokenOff, Chat
from veclab.rag.keywords import content_words
from veclab.rag.prompt import rewrite_prompt

Turn = tuple[str, str]

_POINTING = re.compile(
    r"\b(?:it|its|it's|they|them|their|theirs|this|that|these|those|he|she|him|her|his|there|one|"
    r"ones|both|same|former|latter|es|sie|ihn|ihm|ihr|dies\w*|das|dort)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^\W*(?:and|or|but|so|then|also|what about|how about|why|why not|und|aber|warum)\b", re.I
)
_LONGEST = 500


def standing_alone(
    question: str, earlier: Sequence[Turn], chat: Chat | None
) -> tuple[str, str | None]:
    """A question that needs no conversation, and a note on how it was made.

    A language model rewrites it. Without one, or where that fails, a question that points back
    ("and how much does it cost?") is searched together with the one before it.

    Args:
        question: the last one.
        earlier: questions and answers before it, the questions as they were searched.
        chat: the language model, if there is one.
    """
    if not earlier:
        return question, None
    if chat is not None:
        try:
            written = "".join(chat.stream(rewrite_prompt(question, earlier)))
        except BrokenOff:
            written = ""
        line = re.sub(r"^\s*(?:question|rewritten)\s*:\s*", "", written.strip(), flags=re.I)
        line = line.strip(" \"“”'\n")
        if line and "\n" not in line and len(line) <= _LONGEST:
            return line, None if line == question else f"searched as: {line}"
    if not points_back(question):
        return question, None
    joined = f"{earlier[-1][0]} {question}"
    return joined, f"searched as: {joined}"


def points_back(question: str) -> bool:
    """Whether a question seems to need the one before it."""
    return bool(
        _POINTING.search(question) or _OPENING.match(question) or len(content_words(question)) < 2
    )
