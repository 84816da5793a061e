"""How well questions are answered from a store: what is found, cited and refused, with intervals.

No model judges. What is right is known: the user says which words of which document answer each
question; without questions, sentences of the documents stand in for them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veclab.errors import InputError
from veclab.evaluation.bootstrap import Estimate, distributions, estimate
from veclab.evaluation.metrics import mean
from veclab.rag.ask import ask
from veclab.rag.questions import Expected, Question
from veclab.rag.reading import CANDIDATES, DEPTH, SEARCH, read_around, read_closely
from veclab.rag.threshold import REFUSED, Threshold, find_threshold, fit, pseudo_questions

if TYPE_CHECKING:
    from veclab.rag.answer import Answer
    from veclab.rag.chat import Chat
    from veclab.store.store import Store

MODES = ("vector", "keyword", "hybrid")
# What `ask` reads: passages in its order, with what stands around them.
READ = "as ask reads"
FIGURES = ("ndcg@10", "recall@5", "recall@10", "mrr@10")
_DEPTH = 10
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One way of searching.

    Attributes:
        name: `vector`, `keyword`, `hybrid`, `reranked`, `as ask reads`; and what is compared.
        figures: of `FIGURES`, with their intervals.
    """

    name: str
    figures: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class RagEvaluation:
    """What was measured.

    Attributes:
        questions, unanswerable: how many that the documents answer, and do not.
        method: `questions` of the user, or `self-retrieval`.
        rows: of retrieval, on the questions that the documents answer.
        answering: shares with intervals, by name; empty where no answers were asked for. See
            `ANSWERING`.
        counts: of answers, citations and claims, as whole numbers.
        threshold: for evidence, that was in force.
        notes: what the user should know.
    """

    questions: int
    unanswerable: int
    method: str
    rows: tuple[Row, ...]
    answering: dict[str, Estimate] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    threshold: Threshold | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "questions": self.questions,
            "unanswerable": self.unanswerable,
            "method": self.method,
            "retrieval": {
                row.name: {name: asdict(value) for name, value in row.figures.items()}
                for row in self.rows
            },
            "answering": {name: asdict(value) for name, value in self.answering.items()},
            "counts": dict(self.counts),
            "threshold": None if self.threshold is None else self.threshold.to_dict(),
            "notes": list(self.notes),
        }


# What the shares of `answering` mean.
ANSWERING = {
    "source cited": "answerable questions whose answer cites a passage that holds the answer",
    "wrongly refused": "answerable questions that are refused",
    "rightly refused": "unanswerable questions that are refused",
    "citations found again": "citations whose words stand in the passage that they name",
}


def evaluate_rag(
    store: Store,
    questions: Sequence[Question] | None = None,
    *,
    rerank: str | None = None,
    llm: Chat | None = None,
    sample: int = SAMPLE,
    answers: bool = True,
    threshold: float | None = None,
    on_done: Callable[[int], None] = lambda n: None,
) -> RagEvaluation:
    """Measure retrieval, citations and refusals on a store.

    Args:
        store: to search.
        questions: with what answers them; None to make some of the documents' sentences.
        rerank: a cross-encoder, for one more row.
        llm: a chat model to answer with; by default the best sentences.
        sample: how many questions to make, where none are given.
        answers: whether to answer the questions as well, not only to search.
        threshold: least evidence for an answer; by default the store's own.
        on_done: is called with the number of questions done.

    Raises:
        InputError: none of the questions has an answer.
    """
    method = "self-retrieval" if questions is None else "questions"
    asked = self_questions(store, sample) if questions is None else list(questions)
    answerable = [question for question in asked if question.answers]
    if not answerable:
        raise InputError("none of the questions has an answer: there is nothing to measure")
    ways: dict[str, dict[str, Any]] = {mode: {"mode": mode} for mode in MODES}
    if rerank is not None:
        ways["reranked"] = {"mode": "hybrid", "rerank": rerank}
    ranks: dict[str, list[list[int | None]]] = {name: [] for name in ways}
    if answers:
        ranks[READ] = []
    for question in answerable:
        vector = store.embed_query(question.text)
        for name, options in ways.items():
            hits = store.search(question.text, top=_DEPTH, vector=vector, **options)
            passages = [hit.passage for hit in hits]
            ranks[name].append([question.rank(passages, answer) for answer in question.answers])
        if answers:
            found = store.search(question.text, top=CANDIDATES, vector=vector, **SEARCH)
            reading = read_around(store, question.text, vector, found, _DEPTH)
            passages = [hit.passage for hit in reading.hits]
            ranks[READ].append([question.rank(passages, answer) for answer in question.answers])
        on_done(1)
    rows = tuple(Row(name, _figures(found)) for name, found in ranks.items())
    plain = RagEvaluation(len(answerable), len(asked) - len(answerable), method, rows)
    if not answers:
        return plain
    limit, notes = (
        find_threshold(store) if threshold is None else (Threshold(threshold, "given"), [])
    )
    replies = []
    for question in asked:
        replies.append((question, ask(store, question.text, llm=llm, threshold=limit.value)))
        on_done(1)
    answering, counts = _answering(replies)
    return RagEvaluation(
        plain.questions, plain.unanswerable, method, rows, answering, counts, limit, tuple(notes)
    )


