"""How strongly what was found bears on a question: one number, and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from veclab.rag.extractive import Sentence, score_sentences
from veclab.rag.keywords import content_words, coverage, stems

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from veclab.store.passage import Hit
    from veclab.store.store import Store

# Passages that are looked at.
DEPTH = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being there.

    Attributes:
        score: all of it as one number; higher is stronger.
        passage: the highest cosine of a passage with the question.
        sentence: the highest cosine of a sentence in these passages.
        words: the share of the question's words, rare ones counting more, in the best passage.
        missing: words of the question that no passage of the store has.
    """

    score: float
    passage: float
    sentence: float
    words: float
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"missing": list(self.missing)}


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
    store: Store, question: str, vector: NDArray[float32], hits: Sequence[Hit]
) -> tuple[Evidence, list[Sentence]]:
    """The evidence in what a search found, and all its sentences, the nearest first.

    Args:
        store: that was searched.
        question: in words.
        vector: the question's, float32 (dim,).
        hits: best first.
    """
    weights, missing = word_weights(store, question)
    texts = [hit.passage.text for hit in hits]
    sentences = score_sentences(store, vector, weights, texts)
    best = [sentence for sentence in sentences if sentence.source <= DEPTH]
    passage = max((hit.vector or 0.0 for hit in hits[:DEPTH]), default=0.0)
    sentence = max((found.cosine for found in best), default=0.0)
    words = max(
        (
            coverage(weights, stems(" ".join([*hit.passage.heading, hit.passage.text])))
            for hit in hits[:DEPTH]
        ),
        default=0.0,
    )
    return Evidence(combine(passage, sentence, words), passage, sentence, words, missing), sentences


def combine(passage: float, sentence: float, words: float) -> float:
    """One number out of the three: the stronger of the cosines, and the words."""
    return 0.6 * max(passage, sentence) + 0.4 * words
