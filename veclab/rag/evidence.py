"""How strongly what was found bears on a question: one number, and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from veclab.rag.extractive import Sentence, score_sentences
from veclab.rag.keywords import content_words, coverage, names, stem, stems
from veclab.store.windows import widen

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from veclab.store.passage import Hit, Passage
    from veclab.store.store import Store

# Passages that evidence is looked for in.
DEPTH = 5
# Passages that are read closely, the best of a search that leans on vectors: people's questions
# share fewer words with their source than keywords do.
CANDIDATES = 20
SEARCH: dict[str, Any] = {"weight": 0.7}
# What the share of words counts beside two cosines.
_WORDS = 0.3
_NAME_MISSING = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for an answer being there.

    Attributes:
        score: all of it as one number; higher is stronger.
        passage: the highest cosine of a passage with the question.
        sentence: the highest cosine of a sentence in these passages.
        words: the share of the question's words, rare ones counting more, in the best passage.
        missing: words of the question that no passage of the store has.
        names: names and numbers of the question that none of these passages has. They halve the
            score: what is said of something else is no answer.
    """

    score: float
    passage: float
    sentence: float
    words: float
    missing: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found for a question, read sentence by sentence.

    Attributes:
        hits: best first.
        sentences: of these hits, the nearest to the question first; `source` counts the hits.
        evidence: in them.
        parts: the passages that each hit is made of.
    """

    hits: tuple[Hit, ...]
    sentences: tuple[Sentence, ...]
    evidence: Evidence
    parts: tuple[tuple[Passage, ...], ...]


def read_around(
    store: Store,
    question: str,
    vector: NDArray[float32],
    hits: Sequence[Hit],
    top: int,
    where: str | None = None,
) -> Reading:
    """As `read_closely`, then with what stands around each hit in its document.

    Args:
        store, question, vector, hits: as there.
        top: how many stretches to keep.
        where: the search's filter.
    """
    reading = read_closely(store, question, vector, hits, len(hits))
    windows = widen(store.table, reading.hits, top, store.where(where))
    place: dict[int, tuple[int, int]] = {}
    for number, window in enumerate(windows, 1):
        for member in window.members:
            begins = reading.hits[member].passage.start or 0
            place[member + 1] = number, begins - (window.hit.passage.start or 0)
    sentences = []
    for found in reading.sentences:
        if found.source in place:
            source, shift = place[found.source]
            start, end = found.start + shift, found.end + shift
            sentences.append(replace(found, source=source, start=start, end=end))
    return Reading(
        tuple(window.hit for window in windows),
        tuple(sentences),
        reading.evidence,
        tuple(window.parts for window in windows),
    )


def read_closely(
    store: Store, question: str, vector: NDArray[float32], hits: Sequence[Hit], top: int
) -> Reading:
    """Order what a search found by its best sentences as well.

    A passage's vector is that of all it says; the one sentence that answers may be lost in it. So
    passages are ordered by the sum of their cosine, that of their best sentence, and a share of the
    question's words that they have. What a cross-encoder has ordered stays in its order.

    Args:
        store: that was searched.
        question: in words.
        vector: the question's, float32 (dim,).
        hits: the candidates.
        top: how many to keep.
    """
    weights, missing = word_weights(store, question)
    passages = [hit.passage for hit in hits]
    present = [
        stems(" ".join([passage.document, *passage.heading, passage.text])) for passage in passages
    ]
    words = [coverage(weights, each) for each in present]
    sentences = score_sentences(store, vector, weights, [passage.text for passage in passages])
    best = [0.0] * len(hits)
    for sentence in sentences:
        best[sentence.source - 1] = max(best[sentence.source - 1], sentence.cosine)
    order = list(range(len(hits)))
    if not any(hit.rerank is not None for hit in hits):
        order.sort(key=lambda i: -((hits[i].vector or 0.0) + best[i] + _WORDS * words[i]))
    order = order[:top]
    place = {old + 1: new for new, old in enumerate(order, 1)}
    first = order[:DEPTH]
    passage = max((hits[i].vector or 0.0 for i in first), default=0.0)
    nearest = max((best[i] for i in first), default=0.0)
    share = max((words[i] for i in first), default=0.0)
    absent = [n for n in names(question) if not any(stem(n) in present[i] for i in first)]
    score = combine(passage, nearest, share) * (_NAME_MISSING if absent else 1.0)
    return Reading(
        tuple(hits[i] for i in order),
        tuple(
            replace(sentence, source=place[sentence.source])
            for sentence in sentences
            if sentence.source in place
        ),
        Evidence(score, passage, nearest, share, missing, tuple(absent)),
        tuple((hits[i].passage,) for i in order),
    )


def combine(passage: float, sentence: float, words: float) -> float:
    """One number out of the three: the higher of the cosines, and the words."""
    return 0.6 * max(passage, sentence) + 0.4 * words
