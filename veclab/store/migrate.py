"""Change a store's model. New vectors are built beside the old ones, compared, switched.

Searches go on meanwhile, in the old vectors. The switch replaces the store's state in one step, and
so does going back; the old table stays until it is dropped.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from veclab.errors import (
    InputError,
    MissingExtra,
    ModelUnavailable,
    ProviderError,
    SpaceMismatch,
    StoreError,
)
from veclab.evaluation.bootstrap import distributions, estimate
from veclab.evaluation.metrics import mean
from veclab.hints import typed
from veclab.pipeline.embed import embed_block
from veclab.provider import role_of
from veclab.report import Report
from veclab.space import require_same
from veclab.store.location import table_name
from veclab.store.passage import Passage
from veclab.store.rows import own_fields, table_schema, to_passages, vectors_of, with_vectors
from veclab.store.same_documents import SAMPLE, agree, may_share_documents
from veclab.store.state import State, TableInfo
from veclab.store.tuning import sentence_of, tune

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.model import Model
    from veclab.store.backend import Table
    from veclab.store.store import Store

_QUESTIONS = 200
_TOP = 10
SENTENCES = "sentences of passages"


class Asked(Protocol):
    """A question by which two models are compared; `veclab.rag.questions.Question` is one."""

    @property
    def text(self) -> str:
        """In words."""

    def is_answered_by(self, passage: Passage) -> bool:
        """Whether a passage answers it."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a passage; that passage answers it."""

    text: str
    id: str

    def is_answered_by(self, passage: Passage) -> bool:
        return passage.id == self.id


