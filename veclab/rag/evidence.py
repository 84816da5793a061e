"""How strongly what was found bears on a question: one number, and what it is made of.

That something is near says little, once it is near enough: a question that the documents do not
answer is near what they say of the same things. Three signs tell more. The nearest passage stands
out from the others. Every word of the question brings it nearer to the documents: "How do I move
from Docker to Podman?" comes nearer to Docker's manual without "Podman", so that word is foreign
there. And the names in the question stand in what was found.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from veclab.rag.keywords import content_words, names, stem, without
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from veclab.store.store import Store
    from veclab.store.where import Where

# The passages that the nearest one has to stand out from, by rank; the later half in a small store.
_OTHERS = (10, 60)
# Log-odds of an answer being there, by logistic regression on questions of people, none of them
# among those that figures are reported on: `python -m benchmarks.evidence`.
_STANDS_OUT, _FOREIGN, _NAME_MISSING, _FAR, _NOTHING = 13.0, -34.0, -2.3, -32.0, -0.6
# From this cosine on, nearer is no more likely to be an answer.
_NEAR_ENOUGH = 0.4
# Words that are left out of a question in turn, the rarest ones of a pasted page.
_TRIED = 16


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being there.

    Attributes:
        score: all of it as one number from 0 to 1; higher is stronger.
        passage: the highest cosine of a passage with the question.
        sentence: the highest cosine of a sentence in the best passages.
        margin: by how much the nearest passage is nearer than those after the tenth.
        foreign: by how much the documents come nearer to the question without one of its words,
            rare words counting in full; under 0 where every word brings it nearer to them.
        foreign_word: that word; empty for a question of a single one.
        missing: words of the question that no passage of the store has.
        names: names and numbers of the question that none of the best passages has: what is said
            of something else is no answer.
    """

    score: float
    passage: float = 0.0
    sentence: float = 0.0
    margin: float = 0.0
    foreign: float = 0.0
    foreign_word: str = ""
    missing: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"missing": list(self.missing), "names": list(self.names)}


def word_weights(store: Store, question: str) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """The question's words with what each counts, and those that the store does not have.

    A word counts by how much its best passage would score for it alone in BM25: more, the rarer it
    is. One that is nowhere counts as much as the rarest.
    """
    words = content_words(question)
    found = {word: store.table.keyword(word, 1).scores for word in words}
    scores = {word: float(best[0]) for word, best in found.items() if len(best)}
    rarest = max([*scores.values(), math.log(1 + store.table.count())])
    missing = tuple(word for word in words if word not in scores)
    return [(word, scores.get(word, rarest)) for word in words], missing


def weigh(
    store: Store,
    question: str,
    vector: NDArray[float32],
    weights: Sequence[tuple[str, float]],
    sentences: NDArray[float32],
    present: Sequence[Collection[str]],
    where: Where | None,
) -> Evidence:
    """The evidence in what was found.

    Args:
        store: that was searched.
        question: in words.
        vector: the question's, float32 (dim,).
        weights: of its words; see `word_weights`.
        sentences: vectors of the best passages' sentences, float32 (n, dim) of unit length.
        present: the stems of each of these passages.
        where: the search's filter.
    """
    near = _cosines(store, vector, _OTHERS[1], where)
    others = near[min(_OTHERS[0], len(near) // 2) :]
    passage, sentence = float(near[0]), _highest(sentences, vector)
    margin = passage - float(others.mean())
    foreign, word = -math.inf, ""
    heaviest = max((weight for _, weight in weights), default=1.0)
    if len(weights) > 1:
        tried = sorted(weights, key=lambda pair: -pair[1])[:_TRIED]
        shorter = store.embed_queries([without(question, each) for each, _ in tried])
        for (each, weight), other in zip(tried, shorter, strict=True):
            nearer = _cosines(store, other, 1, where)[0] - passage
            nearer = weight / heaviest * (nearer + _highest(sentences, other) - sentence) / 2
            if nearer > foreign:
                foreign, word = float(nearer), each
    foreign = foreign if word else 0.0
    absent = [name for name in names(question) if not any(stem(name) in each for each in present)]
    return Evidence(
        combine(max(passage, sentence), margin, foreign, len(absent)),
        passage,
        sentence,
        margin,
        foreign,
        word,
        names=tuple(absent),
    )


def combine(nearest: float, margin: float, foreign: float, names_missing: int) -> float:
    """One number from 0 to 1 out of the signs; `nearest` is the highest cosine of all."""
    odds = (
        _NOTHING
        + _STANDS_OUT * margin
        + _FOREIGN * foreign
        + _NAME_MISSING * names_missing
        + _FAR * max(0.0, _NEAR_ENOUGH - nearest)
    )
    return (1 + math.tanh(odds / 2)) / 2  # the logistic function


def _cosines(
    store: Store, vector: NDArray[float32], count: int, where: Where | None
) -> NDArray[float32]:
    """Cosines of the nearest passages, the highest first; there is at least one."""
    tuning = store.state.live.tuning or {}
    return store.table.nearest(vector, count, where, **tuning.get("search", {})).scores


def _highest(sentences: NDArray[float32], vector: NDArray[float32]) -> float:
    """The cosine of the nearest sentence; 0 where none is near."""
    return float(np.max(sentences @ normalize(vector[None])[0], initial=0.0))
