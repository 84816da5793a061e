"""What a data set asks of a model, told from its shape.

| shape | task | asks |
| --- | --- | --- |
| two texts and a number | `sts` | does similarity rise with the number? |
| two texts and yes or no | `pairs` | does similarity tell matches from others? |
| a folder in BEIR layout | `retrieval` | are the relevant documents found? |
| a text and a class | `labels` | do classes lie together? |
| texts alone | `self-retrieval` | does a title (or a first half) find its body (its second half)? |

`read_dataset` chooses and says why; the values here are what it makes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.pipeline.prepare import is_blank
from veclab.report import one_line, shorten

Task = Literal["sts", "pairs", "retrieval", "labels", "self-retrieval"]
TASKS: tuple[Task, ...] = get_args(Task)

_SAMPLE_SEED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """What all tasks share.

    Attributes:
        name: of the file or folder.
        task: which question it asks.
        reason: why this task, in words.
        notes: what was left out, and what else the user should know.
    """

    name: str
    task: Task
    reason: str
    notes: tuple[str, ...]

    units = "texts"

    def __len__(self) -> int:
        """Count the units that are measured: pairs, queries or texts."""
        raise NotImplementedError

    @property
    def sides(self) -> tuple[Sequence[str], ...]:
        """The lists of texts to embed."""
        raise NotImplementedError

    def facts(self) -> Any:
        """Return what decides every figure, as JSON values."""
        raise NotImplementedError

    def unit_text(self, unit: int) -> str:
        """Return what a unit is, for people."""
        raise NotImplementedError

    def unit_answer(self, unit: int) -> str:
        """Return what would be right for a unit, for people."""
        raise NotImplementedError

    @property
    def digest(self) -> str:
        """16 hex digits of the texts and what is known of them, whatever file they came from."""
        plain = json.dumps([self.task, self.facts()], ensure_ascii=True, separators=(",", ":"))
        return hashlib.blake2b(plain.encode("ascii"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class PairData(Dataset):
    """n pairs of texts, each with a number: any (`sts`), or 1 for a match and 0 (`pairs`)."""

    first: Sequence[str]
    second: Sequence[str]
    gold: NDArray[np.float64]

    units = "pairs"

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def sides(self) -> tuple[Sequence[str], ...]:
        """First and second texts."""
        return self.first, self.second

    def facts(self) -> Any:
        """Return both texts and the number, pair by pair."""
        return [list(self.first), list(self.second), self.gold.tolist()]

    def unit_text(self, unit: int) -> str:
        """Return both texts."""
        return f"{self.first[unit]}\n{self.second[unit]}"

    def unit_answer(self, unit: int) -> str:
        """Return the score, or yes or no."""
        value = self.gold[unit]
        return f"score {value:g}" if self.task == "sts" else ("a match" if value else "no match")


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalData(Dataset):
    """n queries, documents, and which are relevant.

    Attributes:
        relevant: query id -> document id -> degree of relevance, above 0; every query has some,
            and all of them are in the corpus.
    """

    query_ids: Sequence[str]
    queries: Sequence[str]
    document_ids: Sequence[str]
    documents: Sequence[str]
    relevant: Mapping[str, Mapping[str, int]]

    units = "queries"

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def sides(self) -> tuple[Sequence[str], ...]:
        """Queries and documents."""
        return self.queries, self.documents

    def facts(self) -> Any:
        """Return everything, in order of id."""
        return [
            sorted(zip(self.query_ids, self.queries, strict=True)),
            sorted(zip(self.document_ids, self.documents, strict=True)),
            {query: dict(sorted(found.items())) for query, found in sorted(self.relevant.items())},
        ]

    def unit_text(self, unit: int) -> str:
        """Return the query."""
        return self.queries[unit]

    def unit_answer(self, unit: int) -> str:
        """Return the relevant documents, the first of them with its text."""
        found = self.relevant[self.query_ids[unit]]
        first = next(iter(found))
        known = dict(zip(self.document_ids, self.documents, strict=True))
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return f"relevant: [{first}] {one_line(known.get(first, ''), 120)}{more}"


@dataclass(frozen=True, slots=True, eq=False)
class LabelData(Dataset):
    """n texts, each with a class: a position in `classes`."""

    texts: Sequence[str]
    labels: NDArray[np.intp]
    classes: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def sides(self) -> tuple[Sequence[str], ...]:
        """The texts."""
        return (self.texts,)

    def facts(self) -> Any:
        """Return the texts and classes."""
        return [list(self.texts), self.labels.tolist(), list(self.classes)]

    def unit_text(self, unit: int) -> str:
        """Return the text."""
        return self.texts[unit]

    def unit_answer(self, unit: int) -> str:
        """Return the class."""
        return f"class {self.classes[self.labels[unit]]}"


@dataclass(frozen=True, slots=True)
class Head:
    """What every data set begins with; see `Dataset`."""

    name: str
    task: Task
    reason: str
    notes: tuple[str, ...] = ()

    def plus(self, *notes: str) -> Self:
        """Return a copy with further notes; empty ones are ignored."""
        return replace(self, notes=self.notes + tuple(note for note in notes if note))

    def fields(self) -> dict[str, Any]:
        """Return the fields as keyword arguments."""
        return {"name": self.name, "task": self.task, "reason": self.reason, "notes": self.notes}


def pair_data(
    head: Head, first: Sequence[str | None], second: Sequence[str | None], gold: Sequence[float]
) -> PairData:
    """Make data of pairs, leaving out those with an empty side or without a number.

    Raises:
        InputError: none are left, all numbers are equal, or (for `pairs`) one is not 0 or 1.
    """
    numbers = np.asarray(gold, dtype=np.float64)
    kept = [
        i
        for i, (a, b) in enumerate(zip(first, second, strict=True))
        if not _empty(a) and not _empty(b) and np.isfinite(numbers[i])
    ]
    note = _left_out(len(numbers) - len(kept), "row(s) with an empty text or no number")
    numbers = numbers[kept]
    if len(kept) < 2:
        raise InputError(f"{head.name}: {len(kept)} usable pairs are too few to compare anything")
    if len(np.unique(numbers)) == 1:
        raise InputError(
            f"{head.name}: every pair has the same value ({numbers[0]:g}), so there is nothing "
            "to tell apart; is the right column taken? Name it with --gold"
        )
    if head.task == "pairs" and not set(np.unique(numbers)) <= {0.0, 1.0}:
        raise InputError(f"{head.name}: labeled pairs need 0 or 1; for other numbers --task sts")
    return PairData(
        **head.plus(note).fields(),
        first=[str(first[i]) for i in kept],
        second=[str(second[i]) for i in kept],
        gold=numbers,
    )


def retrieval_data(
    head: Head,
    queries: Mapping[str, str | None],
    documents: Mapping[str, str | None],
    judgments: Mapping[str, Mapping[str, int]],
) -> RetrievalData:
    """Make data of the queries that have a relevant document; notes say what was left out.

    Raises:
        InputError: no such query is left.
    """
    corpus = {name: text for name, text in documents.items() if text and not _empty(text)}
    unknown_queries = [q for q in judgments if q not in queries]
    unknown = sorted({d for q in judgments for d in judgments[q] if d not in documents})
    relevant: dict[str, dict[str, int]] = {}
    without, blank = [], []
    for name, text in queries.items():
        found = {d: s for d, s in judgments.get(name, {}).items() if s > 0 and d in documents}
        if _empty(text):
            blank.append(name)
        elif not found:
            without.append(name)
        else:
            relevant[name] = found
    empty = len(documents) - len(corpus)
    head = head.plus(
        _left_out(len(without), "queries without a relevant document in the corpus", without),
        _left_out(len(blank), "queries with no text", blank),
        _left_out(len(unknown), "judged documents that are not in the corpus", unknown),
        _left_out(len(unknown_queries), "judged queries that are not there", unknown_queries),
        f"{empty:,} documents have no text: they are never found" if empty else "",
    )
    if not relevant:
        raise InputError(
            f"{head.name}: no query has a relevant document in the corpus, so nothing can be "
            f"measured ({'; '.join(head.notes)}). Do the ids in the judgments match?"
        )
    return RetrievalData(
        **head.fields(),
        query_ids=list(relevant),
        queries=[str(queries[name]) for name in relevant],
        document_ids=list(corpus),
        documents=[str(text) for text in corpus.values()],
        relevant=relevant,
    )


def label_data(head: Head, texts: Sequence[str | None], labels: Sequence[str | None]) -> LabelData:
    """Make data of texts with classes, leaving out those without one or the other.

    Raises:
        InputError: fewer than two classes are left.
    """
    kept = [
        i
        for i, (text, label) in enumerate(zip(texts, labels, strict=True))
        if not _empty(text) and not _empty(label)
    ]
    names = [str(labels[i]) for i in kept]
    classes, places, sizes = np.unique(names, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        only = f"only one class, {str(classes[0])!r}" if len(classes) else "no class at all"
        raise InputError(
            f"{head.name}: there is {only}, so there is nothing to tell apart; name another "
            "column with --gold, or measure without labels: --task self-retrieval"
        )
    single = [str(name) for name in classes[sizes == 1]]
    return LabelData(
        **head.plus(
            _left_out(len(texts) - len(kept), "row(s) with an empty text or class"),
            f"{len(single):,} class(es) have one text only, whose neighbors are always wrong: "
            f"{shorten(single)}"
            if single
            else "",
        ).fields(),
        texts=[str(texts[i]) for i in kept],
        labels=places.astype(np.intp),
        classes=[str(name) for name in classes],
    )


def self_retrieval_data(
    head: Head, first: Sequence[str | None], second: Sequence[str | None]
) -> RetrievalData:
    """Make data where each first text must find its second. Equal texts count once."""
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    judgments: dict[str, dict[str, int]] = {}
    left_out = 0
    for question, answer in zip(first, second, strict=True):
        if _empty(question) or _empty(answer):
            left_out += 1
            continue
        query = queries.setdefault(str(question), f"q{len(queries) + 1}")
        document = documents.setdefault(str(answer), f"d{len(documents) + 1}")
        judgments.setdefault(query, {})[document] = 1
    return retrieval_data(
        head.plus(_left_out(left_out, "row(s) with an empty part")),
        {name: text for text, name in queries.items()},
        {name: text for text, name in documents.items()},
        judgments,
    )


def halves(text: str | None) -> tuple[str | None, str | None]:
    """Split a text between two words in the middle; (None, None) for fewer than eight words."""
    words = (text or "").split()
    if len(words) < 8:
        return None, None
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def sampled(n: int, sample: int | None) -> NDArray[np.intp]:
    """Return positions of `sample` units out of n, in order, always the same; all for None."""
    if sample is None or sample >= n:
        return np.arange(n)
    chosen = np.random.default_rng(_SAMPLE_SEED).choice(n, sample, replace=False)
    return np.sort(chosen).astype(np.intp)


def _empty(text: str | None) -> bool:
    return text is None or is_blank(text)


def _left_out(count: int, what: str, names: Sequence[str] = ()) -> str:
    if not count:
        return ""
    return f"left out {count:,} {what}" + (f": {shorten(list(names))}" if names else "")
