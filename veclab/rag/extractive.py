"""An answer without a language model: the sentences that come nearest to the question, quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veclab.rag.citations import Claim, Quote
from veclab.rag.keywords import coverage, stems
from veclab.rag.sentences import split_sentences
from veclab.rag.words import on_one_line
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from veclab.store.passage import Passage
    from veclab.store.store import Store

SENTENCES = 3
# A sentence counts by its cosine with the question and by the question's words in it.
_KEYWORD_SHARE = 0.3
# What scores this much less than the best is left out.
_MARGIN = 0.15
_FEWEST_WORDS = 4
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage and how near it comes to a question.

    Attributes:
        source: number of the passage, from 1.
        start, end: in the passage's text.
        text: its words.
        cosine: with the question.
        coverage: share of the question's words that it has.
        heading: whether it is a heading over the passage.
    """

    source: int
    start: int
    end: int
    text: str
    cosine: float
    coverage: float
    heading: bool = False

    @property
    def score(self) -> float:
        """What sentences are chosen by."""
        return (1 - _KEYWORD_SHARE) * self.cosine + _KEYWORD_SHARE * self.coverage


def score_sentences(
    store: Store,
    question: NDArray[np.float32],
    weights: Sequence[tuple[str, float]],
    passages: Sequence[Passage],
) -> tuple[list[Sentence], NDArray[np.float32]]:
    """All sentences of the passages, the nearest first, and their vectors: float32 (n, dim).

    Args:
        store: whose model embeds them.
        question: its vector, float32 (dim,).
        weights: the question's words and what each counts.
        passages: the first is number 1.
    """
    spans = [
        (number, start, end, passage.text[start:end])
        for number, passage in enumerate(passages, 1)
        for start, end in split_sentences(passage.text, longest=_LONGEST)
        if any(letter.isalnum() for letter in passage.text[start:end])
    ]
    if not spans:
        return [], np.zeros((0, len(question)), np.float32)
    texts = [text for *_, text in spans]
    model = store.model
    vectors = normalize(model.embed(texts, role=store.role("document"), on_empty="error").array)
    cosines = vectors @ normalize(question[None])[0]
    found = [
        Sentence(
            *span,
            float(cosine),
            coverage(weights, stems(span[3])),
            on_one_line(span[3]).strip("#* ") in passages[span[0] - 1].heading,
        )
        for span, cosine in zip(spans, cosines, strict=True)
    ]
    order = sorted(range(len(found)), key=lambda i: -found[i].score)
    return [found[i] for i in order], vectors[order]


def extract(sentences: Sequence[Sentence], most: int = SENTENCES) -> list[Claim]:
    """The best sentences as claims that quote themselves; what says the same twice is left out.

    In place of a heading, a question or a line that ends in a colon stands what follows it.
    """
    chosen: list[Sentence] = []
    for sentence in sentences:
        if chosen and sentence.score < sentences[0].score - _MARGIN:
            break
        told = sentence if _tells(sentence) else _after(sentence, sentences)
        if told is None or any(_alike(told.text, other.text) for other in chosen):
            continue
        chosen.append(told)
        if len(chosen) == most:
            break
    return [
        Claim(on_one_line(sentence.text), (Quote(sentence.source, sentence.text),))
        for sentence in chosen or sentences[:1]
    ]


def _tells(sentence: Sentence) -> bool:
    """Whether it says something, and does not only ask or announce it."""
    text = sentence.text
    if sentence.heading:
        return False
    return len(text.split()) >= _FEWEST_WORDS and text[-1] not in "?？:" and text[0] != "#"


def _after(sentence: Sentence, sentences: Sequence[Sentence]) -> Sentence | None:
    """The next sentence of the passage, where that says something."""
    later = [s for s in sentences if s.source == sentence.source and s.start >= sentence.end]
    following = min(later, key=lambda s: s.start, default=None)
    return following if following is not None and _tells(following) else None


def _alike(a: str, b: str) -> bool:
    one, two = stems(a), stems(b)
    return len(one & two) >= 0.8 * min(len(one), len(two))
