"""Bridge: let a new model's queries search the vectors that a store has.

From a sample of the store's texts embedded by both models a map from the new space into the old
one is learned. What it keeps is measured on texts that it never saw, and a map that keeps too
little is not saved. The idea is that of Drift-Adapter (arXiv 2509.23471).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.provider import role_of
from veclab.space import require_same
from veclab.store.bridge_map import TOP, LinearMap, bridged_space, choose, digest_of, fit, kept
from veclab.store.migrate import interval
from veclab.store.rows import vectors_of
from veclab.store.state import BridgeInfo
from veclab.store.tuning import sentence_of
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from veclab.model import Model
    from veclab.space import OnLong, Role, Space
    from veclab.store.backend import Table
    from veclab.store.store import Store

MIN_RECALL = 0.8
SAMPLE = 2000
_FEWEST = 60  # passages: fewer leave too little to learn from and to measure on
_QUESTIONS = 200  # that are measured on, and as many that choose among the maps
_TIE = 1e-5

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bridging:
    """What a bridge keeps, measured on sentences that it was not learned from.

    Each share is given with its 95% interval over the questions: (share, low, high).

    Attributes:
        old, new: the two Spaces, in words.
        kind: of the map that was chosen.
        passages: how many were embedded by both models.
        questions: how many sentences it was measured on.
        old_kept: share of the old model's own top 10 that bridged queries find, in the whole
            store. This is what must reach `min_recall`.
        new_kept: share of the new model's own top 10 that they find, among `passages`.
        old_of_new: share of the new model's own top 10 that the old model finds itself, among
            `passages`, for comparison.
        min_recall: what was asked for.
        saved: whether new queries search the store by it from now on.
        space: of such queries, in words; None where it was not saved.
        seconds: wall time.
    """

    old: str
    new: str
    kind: str
    passages: int
    questions: int
    old_kept: tuple[float, float, float]
    new_kept: tuple[float, float, float]
    old_of_new: tuple[float, float, float]
    min_recall: float
    saved: bool
    space: str | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def build_bridge(
    store: Store,
    model: Model,
    name: str | None = None,
    *,
    min_recall: float = MIN_RECALL,
    sample: int = SAMPLE,
    on_done: Callable[[int], None] | None = None,
) -> Bridging:
    """Learn a bridge from a new model to a store's vectors, and save it if it keeps enough.

    Then `Store.open(path, model).search(...)` takes the new model. Documents still come from the
    store's own, and `go_back` removes the bridge. One that was there before is replaced.

    Args:
        store: of `Store.open`; its own model is loaded, too.
        model: the new one.
        name: how `veclab.load` calls it, where that is a folder.
        min_recall: the least share of the old model's own top 10 that it has to keep.
        sample: how many passages both models embed.
        on_done: called with the number of texts finished since the last call; there are three
            for each passage of the sample.

    Raises:
        InputError: the store has this model already, or too few passages; an option cannot be.
        SpaceMismatch, ModelUnavailable: of the store's own model.
        StoreError: another process writes.
    """
    start = time.perf_counter()
    if not 0 <= min_recall <= 1:
        raise InputError(f"min_recall must be from 0 to 1, not {min_recall}")
    if sample < _FEWEST:
        raise InputError(f"a bridge is learned from {_FEWEST} passages at least, not {sample}")
    with store.writing():
        state, table = store.state, store.table
        if model.space.same_as(state.live.space):
            raise InputError(f"the store's vectors are of {model.space} already")
        both = _embed_sample(table, store.model, model, sample, on_done)
        require_same(state.live.space, store.model.space, names=("store", "its own model"))
        found, held = _learn(both)
        shares = _measure(store, found, both, held)
        space = None
        if shares.old_kept[0] >= min_recall:
            measured = shares._asdict() | {
                "min_recall": min_recall,
                "questions": len(held),
                "passages": len(both.old),
            }
            space = _save(store, found, model, name, measured)
    return Bridging(
        old=str(state.live.space),
        new=str(model.space),
        kind=found.kind,
        passages=len(both.old),
        questions=len(held),
        **shares._asdict(),
        min_recall=min_recall,
        saved=space is not None,
        space=None if space is None else str(space),
        seconds=round(time.perf_counter() - start, 2),
    )


class _Shares(NamedTuple):
    """What a bridge keeps, as in `Bridging`: shares with their 95% intervals."""

    old_kept: tuple[float, float, float]
    new_kept: tuple[float, float, float]
    old_of_new: tuple[float, float, float]


def _measure(store: Store, found: LinearMap, both: _Both, held: NDArray[np.int64]) -> _Shares:
    """Measure a map on the rows that it was not learned from."""
    old, new = both.old_queries[held], both.new_queries[held]
    asked = found(new)
    live = store.state.live
    tuning = {} if live.tuning is None else live.tuning["search"]
    return _Shares(
        old_kept=interval(_kept_in_store(store.table, asked, old, tuning), 0.0),
        new_kept=interval(kept(asked, both.old, new, both.new), 0.0),
        old_of_new=interval(kept(old, both.old, new, both.new), 0.0),
    )


def _save(
    store: Store, found: LinearMap, model: Model, name: str | None, measured: dict[str, Any]
) -> Space:
    """Let queries of the new model search the store by this map; returns their Space."""
    data = found.to_bytes()
    digest = digest_of(data)
    space = bridged_space(model.space, store.state.live.space, digest)
    info = BridgeInfo(digest, model.space, space, found.kind, name, measured)
    store.place.write_file(info.file, data)
    store.publish(bridge=info)
    store.place.keep_files(store.state.files)
    return space


class _Both(NamedTuple):
    """n passages and a sentence of each, in both spaces, at unit length."""

    new: Floats  # (n, from) passages
    old: Floats  # (n, to) the same, as the store has them
    new_queries: Floats  # (n, from) sentences
    old_queries: Floats  # (n, to)


def _embed_sample(
    table: Table, old: Model, new: Model, count: int, on_done: Callable[[int], None] | None
) -> _Both:
    """Passages from all over the store, no sentence twice, and none that a model cannot read."""
    _, rows = table.sample(count, ["text", "embedded", "embedding"])
    texts = rows["text"].to_pylist()
    sentences = [sentence_of(text, i) for i, text in enumerate(texts)]
    first = {sentence: i for i, sentence in reversed(list(enumerate(sentences)))}
    chosen = np.array(sorted(first.values()), dtype=np.int64)
    if len(chosen) < _FEWEST:
        raise InputError(
            f"a bridge is learned from {_FEWEST} different passages at least, and the store has "
            f"{len(chosen)}; embed it anew, which takes no time: veclab migrate without --bridge"
        )
    embedded = rows["embedded"].to_pylist()
    wanted = [embedded[i] or texts[i] for i in chosen]
    asked = [sentences[i] for i in chosen]

    def embed(model: Model, texts: Sequence[str], role: Role) -> dict[int, Floats]:
        long: OnLong = "split" if role == "query" else "truncate"
        done = model.embed(
            texts,
            ids=range(len(texts)),
            role=role_of(model.space, role),
            on_long=long,
            on_done=on_done,
        )
        return dict(zip(map(int, done.ids), normalize(done.array), strict=True))

    parts = embed(new, wanted, "document"), embed(new, asked, "query"), embed(old, asked, "query")
    rows_read = sorted(set(parts[0]) & set(parts[1]) & set(parts[2]))
    if len(rows_read) < _FEWEST:
        raise InputError(
            f"both models can read only {len(rows_read)} of {len(chosen)} passages, and a bridge "
            f"is learned from {_FEWEST} at least"
        )
    passages, questions, old_questions = (np.stack([p[i] for i in rows_read]) for p in parts)
    stored = normalize(vectors_of(rows)[chosen[rows_read]])
    return _Both(passages, stored, questions, old_questions)


def _learn(both: _Both) -> tuple[LinearMap, NDArray[np.int64]]:
    """The map, chosen on some rows and fitted on all but those it is measured on: these."""
    n = len(both.old)
    order = np.random.default_rng(0).permutation(n)
    size = min(_QUESTIONS, n // 4)
    held, choosing, fitting = order[:size], order[size : 2 * size], order[2 * size :]
    kind = choose(
        _pairs(both, fitting), (both.new_queries[choosing], both.old_queries[choosing]), both.old
    )
    maps = fit(*_pairs(both, order[size:]))
    return next(found for found in maps if found.kind == kind), held


def _pairs(both: _Both, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """What a map is fitted on: passages and sentences, in both spaces."""
    return (
        np.concatenate([both.new[rows], both.new_queries[rows]]),
        np.concatenate([both.old[rows], both.old_queries[rows]]),
    )


def _kept_in_store(
    table: Table, asked: Floats, own: Floats, tuning: dict[str, Any]
) -> NDArray[np.float64]:
    """The share of each query's own top 10 in the store that its bridged self finds: (m,)."""
    shares = []
    for bridged, query in zip(asked, own, strict=True):
        least = table.nearest(query, TOP, **tuning).scores.min()
        found = table.nearest(bridged, TOP, **tuning).keys
        shares.append(float((table.cosines(query, found) >= least - _TIE).mean()))
    return np.array(shares)