def compare_chunks(
    store: Store,
    documents: str | Path | None,
    sizes: Sequence[int],
    overlaps: Sequence[int] = (0,),
    questions: Sequence[Question] | None = None,
    *,
    sample: int = SAMPLE,
    on_done: Callable[[int], None] = lambda n: None,
) -> RagEvaluation:
    """Measure retrieval with documents cut into chunks of several sizes.

    The documents are indexed anew for each size, in a temporary folder, by the store's own model.

    Args:
        store: whose model is used, and whose sentences stand in for questions.
        documents: the folder that the store was made of; None for the one that it remembers.
        sizes, overlaps: tokens; every size with every overlap.
        questions, sample, on_done: as in `evaluate_rag`.

    Raises:
        InputError: of the documents or of a size, or the store was made of several inputs.
    """
    from veclab.store.index import index
    from veclab.store.store import Store

    documents = _made_of(store) if documents is None else documents
    asked = self_questions(store, sample) if questions is None else list(questions)
    rows: list[Row] = []
    found: RagEvaluation | None = None
    for size in sizes:
        for overlap in overlaps:
            with (
                tempfile.TemporaryDirectory(prefix="veclab-chunks-") as folder,
                Store.open(Path(folder) / "store", store.model, create=True) as other,
            ):
                index(other, documents, chunk_size=size, overlap=overlap)
                found = evaluate_rag(other, asked, answers=False, on_done=on_done)
                name = f"{size} tokens" + (f", {overlap} shared" if overlap else "")
                rows += [Row(f"{name}: {row.name}", row.figures) for row in found.rows]
    if found is None:
        raise InputError("no chunk size was given")
    method = "self-retrieval" if questions is None else "questions"
    return RagEvaluation(found.questions, found.unanswerable, method, tuple(rows))


def _made_of(store: Store) -> Path:
    """The one folder or file that all passages of a store come from."""
    sources = {
        source for rows in store.table.scan(["source"]) for source in rows["source"].to_pylist()
    }
    if len(sources) != 1 or not Path(source := sources.pop()).exists():
        raise InputError(
            "the store was not made of one folder that is still there: say which documents to cut "
            "(--documents FOLDER)"
        )
    return Path(source)


def self_questions(store: Store, sample: int) -> list[Question]:
    """Questions made of sentences; what answers each is the sentence it was made of."""
    return [
        Question(str(number), made.text, (Expected(made.passage.document, made.sentence),))
        for number, made in enumerate(pseudo_questions(store, sample), 1)
    ]


def fit_threshold(
    store: Store,
    questions: Sequence[Question],
    *,
    refused: float = REFUSED,
    on_done: Callable[[int], None] = lambda n: None,
) -> Threshold:
    """The threshold for evidence that refuses a share of the answerable questions at most.

    Raises:
        InputError: no question has an answer.
    """
    scores: dict[bool, list[float]] = {True: [], False: []}
    for question in questions:
        vector = store.embed_query(question.text)
        hits = store.search(question.text, top=CANDIDATES, vector=vector, **SEARCH)
        reading = read_closely(store, question.text, vector, hits, DEPTH)
        scores[bool(question.answers)].append(reading.evidence.score)
        on_done(1)
    return fit(
        scores[True], scores[False], method="questions", passages=store.count(), refused=refused
    )


def _figures(ranks: Sequence[Sequence[int | None]]) -> dict[str, Estimate]:
    """Figures from the ranks of each question's answers; None is not found."""

    def within(k: int) -> list[float]:
        return [sum(r is not None and r <= k for r in each) / len(each) for each in ranks]

    first = [min((r for r in each if r is not None), default=None) for each in ranks]
    values = {
        "ndcg@10": [_ndcg(each) for each in ranks],
        "recall@5": within(5),
        "recall@10": within(10),
        "mrr@10": [0.0 if r is None else 1 / r for r in first],
    }
    return _estimates(values)


def _ndcg(ranks: Sequence[int | None]) -> float:
    gain = sum(1 / math.log2(1 + r) for r in set(ranks) if r is not None)
    return gain / sum(1 / math.log2(2 + i) for i in range(min(len(ranks), _DEPTH)))


def _answering(
    replies: Sequence[tuple[Question, Answer]],
) -> tuple[dict[str, Estimate], dict[str, int]]:
    cited, wrongly, rightly, again = [], [], [], []
    for question, answer in replies:
        refused = not answer.lines
        if question.answers:
            wrongly.append(float(refused))
            cited.append(
                float(
                    any(
                        expected.is_in(reference.passage)
                        for expected in question.answers
                        for reference in answer.references
                    )
                )
            )
        else:
            rightly.append(float(refused))
        for reference in answer.references:
            offset = reference.passage.start or 0
            for start, end, text in reference.quotes:
                again.append(float(reference.passage.text[start - offset : end - offset] == text))
    values = {
        "source cited": cited,
        "wrongly refused": wrongly,
        "rightly refused": rightly,
        "citations found again": again,
    }
    lines = [line for _, answer in replies for line in answer.lines]
    counts = {
        "answers": sum(bool(answer.lines) for _, answer in replies),
        "citations": len(again),
        "claims supported": sum(line.verdict.status == "supported" for line in lines),
        "claims unverified": sum(line.verdict.status == "unverified" for line in lines),
        "claims dropped": sum(len(answer.dropped) for _, answer in replies),
    }
    return _estimates({name: found for name, found in values.items() if found}), counts


def _estimates(values: dict[str, list[float]]) -> dict[str, Estimate]:
    """Means with their intervals."""
    found = {}
    for name, each in values.items():
        statistic = mean(each)
        found[name] = estimate(statistic, len(each), distributions([statistic], len(each))[0])
    return found
