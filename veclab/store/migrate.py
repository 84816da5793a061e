"""Change a store's model. New vectors are built beside the old ones, compared, switched.

Searches go on meanwhile, in the old vectors. The switch replaces the store's state in one step, and
so does going back; the old table stays until it is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

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
from veclab.pipeline.embed import embed_block
from veclab.store.location import table_name
from veclab.store.model_choice import role_of
from veclab.store.rows import own_fields, table_schema, with_vectors
from veclab.store.state import State, TableInfo
from veclab.store.tuning import sentence_of, tune

if TYPE_CHECKING:
    import pyarrow as pa

    from veclab.model import Model
    from veclab.report import Report
    from veclab.store.backend import Table
    from veclab.store.store import Store

_QUESTIONS = 200
_TOP = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """Self-retrieval of one model: how well a sentence finds the passage that it is from.

    Attributes:
        found: share of questions whose passage is among the first ten.
        mrr: mean reciprocal rank of that passage within the first ten.
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
    on_done: Callable[[int], None] | None = None,
) -> Migration:
    """Give a store another model.

    Args:
        store: of `Store.open`; its own model is loaded for the comparison.
        model: the new one.
        name: how `veclab.load` calls it, where that is a folder.
        switch: search the new vectors from now on; by default only if they are not clearly
            worse, that is if the interval of the difference reaches zero or above.
        on_done: called with the number of texts finished since the last call.

    Raises:
        InputError: the store has this model already.
        StoreError: another process writes.
    """
    start = time.perf_counter()
    with store.writing():
        state = store.state
        if model.space.id == state.live.space.id:
            raise InputError(f"the store's vectors are already those of {model.space}")
        old = store.table
        info = TableInfo(table_name(model.space), model.space, name, state.live.language)
        own = own_fields(old.schema)
        new = store.place.create(info.name, table_schema(model.space, own), info.language)
        report, rows = _embedded(old, new.schema, model, on_done)
        new.commit(set(), rows)
        new = new.latest()
        if new.index_vectors():
            new = new.latest()
            found = tune(new, None, lambda texts: _queries(model, texts))
            info = replace(info, tuning=None if found is None else found.to_dict())
        texts, ids = _questions(old)
        after = _ranks(new, _queries(model, texts), ids, info.tuning)
        before = difference = None
        try:
            before = _ranks(old, _queries(store.model, texts), ids, state.live.tuning)
            difference = interval(after - before, -1.0)
        except (SpaceMismatch, ModelUnavailable, MissingExtra, ProviderError) as error:
            report.note(f"not compared: the store's own model is not available here ({error})")
        worse = difference is not None and difference[2] < 0
        switched = not worse if switch is None else switch
        if switched:
            store.place.write(State(info, state.live, _kept(state.settings)))
            store.place.keep_files(())
            store.use(model)
        else:
            store.place.drop(info.name)
    return Migration(
        old=str(state.live.space),
        new=str(model.space),
        questions=len(texts),
        old_quality=None if before is None else _quality(before),
        new_quality=_quality(after),
        difference=difference,
        switched=switched,
        report=report,
        seconds=round(time.perf_counter() - start, 2),
    )


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
                f"instead, which embeds only what is new: veclab migrate --store "
                f"{store.place.name} -m {state.previous.model or state.previous.space.model}"
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
    role = role_of(model, "document")
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


def _questions(table: Table) -> tuple[list[str], list[str]]:
    """Sentences of passages, and the ids of those passages."""
    _, rows = table.sample(_QUESTIONS, ["id", "text"])
    texts = [sentence_of(text, i) for i, text in enumerate(rows["text"].to_pylist())]
    return texts, rows["id"].to_pylist()


def _queries(model: Model, texts: Sequence[str]) -> NDArray[np.float32]:
    return model.embed(texts, role=role_of(model, "query"), on_long="split").array


def _ranks(
    table: Table, queries: NDArray[np.float32], ids: Sequence[str], tuning: dict[str, Any] | None
) -> NDArray[np.float64]:
    """Reciprocal rank of each question's passage among the first ten; 0 where it is not there."""
    options = {} if tuning is None else tuning["search"]
    ranks = []
    for query, id in zip(queries, ids, strict=True):
        found = table.nearest(query, _TOP, **options)
        names = table.fetch(found.keys.tolist(), ["id"])["id"].to_pylist()
        ranks.append(1 / (names.index(id) + 1) if id in names else 0.0)
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
