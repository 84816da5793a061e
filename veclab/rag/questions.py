"""Questions with what answers them: from the user's file, or made of the documents themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError
from veclab.jsontext import parse_json
from veclab.rag.words import find_words, read_words

if TYPE_CHECKING:
    from veclab.store.passage import Passage


@dataclass(frozen=True, slots=True)
class Expected:
    """What answers a question: words of a document, or any passage of it where `text` is None."""

    document: str
    text: str | None = None

    def is_in(self, passage: Passage) -> bool:
        """Whether a passage holds it."""
        if passage.document != self.document:
            return False
        wanted = self.text
        return (
            wanted is None or find_words(read_words(wanted), read_words(passage.text)) is not None
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what answers it; nothing where the documents do not answer."""

    id: str
    text: str
    answers: tuple[Expected, ...]

    def is_answered_by(self, passage: Passage) -> bool:
        """Whether a passage holds one of its answers."""
        return any(answer.is_in(passage) for answer in self.answers)

    def rank(self, passages: Sequence[Passage], answer: Expected) -> int | None:
        """Place of the first passage that holds an answer, from 1; None where none does."""
        return next((i for i, passage in enumerate(passages, 1) if answer.is_in(passage)), None)


def read_questions(path: str | Path) -> list[Question]:
    """Read a JSON Lines file of questions.

    Each line: `{"question": "...", "answers": [{"document": "a.html", "text": "its words"}]}`.
    `text` may be missing, an answer may be a document's name alone, and an empty list says that
    the documents do not answer. `id` is optional; other keys are left alone.

    Raises:
        InputError: the file cannot be read, or a line is not of this form.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the questions {file} cannot be read: {error}") from None
    found = [
        _question(line, f"{file}, line {number}", number)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise InputError(f"there are no questions in {file}")
    return found


def _question(line: str, where: str, number: int) -> Question:
    try:
        value = parse_json(line)
    except ValueError as error:
        raise InputError(f"{where}: no JSON: {error}") from None
    text = value.get("question") if isinstance(value, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{where}: there is no "question"')
    answers = value.get("answers")
    if not isinstance(answers, list):
        raise InputError(
            f'{where}: "answers" must be a list, empty where the documents do not answer'
        )
    return Question(
        str(value.get("id", number)), text, tuple(_expected(answer, where) for answer in answers)
    )


def _expected(answer: Any, where: str) -> Expected:
    if isinstance(answer, str):
        return Expected(answer)
    document = answer.get("document") if isinstance(answer, Mapping) else None
    text = answer.get("text") if isinstance(answer, Mapping) else None
    if not isinstance(document, str) or not (text is None or isinstance(text, str)):
        raise InputError(
            f'{where}: an answer must look like {{"document": "a.html", "text": "its words"}}'
        )
    return Expected(document, text)
