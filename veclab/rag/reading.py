"""What a search found, read sentence by sentence: in which order, and with what stands around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from veclab.rag.evidence import Evidence, weigh, word_weights
from veclab.rag.extractive import Sentence, score_sentences
from veclab.rag.keywords import coverage, stems
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
    reading = read_closely(store, question, vector, hits, len(hits), where)
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
    store: Store,
    question: str,
    vector: NDArray[float32],
    hits: Sequence[Hit],
    top: int,
    where: str | None = None,
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
        where: the search's filter.
    """
    if not hits:
        return Reading((), (), Evidence(0.0), ())
    weights, missing = word_weights(store, question)
    passages = [hit.passage for hit in hits]
    present = [
        stems(" ".join([passage.document, *passage.heading, passage.text])) for passage in passages
    ]
    words = [coverage(weights, each) for each in present]
    sentences, vectors = score_sentences(store, vector, weights, passages)
    best = [0.0] * len(hits)
    for sentence in sentences:
        best[sentence.source - 1] = max(best[sentence.source - 1], sentence.cosine)
    order = list(range(len(hits)))
    if not any(hit.rerank is not None for hit in hits):
        order.sort(key=lambda i: -((hits[i].vector or 0.0) + best[i] + _WORDS * words[i]))
    order = order[:top]
    place = {old + 1: new for new, old in enumerate(order, 1)}
    first = order[:DEPTH]
    evidence = weigh(
        store,
        question,
        vector,
        weights,
        vectors[[sentence.source - 1 in first for sentence in sentences]],
        [present[i] for i in first],
        store.where(where),
    )
    return Reading(
        tuple(hits[i] for i in order),
        tuple(
            replace(sentence, source=place[sentence.source])
            for sentence in sentences
            if sentence.source in place
        ),
        replace(evidence, missing=missing),
        tuple((hits[i].passage,) for i in order),
    )