@dataclass(frozen=True, slots=True)
class Quality:
    """How well one model finds a passage that answers each question.

    Attributes:
        found: share of questions with an answer among the first ten passages.
        mrr: mean reciprocal rank of the best of them within the first ten.
        low, high: 95% interval of `mrr`.
    """

    found: float
    mrr: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Migration:
    """What became of it.

    Attributes:
        old, new: the two Spaces, in words.
        questions: how many were asked of both.
        questions_from: where they came from, in words.
        old_quality, new_quality: how well each found the passages; None where the old model is
            no longer available.
        difference: of `mrr`, new less old, and its 95% interval over the questions; or None.
        switched: whether the new vectors are searched now.
        report: of embedding.
        seconds: wall time.
    """

    old: str
    new: str
    questions: int
    questions_from: str
    old_quality: Quality | None
    new_quality: Quality
    difference: tuple[float, float, float] | None
    switched: bool
    report: Report
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def migrate(
    store: Store,
    model: Model,
    name: str | None = None,
    *,
    switch: bool | None = None,
    questions: Sequence[Asked] | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Migration:
    """Give a store another model.

    Args:
        store: of `Store.open`; its own model is loaded for the comparison.
        model: the new one.
        name: how `veclab.load` calls it, where that is a folder.
        switch: search the new vectors from now on; by default only if they are not clearly
            worse, that is if the interval of the difference reaches zero or above.
        questions: of users, with what answers them, to compare the models by; by default
            sentences of passages, which that passage answers.
        on_done: called with the number of texts finished since the last call.

    Raises:
        InputError: the store has this model already, or there are no questions.
        StoreError: another process writes.
    """
    start = time.perf_counter()
    if questions is not None and not questions:
        raise InputError("none of the questions has an answer: there is nothing to compare by")
    with store.writing():
        state, old = store.state, store.table
        if model.space.same_as(state.live.space):
            raise InputError(f"the store's vectors are already those of {model.space}")
        info, new, report = _shared(store, model, name) or _built(store, model, name, on_done)
        asked = _sentences(old) if questions is None else questions
        after = _ranks(new, model, asked, info.tuning)
        before = _old_ranks(store, asked, report)
        difference = None if before is None else interval(after - before, -1.0)
        worse = difference is not None and difference[2] < 0
        switched = not worse if switch is None else switch
        if switched:
            store.place.write(State(info, state.live, _kept(state.settings)))
            store.place.keep_files(())
            store.use(model)
        elif info.name != state.live.name:
            store.place.drop(info.name)
    return Migration(
        old=str(state.live.space),
        new=str(model.space),
        questions=len(asked),
        questions_from=SENTENCES if questions is None else "questions that were given",
        old_quality=None if before is None else _quality(before),
        new_quality=_quality(after),
        difference=difference,
        switched=switched,
        report=report,
        seconds=round(time.perf_counter() - start, 2),
    )


def _shared(store: Store, model: Model, name: str | None) -> tuple[TableInfo, Table, Report] | None:
    """The table as it is, where the new model gives documents the vectors that they have.

    So it is with a model that was tuned on the side of the queries; a sample is embedded to see it.
    """
    live = store.state.live
    if not may_share_documents(model, live.space):
        return None
    _, rows = store.table.sample(SAMPLE, ["text", "embedded", "embedding"])
    texts, embedded = (rows[column].to_pylist() for column in ("text", "embedded"))
    wanted = [e or t for e, t in zip(embedded, texts, strict=True)]
    if not wanted or not agree(model, wanted, vectors_of(rows)):
        return None
    report = Report()
    report.note(
        f"no document was embedded again: on {len(wanted):,} passages from all over the store the "
        "new model's vectors of documents are those that are there"
    )
    return replace(live, space=model.space, model=name), store.table, report


def _built(
    store: Store, model: Model, name: str | None, on_done: Callable[[int], None] | None
) -> tuple[TableInfo, Table, Report]:
    """A table of the same passages with the new model's vectors, which nobody sees yet."""
    old = store.table
    live = store.state.live
    place = table_name(model.space)
    if place == live.name:  # made by this model, and shared by another since
        place += "_again"
    info = TableInfo(place, model.space, name, live.language)
    schema = table_schema(model.space, own_fields(old.schema))
    new = store.place.create(info.name, schema, info.language)
    report, rows = _embedded(old, new.schema, model, on_done)
    new.commit(set(), rows)
    info = replace(info, space=model.space)  # as it is known now that the model was asked
    new = new.latest()
    if new.index_vectors():
        new = new.latest()
        found = tune(new, None, lambda texts: _queries(model, texts))
        info = replace(info, tuning=None if found is None else found.to_dict())
    return info, new, report


def _old_ranks(store: Store, asked: Sequence[Asked], report: Report) -> NDArray[np.float64] | None:
    """As `_ranks`, of the store's own model; None, with a note, where that is not available."""
    live = store.state.live
    try:
        ranks = _ranks(store.table, store.model, asked, live.tuning)
        require_same(live.space, store.model.space, names=("store", "its own model"))
    except (SpaceMismatch, ModelUnavailable, MissingExtra, ProviderError) as error:
        report.note(f"not compared: the store's own model is not available here ({error})")
        return None
    return ranks


def go_back(store: Store) -> str:
    """Undo the last change of model in one step: remove the bridge, else search the old vectors.

    Returns:
        Which of the two it was: `bridge` or `vectors`.

    Raises:
        StoreError: there are none, or documents changed since, which the old vectors lack.
    """
    with store.writing():
        state = store.state
        if state.bridge is not None:
            store.publish(bridge=None)
            store.place.keep_files(())
            return "bridge"
        if state.previous is None:
            raise StoreError(f"the store {store.place.name} has no previous model to go back to")
        old = store.place.open(state.previous.name)
        if _digests(old) != _digests(store.table):
            raise StoreError(
                "documents have changed since the migration and have no old vectors; migrate back "
                "instead, which embeds only what is new: "
                + typed("migrate", "--store", store.place.name)
                + f" -m {shlex.quote(state.previous.model or state.previous.space.model)}"
            )
        store.place.write(State(state.previous, state.live, _kept(state.settings)))
        store.use(None)
        return "vectors"


def _kept(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings that hold for any model: how documents are cut."""
    return {n: v for n, v in settings.items() if n in ("chunk_size", "overlap", "heading_in_text")}


def _embedded(
    old: Table, schema: pa.Schema, model: Model, on_done: Callable[[int], None] | None
) -> tuple[Report, Iterator[pa.Table]]:
    """The rows of a table with another model's vectors, and the report, filled as they come."""
    role = role_of(model.space, "document")
    run = model.start(role=role, on_empty="skip", on_done=on_done)
    columns = [name for name in old.schema.names if name != "embedding"]

    def rows() -> Iterator[pa.Table]:
        for part in old.scan(columns):
            ids, texts, embedded = (part[n].to_pylist() for n in ("id", "text", "embedded"))
            wanted = [e or t for e, t in zip(embedded, texts, strict=True)]
            done = embed_block(run, ids, wanted)
            yield with_vectors(part.take(done.kept), schema, done.vectors)
        model.finish(run)

    return run.report, rows()


def _sentences(table: Table) -> list[Asked]:
    """Sentences of passages from all over the table."""
    _, rows = table.sample(_QUESTIONS, ["id", "text"])
    texts, ids = rows["text"].to_pylist(), rows["id"].to_pylist()
    return [_Sentence(sentence_of(text, i), ids[i]) for i, text in enumerate(texts)]


def _queries(model: Model, texts: Sequence[str]) -> NDArray[np.float32]:
    return model.embed(texts, role=role_of(model.space, "query"), on_long="split").array


def _ranks(
    table: Table, model: Model, asked: Sequence[Asked], tuning: dict[str, Any] | None
) -> NDArray[np.float64]:
    """Reciprocal rank of each question's first answer within ten; 0 where there is none."""
    options = {} if tuning is None else tuning["search"]
    ranks = []
    for query, question in zip(_queries(model, [a.text for a in asked]), asked, strict=True):
        found = table.nearest(query, _TOP, **options)
        passages = to_passages(table.fetch(found.keys.tolist(), ["id", "document", "text"]))
        right = (i for i, passage in enumerate(passages, 1) if question.is_answered_by(passage))
        ranks.append(1 / next(right, np.inf))
    return np.array(ranks)


def interval(values: NDArray[np.float64], least: float) -> tuple[float, float, float]:
    """Mean, and its 95% interval over the questions by bootstrap; [least, 1] of too few."""
    statistic, n = mean(values), len(values)
    found = estimate(statistic, n, distributions([statistic], n)[0])
    low = least if found.low is None else found.low
    high = 1.0 if found.high is None else found.high
    return round(found.value, 4), round(low, 4), round(high, 4)


def _quality(ranks: NDArray[np.float64]) -> Quality:
    value, low, high = interval(ranks, 0.0)
    return Quality(round(float((ranks > 0).mean()), 4), value, low, high)


def _digests(table: Table) -> set[tuple[str, str]]:
    return {
        pair
        for rows in table.scan(["id", "digest"])
        for pair in zip(rows["id"].to_pylist(), rows["digest"].to_pylist(), strict=True)
    }
