"""A set of analogies as an evaluation: accuracy by category."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.analogies.analogy import Method, Vocabulary, candidates_for, check_method, score_all
from veclab.errors import InputError
from veclab.models.words.model import unknown_words

_SCORES = 16_000_000  # held at once: 64 MB


@dataclass(frozen=True, slots=True)
class Category:
    """How many of a category's questions were answered rightly.

    Attributes:
        name: of the category.
        correct: of those asked.
        asked: questions all of whose words are in the vocabulary.
        skipped: the others.
    """

    name: str
    correct: int
    asked: int
    skipped: int

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among those asked, None where none was."""
        return self.correct / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy on a set of analogies.

    Attributes:
        method: `add` or `mul`.
        vocabulary: how many words could be an answer.
        categories: in the order of the file.
        missing: words of the questions that are not in the vocabulary, most wanted first.
    """

    method: Method
    vocabulary: int
    categories: tuple[Category, ...]
    missing: tuple[str, ...] = field(repr=False)

    def total(self, name: str = "all", grammar: bool | None = None) -> Category:
        """Sum the categories; `grammar` keeps those whose name begins with `gram`, or not."""
        chosen = [
            c for c in self.categories if grammar in (None, c.name.lower().startswith("gram"))
        ]
        sums = [sum(getattr(c, f) for c in chosen) for f in ("correct", "asked", "skipped")]
        return Category(name, *sums)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        rows = [*self.categories, *self.totals()]
        return {
            "method": self.method,
            "vocabulary": self.vocabulary,
            "categories": [
                {
                    "name": row.name,
                    "correct": row.correct,
                    "asked": row.asked,
                    "skipped": row.skipped,
                    "accuracy": row.accuracy,
                }
                for row in rows
            ],
            "missing_words": list(self.missing),
        }

    def totals(self) -> list[Category]:
        """Return the sums: semantic, syntactic (where the file has both kinds) and all."""
        kinds = [self.total("semantic", grammar=False), self.total("syntactic", grammar=True)]
        return [*(kinds if all(k.asked for k in kinds) else []), self.total()]


Question = tuple[str, str, str, str]


def read_questions(path: str | Path) -> dict[str, list[Question]]:
    """Read questions by category, from a file in the layout of word2vec's `questions-words.txt`.

    A line `: name` begins a category; every other line holds four words, "a b c d" for "a is to b
    as c is to d".

    Raises:
        InputError: a line is something else, or the file holds no questions.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the analogies {path} cannot be read: {error}") from None
    found: dict[str, list[Question]] = {}
    category = "questions"
    for number, line in enumerate(lines, start=1):
        if line.startswith(":"):
            category = line[1:].strip()
            continue
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 4:
            raise InputError(
                f"{path}, line {number}: four words were expected, not {len(words)}: {line[:60]!r}"
            )
        found.setdefault(category, []).append((words[0], words[1], words[2], words[3]))
    if not found:
        raise InputError(f"{path} holds no analogies: four words a line are expected")
    return found


def evaluate(
    vocabulary: Vocabulary,
    questions: dict[str, list[Question]],
    *,
    method: Method = "add",
    restrict: int | None = 300_000,
    on_done: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measure accuracy by category. A question is right when its fourth word comes out first.

    As word2vec's `compute-accuracy` and gensim's `evaluate_word_analogies` do it: letter case is
    ignored (of two spellings the first in the vocabulary stands for both), questions with a word
    that is missing are skipped and counted, and the words of the question are no answers.

    Args:
        vocabulary: of `vocabulary_of`.
        questions: of `read_questions`.
        method: `add` or `mul`.
        restrict: use only the first so many words, the most frequent ones; None for all.
        on_done: called with the number of questions answered since the last call.

    Raises:
        InputError: the method is unknown, or no question has all its words in the vocabulary.
    """
    check_method(method)
    unit = vocabulary.words.array[:restrict]
    # Spellings of one word: the row of the first of them stands for all.
    first: dict[str, int] = {}
    spelling = np.array(
        [
            first.setdefault(word.upper(), row)
            for row, word in enumerate(vocabulary.words.words[:restrict])
        ]
    )
    categories = []
    missing: dict[str, int] = {}
    for name, asked in questions.items():
        rows = [[first.get(word.upper()) for word in question] for question in asked]
        for question, places in zip(asked, rows, strict=True):
            for word in {w for w, place in zip(question, places, strict=True) if place is None}:
                missing[word] = missing.get(word, 0) + 1
        known = np.array([r for r in rows if None not in r], dtype=np.intp).reshape(-1, 4)
        correct = _count_correct(unit, spelling, known, method, on_done)
        categories.append(Category(name, correct, len(known), len(asked) - len(known)))
        if on_done is not None:
            on_done(len(asked) - len(known))
    wanted = sorted(missing, key=lambda word: -missing[word])
    if not any(c.asked for c in categories):
        raise unknown_words(vocabulary.words.name, vocabulary.words.words, wanted)
    return Evaluation(method, len(unit), tuple(categories), tuple(wanted))


def _count_correct(
    unit: NDArray[np.float32],
    spelling: NDArray[np.intp],
    questions: NDArray[np.intp],
    method: Method,
    on_done: Callable[[int], None] | None,
) -> int:
    """Count the questions, rows (a, b, c, d), that have d as the best answer to b - a + c."""
    step = max(1, _SCORES // len(unit))
    # Other spellings of a word, where there are any, are no answers either.
    others: dict[int, list[int]] = {}
    for row in np.flatnonzero(spelling != np.arange(len(spelling))):
        others.setdefault(int(spelling[row]), []).append(int(row))
    candidates = candidates_for(unit, method)
    correct = 0
    for start in range(0, len(questions), step):
        part = questions[start : start + step]
        a, b, c, expected = part.T
        scores = score_all(candidates, [unit[b], unit[c]], [unit[a]], method)
        for column in (a, b, c):
            scores[np.arange(len(part)), column] = -np.inf
            for line, row in enumerate(column):
                scores[line, others.get(int(row), [])] = -np.inf
        correct += int((spelling[scores.argmax(axis=1)] == expected).sum())
        if on_done is not None:
            on_done(len(part))
    return correct
