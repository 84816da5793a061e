"""From which evidence on a question counts as answered by the documents; found on the store itself.

Without questions of the user's own, sentences of the documents with a part of their words left out
stand in for them. A threshold found on real questions is better:
`veclab evaluate-rag --questions FILE --set-threshold`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from veclab.errors import InputError, StoreError
from veclab.rag.keywords import content_words
from veclab.rag.reading import CANDIDATES, DEPTH, SEARCH, read_closely
from veclab.rag.sentences import split_sentences

if TYPE_CHECKING:
    from veclab.store.passage import Passage
    from veclab.store.store import Store

KEY = "evidence"
# Share of answerable questions that may be refused.
REFUSED = 0.06
# Share of the stand-ins to refuse. Words out of a sentence are no sentence, and fit the documents
# less well than what people ask: a threshold that refused 10% of them refused 7 and 2% of people's
# questions that the documents answer, on two stores (`python -m benchmarks.evidence`).
STAND_INS_REFUSED = 0.1
# No higher than an even chance: a small store has few sentences to make stand-ins of.
_EVEN = 0.5
SAMPLE = 80
# Of `Evidence.score`: a threshold for another is none.
_VERSION = 2
_KEPT = 0.6
_GROWTH = 1.25
_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class PseudoQuestion:
    """A sentence with a part of its words left out, and where it is from."""

    text: str
    sentence: str
    passage: Passage


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least evidence for an answer, and how it was found.

    Attributes:
        value: compared with `Evidence.score`.
        method: `self-retrieval`, `questions`, `given` by the user, or `default` where the documents
            have no sentences to find one on.
        answerable, unanswerable: how many of either it was found on.
        refused: share of the answerable that it refuses.
        caught: share of the unanswerable that it refuses.
        passages: that the store had.
    """

    value: float
    method: str
    answerable: int = 0
    unanswerable: int = 0
    refused: float | None = None
    caught: float | None = None
    passages: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(**value)

    def __str__(self) -> str:
        if self.method == "given":
            return f"{self.value:.3f}, as given"
        if self.method == "default":
            return f"{self.value:.3f}, by default: no sentence is long enough to find one on"
        if self.method == "self-retrieval":
            return (
                f"{self.value:.3f}, from self-retrieval: refuses {100 * (self.refused or 0):.0f}% "
                f"of {self.answerable} questions made of the documents' sentences"
            )
        return (
            f"{self.value:.3f}, from {self.method}: refuses {100 * (self.refused or 0):.0f}% of "
            f"{self.answerable} answerable and {100 * (self.caught or 0):.0f}% of "
            f"{self.unanswerable} unanswerable questions"
        )


def fit(
    answerable: Sequence[float],
    unanswerable: Sequence[float],
    *,
    method: str,
    passages: int = 0,
    refused: float = REFUSED,
    highest: float = 1.0,
) -> Threshold:
    """The highest threshold that refuses no more than a share of the answerable.

    Args:
        answerable, unanswerable: evidence scores of questions of either kind.
        method: for the record.
        passages: of the store, for the record.
        refused: that share.
        highest: the threshold is no higher than this.

    Raises:
        InputError: no answerable question was given.
    """
    if not answerable:
        raise InputError("a threshold cannot be found without answerable questions")
    ordered = sorted(answerable)
    value = min(ordered[min(int(refused * len(ordered)), len(ordered) - 1)], highest)
    return Threshold(
        value,
        method,
        len(answerable),
        len(unanswerable),
        sum(score < value for score in answerable) / len(answerable),
        sum(score < value for score in unanswerable) / len(unanswerable) if unanswerable else None,
        passages,
    )


def stored(store: Store) -> Threshold | None:
    """The threshold kept in the store; None where there is none, or the store has grown since."""
    value = store.state.settings.get(KEY)
    try:
        if value is None or value["space"] != store.space.id or value["version"] != _VERSION:
            return None
        found = Threshold.from_dict(value["threshold"])
    except (TypeError, KeyError):
        return None
    grown = max(store.count(), 1) / max(found.passages, 1)
    return found if 1 / _GROWTH <= grown <= _GROWTH or found.method == "questions" else None


def keep(store: Store, threshold: Threshold) -> None:
    """Write it into the store.

    Raises:
        StoreError, OSError: the store cannot be written now.
    """
    with store.writing(_WAIT):
        value = {
            "threshold": threshold.to_dict(),
            "space": store.space.id,
            "version": _VERSION,
        }
        store.publish(settings={**store.state.settings, KEY: value})


def calibrate(
    store: Store, *, sample: int = SAMPLE, on_done: Callable[[int], None] = lambda n: None
) -> Threshold:
    """Find the threshold on the store's own sentences; an even chance where it has none."""
    scores: list[float] = []
    for made in pseudo_questions(store, sample):
        vector = store.embed_query(made.text)
        hits = store.search(made.text, top=CANDIDATES, vector=vector, **SEARCH)
        scores.append(read_closely(store, made.text, vector, hits, DEPTH).evidence.score)
        on_done(1)
    if not scores:
        return Threshold(_EVEN, "default", passages=store.count())
    return fit(
        scores,
        [],
        method="self-retrieval",
        passages=store.count(),
        refused=STAND_INS_REFUSED,
        highest=_EVEN,
    )


def find_threshold(
    store: Store, on_done: Callable[[int], None] = lambda n: None
) -> tuple[Threshold, list[str]]:
    """The store's threshold, found and kept now where there is none; and what to tell the user."""
    found = stored(store)
    if found is not None:
        return found, []
    notes = []
    if (store.state.settings.get(KEY) or {}).get("threshold", {}).get("method") == "questions":
        notes.append(
            "the threshold that was found on your questions is for other vectors or an older "
            "evidence score; evaluate-rag --set-threshold finds it again"
        )
    threshold = calibrate(store, on_done=on_done)
    try:
        keep(store, threshold)
    except (StoreError, OSError) as error:
        notes.append(f"the threshold could not be kept in the store: {error}")
    return threshold, notes


def pseudo_questions(store: Store, n: int, seed: int = 7) -> Iterator[PseudoQuestion]:
    """Up to n stand-ins for questions; the same each time while the store does not change."""
    chance = random.Random(seed)
    for passage in sample_passages(store, n, seed):
        sentences = [
            passage.text[a:b]
            for a, b in split_sentences(passage.text, longest=300)
            if 8 <= len(passage.text[a:b].split()) <= 40
        ]
        if not sentences:
            continue
        sentence = chance.choice(sentences)
        words = content_words(sentence)
        kept = max(3, round(_KEPT * len(words)))
        if len(words) < 3:
            continue
        places = sorted(chance.sample(range(len(words)), min(kept, len(words))))
        yield PseudoQuestion(" ".join(words[place] for place in places), sentence, passage)


def sample_passages(store: Store, n: int, seed: int = 7) -> list[Passage]:
    """Up to n passages drawn at random; the same each time while the store does not change."""
    from veclab.store.rows import to_passages

    chance = random.Random(seed)
    chosen: list[Passage] = []
    seen = 0
    columns = ["id", "document", "text", "heading", "start", "end", "page", "file"]
    for rows in store.table.scan(columns):
        for i in range(rows.num_rows):  # reservoir sampling
            seen += 1
            place = len(chosen) if len(chosen) < n else chance.randrange(seen)
            if place < n:
                passage = to_passages(rows.slice(i, 1))[0]
                chosen[place : place + 1] = [passage]
    return chosen
