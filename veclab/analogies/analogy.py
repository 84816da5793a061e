"""Analogies: king - man + woman = queen, by vectors.

Two ways to score a candidate x for "a is to b as c is to x" (b - a + c):

- `add`, 3CosAdd: the cosine of x with b - a + c (Mikolov, Yih, Zweig 2013, "Linguistic
  Regularities in Continuous Space Word Representations").
- `mul`, 3CosMul: s(x, b) s(x, c) / (s(x, a) + 0.001) with s = (1 + cosine) / 2, so that no single
  large term decides (Levy, Goldberg 2014, "Linguistic Regularities in Sparse and Explicit Word
  Representations").

Words are at unit length, and the words of the question are never the answer, as in both papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.model import Model
from veclab.models.words.model import WordModel, WordVectors, unknown_words
from veclab.similarities.embed_all import embed_all
from veclab.space import Space
from veclab.unit_length import normalize

Method = Literal["add", "mul"]

_EPSILON = 0.001  # Levy and Goldberg's, against division by zero


@dataclass(frozen=True)
class Vocabulary:
    """The words that may be an answer.

    Attributes:
        words: the words and their vectors at unit length.
        space: where the vectors come from.
    """

    words: WordVectors
    space: Space

    def __len__(self) -> int:
        return len(self.words.words)

    def find(self, wanted: Sequence[str]) -> list[int]:
        """Return the row of each word; raises InputError for those missing, with near spellings."""
        rows = [self.words.row(word) for word in wanted]
        if missing := [w for w, row in zip(wanted, rows, strict=True) if row is None]:
            raise unknown_words(self.words.name, self.words.words, list(dict.fromkeys(missing)))
        return [row for row in rows if row is not None]


def vocabulary_of(
    model: Model,
    words: Iterable[str] | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Vocabulary:
    """Return the vocabulary of a model.

    Args:
        model: word vectors, which have a vocabulary of their own, or any other model.
        words: the words that may be an answer; needed where the model has none of its own.
        on_done: called with the number of words embedded since the last call.

    Raises:
        InputError: no words are given and the model has none, or two are too few.
    """
    if words is None:
        if not isinstance(model.provider, WordModel):
            raise InputError(
                f"{model.space.model} reads any text and so has no vocabulary to choose an answer "
                "from; give one: words=[...] (--vocabulary FILE, one word per line)"
            )
        own = model.provider.vectors
        unit = WordVectors(own.name, own.words, normalize(own.array), own.notes)
        return Vocabulary(unit, model.space)
    distinct = list(dict.fromkeys(word for w in words if (word := w.strip())))
    if len(distinct) < 2:
        raise InputError(f"a vocabulary needs at least two words, not {len(distinct)}")
    vectors = embed_all(model, distinct, distinct, on_done)
    array = vectors.array if model.space.normalized else normalize(vectors.array)
    name = f"the words given for {model.space.model}"
    return Vocabulary(WordVectors(name, distinct, array), model.space)


@dataclass(frozen=True, slots=True)
class Answers:
    """The best answers to one analogy, best first.

    Attributes:
        positive, negative: the words of the question, as they stand in the vocabulary.
        method: how candidates were scored.
        words: the answers.
        scores: float32 (k,): cosines for `add`; for `mul` ratios, comparable with each other only.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    method: Method
    words: tuple[str, ...]
    scores: NDArray[np.float32]


def parse_analogy(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words to add and to subtract in `king - man + woman`; a term may be several words.

    Raises:
        InputError: a sign without a word, or nothing to add.
    """
    positive: list[str] = []
    negative: list[str] = []
    side, term = positive, list[str]()
    for token in [*" ".join(words).split(), "+"]:
        if token not in ("+", "-", "−", "–"):
            term.append(token)
            continue
        if term:
            side.append(" ".join(term))
        elif positive or negative:
            raise InputError("a sign without a word behind it; write it as: king - man + woman")
        side, term = (positive if token == "+" else negative), []
    if not positive:
        raise InputError("an analogy adds at least one word; write it as: king - man + woman")
    return positive, negative


def solve(
    vocabulary: Vocabulary,
    positive: Sequence[str],
    negative: Sequence[str] = (),
    *,
    k: int = 10,
    method: Method = "add",
) -> Answers:
    """Return the k words nearest to the sum of `positive` less the sum of `negative`.

    Args:
        vocabulary: of `vocabulary_of`.
        positive: words to add, for instance ["king", "woman"].
        negative: words to subtract, for instance ["man"].
        k: how many; fewer come back where the vocabulary is smaller.
        method: `add` or `mul`.

    Raises:
        InputError: a word is not in the vocabulary (says which, and near spellings), k is less
            than 1, the method is unknown, or nothing is added.
    """
    check_method(method)
    if k < 1:
        raise InputError(f"k must be 1 or more, not {k}")
    if not positive:
        raise InputError("an analogy adds at least one word")
    rows = vocabulary.find([*positive, *negative])
    plus, minus = rows[: len(positive)], rows[len(positive) :]
    unit = vocabulary.words.array
    scores = score_all(
        candidates_for(unit, method), [unit[[i]] for i in plus], [unit[[i]] for i in minus], method
    )[0]
    scores[rows] = -np.inf
    k = min(k, len(unit) - len(set(rows)))
    # Sorting by row first keeps equal scores in the order of the vocabulary.
    best = np.argsort(-scores, kind="stable")[:k]
    name = vocabulary.words.words
    return Answers(
        tuple(name[i] for i in plus),
        tuple(name[i] for i in minus),
        method,
        tuple(name[int(i)] for i in best),
        scores[best],
    )


def check_method(method: str) -> None:
    """Raise InputError unless the method is known."""
    if method not in get_args(Method):
        raise InputError(f"unknown method {method!r}; known are {', '.join(get_args(Method))}")


Matrix = NDArray[np.float32]


def candidates_for(unit: Matrix, method: Method) -> Matrix:
    """Return the words at unit length for `score_all`; for `mul` with a column of ones."""
    if method == "add":
        return unit
    return np.hstack([unit, np.ones((len(unit), 1), dtype=np.float32)])


def score_all(
    candidates: Matrix, positive: Sequence[Matrix], negative: Sequence[Matrix], method: Method
) -> Matrix:
    """Return the scores of all n candidates for m questions: float32 (m, n).

    Args:
        candidates: of `candidates_for`.
        positive, negative: for each term its vectors at unit length, (m, dim).
        method: `add` or `mul`.
    """
    if method == "add":
        target = np.sum(positive, axis=0) - np.sum(negative, axis=0, initial=0.0)
        # A question whose terms cancel out has no direction; all its scores are then 0.
        length = np.linalg.norm(target, axis=1, keepdims=True)
        target = (target / np.where(length > 0, length, 1)).astype(np.float32)
        return np.asarray(target @ candidates.T)

    def shifted(term: Matrix, plus: float) -> Matrix:
        """Return (1 + cosine) / 2 + plus; the column of ones makes it one product."""
        constant = np.full((len(term), 1), 0.5 + plus, dtype=np.float32)
        return np.asarray(np.hstack([term / 2, constant]) @ candidates.T)

    scores = shifted(positive[0], 0)
    for term in positive[1:]:
        scores *= shifted(term, 0)
    for term in negative:
        scores /= shifted(term, _EPSILON)
    return scores
