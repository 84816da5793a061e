"""What a model is trained on and measured by: queries, documents, and which belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from veclab.errors import InputError
from veclab.evaluation.datasets import Head, RetrievalData, retrieval_data
from veclab.pipeline.prepare import is_blank


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Queries with the documents that they should find.

    Attributes:
        name: of the file, folder or store.
        queries: n texts.
        documents: m texts.
        positives: for each query, positions of its documents; each has one at least.
        negatives: for each query, positions of documents known or mined as wrong; may be empty.
        notes: where it came from, what was left out, and what else the user should know.
    """

    name: str
    queries: Sequence[str]
    documents: Sequence[str]
    positives: Sequence[Sequence[int]]
    negatives: Sequence[Sequence[int]]
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        """Count the queries."""
        return len(self.queries)

    @property
    def pairs(self) -> int:
        """How many queries and documents belong together."""
        return sum(map(len, self.positives))

    @property
    def digest(self) -> str:
        """16 hex digits of the texts and what is known of them."""
        links = [[list(map(int, one)) for one in of] for of in (self.positives, self.negatives)]
        facts = [list(self.queries), list(self.documents), *links]
        plain = json.dumps(facts, separators=(",", ":"))
        return hashlib.blake2b(plain.encode("ascii"), digest_size=8).hexdigest()

    def plus(self, *notes: str) -> Self:
        """Return a copy with further notes; empty ones are ignored."""
        return replace(self, notes=[*self.notes, *filter(None, notes)])

    def part(self, queries: Iterable[int], without: Iterable[int] = ()) -> Self:
        """Return the data of some queries.

        Args:
            queries: their positions.
            without: positions of documents that are left out; a query that loses its last
                positive is left out, too.
        """
        gone = set(without)
        kept = [i for i in range(len(self.documents)) if i not in gone]
        place = {old: new for new, old in enumerate(kept)}

        def moved(documents: Sequence[int]) -> list[int]:
            return [place[i] for i in documents if i in place]

        chosen = [i for i in queries if any(d in place for d in self.positives[i])]
        return replace(
            self,
            queries=[self.queries[i] for i in chosen],
            documents=[self.documents[i] for i in kept],
            positives=[moved(self.positives[i]) for i in chosen],
            negatives=[moved(self.negatives[i]) for i in chosen],
        )

    def to_retrieval(self, reason: str = "") -> RetrievalData:
        """Return the question whether each query finds its documents among all of them."""
        return retrieval_data(
            Head(self.name, "retrieval", reason),
            {f"q{i}": text for i, text in enumerate(self.queries)},
            {f"d{i}": text for i, text in enumerate(self.documents)},
            {f"q{i}": {f"d{d}": 1 for d in found} for i, found in enumerate(self.positives)},
        )


@dataclass(slots=True)
class Gathering:
    """Training data as it is put together: equal texts are one query or one document."""

    queries: dict[str, int] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    positives: list[dict[int, None]] = field(default_factory=list)
    negatives: list[dict[int, None]] = field(default_factory=list)
    blank: int = 0

    def document(self, text: str) -> int:
        """Return the position of a document, which is added if it is new."""
        return self.documents.setdefault(text, len(self.documents))

    def query(self, text: str) -> int:
        """Return the position of a query, which is added if it is new."""
        if text not in self.queries:
            self.positives.append({})
            self.negatives.append({})
        return self.queries.setdefault(text, len(self.queries))

    def add(self, query: str | None, positive: str | None, negatives: Iterable[str | None]) -> None:
        """Add a pair, or a triple; one without a query or a positive is counted as blank."""
        if query is None or positive is None or is_blank(query) or is_blank(positive):
            self.blank += 1
            return
        at = self.query(query)
        self.positives[at][self.document(positive)] = None
        for text in negatives:
            if text is not None and not is_blank(text):
                self.negatives[at][self.document(text)] = None

    def add_wrong(self, query: str | None, document: str | None) -> None:
        """Add a document that is wrong for a query, which has a right one in some other row."""
        if query is None or document is None or is_blank(query) or is_blank(document):
            self.blank += 1
            return
        self.negatives[self.query(query)][self.document(document)] = None

    def finish(self, name: str, *notes: str) -> TrainingData:
        """Return the data; a document that is a positive of a query is none of its negatives.

        Raises:
            InputError: there is no pair, or every query has the same one document.
        """
        kept = [i for i, found in enumerate(self.positives) if found]
        if not kept:
            raise InputError(f"{name} holds no pair of a query and a document that belongs to it")
        if len({d for i in kept for d in self.positives[i]}) == 1 and len(kept) > 1:
            raise InputError(
                f"{name}: all {len(kept):,} queries have the same document, so there is nothing "
                "to tell apart; are the right columns taken? Name them with --column"
            )
        texts = list(self.queries)
        both = sum(len(self.positives[i].keys() & self.negatives[i].keys()) for i in kept)
        data = TrainingData(
            name=name,
            queries=[texts[i] for i in kept],
            documents=list(self.documents),
            positives=[list(self.positives[i]) for i in kept],
            negatives=[[d for d in self.negatives[i] if d not in self.positives[i]] for i in kept],
            notes=list(filter(None, notes)),
        )
        return data.plus(
            f"left out {self.blank:,} row(s) with an empty part" if self.blank else "",
            f"{both:,} document(s) are given as right and as wrong for the same query; they count "
            "as right"
            if both
            else "",
        )


def from_retrieval(data: RetrievalData, negatives: Mapping[str, Sequence[str]]) -> TrainingData:
    """Make training data of judged queries: every degree of relevance above 0 is a positive.

    Args:
        data: as `veclab.evaluation` reads it.
        negatives: query id -> ids of documents judged as wrong.
    """
    place = {name: i for i, name in enumerate(data.document_ids)}

    def placed(names: Iterable[str]) -> list[int]:
        return [place[name] for name in names if name in place]  # some have no text

    kept = [i for i, name in enumerate(data.query_ids) if placed(data.relevant[name])]
    names = [data.query_ids[i] for i in kept]
    return TrainingData(
        name=data.name,
        queries=[data.queries[i] for i in kept],
        documents=data.documents,
        positives=[placed(data.relevant[name]) for name in names],
        negatives=[placed(negatives.get(name, ())) for name in names],
        notes=[data.reason, *data.notes],
    )
