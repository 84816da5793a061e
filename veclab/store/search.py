"""One search: candidates by vectors and by words, their scores joined, the best fetched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.pipeline.prepare import repair_surrogates
from veclab.store.fields import INTERNAL
from veclab.store.fusion import FUSIONS, Fusion, diversify, fuse
from veclab.store.passage import Hit
from veclab.store.rows import to_passages, vectors_of
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from veclab.space import Space
    from veclab.store.backend import Table
    from veclab.store.where import Where

Mode = Literal["hybrid", "vector", "keyword"]
MODES: tuple[Mode, ...] = ("hybrid", "vector", "keyword")
_CANDIDATES = 100  # of either kind at least: fusion and MMR choose among them
_RERANKED = 50
_MAX_TOP = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What a search asks for, checked; see `Store.search`."""

    query: str
    top: int
    mode: Mode
    min_score: float | None
    mmr: float | None
    fusion: Fusion
    weight: float
    rerank: str | None

    def __post_init__(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            raise InputError("the query is empty; say what to look for")
        object.__setattr__(self, "query", repair_surrogates(self.query))
        if not 1 <= self.top <= _MAX_TOP:
            raise InputError(f"top must be from 1 to {_MAX_TOP:,}, not {self.top}")
        if self.mode not in MODES:
            raise InputError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}")
        if self.fusion not in FUSIONS:
            raise InputError(f"fusion must be one of {', '.join(FUSIONS)}, not {self.fusion!r}")
        for name in ("mmr", "weight"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} must be from 0 to 1, not {value}")

    @property
    def needs_vector(self) -> bool:
        """Whether the query has to be embedded."""
        return self.mode != "keyword" or self.mmr is not None


@dataclass(slots=True)
class _Candidates:
    """n rows with what is known of each, in the order of `score`."""

    keys: NDArray[np.int64]
    score: NDArray[np.float32]
    vector: NDArray[np.float32] | None = None
    keyword: NDArray[np.float32] | None = None
    rerank: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[Any] | list[int]) -> _Candidates:
        """Some of them, in this order."""

        def part(values: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
            return None if values is None else values[rows]

        return replace(
            self,
            keys=self.keys[rows],
            score=self.score[rows],
            vector=part(self.vector),
            keyword=part(self.keyword),
            rerank=part(self.rerank),
        )


def given_vector(vector: Any, space: Space) -> NDArray[np.float32]:
    """A query's vector that the caller has: float32 (dim,); raises InputError of anything else."""
    array: NDArray[np.float32] = np.asarray(vector, dtype=np.float32)
    if array.shape != (space.dimensions,) or not np.isfinite(array).all():
        raise InputError(
            f"the query's vector must be {space.dimensions} finite numbers, not an array of shape "
            f"{array.shape}"
        )
    return array


def run_search(
    table: Table,
    request: Request,
    query: NDArray[np.float32] | None,
    where: Where | None,
    tuning: dict[str, Any] | None,
) -> list[Hit]:
    """Search one snapshot of a table.

    Args:
        table: to search.
        request: what is asked.
        query: float32 (dim,); None where no vector is needed.
        where: a filter or None.
        tuning: of the vector index; see `State`.
    """
    found = _candidates(table, request, query, where, tuning)
    if request.min_score is not None:
        by = found.keyword if found.vector is None else found.vector
        assert by is not None
        found = found.take(by >= request.min_score)
    if request.rerank is not None:
        found = _rerank(table, request, found)
    if request.mmr is not None and len(found.keys):
        vectors = normalize(vectors_of(table.fetch(found.keys.tolist(), ["embedding"])))
        found = found.take(diversify(found.score, vectors, request.mmr, request.top))
    return _hits(table, found.take(np.arange(min(request.top, len(found.keys)))))


def _candidates(
    table: Table,
    request: Request,
    query: NDArray[np.float32] | None,
    where: Where | None,
    tuning: dict[str, Any] | None,
) -> _Candidates:
    more = request.mode == "hybrid" or request.mmr is not None or request.rerank is not None
    limit = max(_CANDIDATES, 2 * request.top) if more else request.top
    options = {} if tuning is None else tuning.get("search", {})
    if request.mode == "keyword":
        words = table.keyword(request.query, limit, where)
        return _Candidates(words.keys, words.scores, keyword=words.scores)
    assert query is not None
    near = table.nearest(query, limit, where, **options)
    if request.mode == "vector":
        return _Candidates(near.keys, near.scores, vector=near.scores)
    words = table.keyword(request.query, limit, where)
    keys = np.unique(np.concatenate([near.keys, words.keys]))
    if not len(keys):
        return _Candidates(keys, np.zeros(0, np.float32), vector=np.zeros(0, np.float32))
    vector = np.full(len(keys), np.nan, np.float32)
    vector[np.searchsorted(keys, near.keys)] = near.scores
    missing = np.isnan(vector)
    vector[missing] = table.cosines(query, keys[missing])
    keyword = np.zeros(len(keys), np.float32)
    keyword[np.searchsorted(keys, words.keys)] = words.scores
    score = fuse(vector, keyword, request.fusion, request.weight)
    order = np.lexsort((keys, -vector, -score))
    return _Candidates(keys, score, vector, keyword).take(order)


def _rerank(table: Table, request: Request, found: _Candidates) -> _Candidates:
    """Let a cross-encoder read the best together with the query."""
    from veclab.store.reranking import cross_encoder

    assert request.rerank is not None
    found = found.take(np.arange(min(max(_RERANKED, request.top), len(found.keys))))
    texts = table.fetch(found.keys.tolist(), ["text"])["text"].to_pylist()
    scores = cross_encoder(request.rerank).scores(request.query, texts)
    found = replace(found, score=scores, rerank=scores)
    return found.take(np.argsort(-scores, kind="stable"))


def _hits(table: Table, found: _Candidates) -> list[Hit]:
    wanted = [name for name in table.schema.names if name not in INTERNAL or name == "boxes"]
    passages = to_passages(table.fetch(found.keys.tolist(), wanted)) if len(found.keys) else []
    hits = []
    for i, passage in enumerate(passages):
        word = None if found.keyword is None else float(found.keyword[i])
        hits.append(
            Hit(
                passage,
                score=float(found.score[i]),
                vector=None if found.vector is None else float(found.vector[i]),
                keyword=word or None,
                rerank=None if found.rerank is None else float(found.rerank[i]),
            )
        )
    return hits
