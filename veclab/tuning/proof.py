"""Proof: whether a tuned model is better than its base on what it never saw, and what it forgot.

Both models answer the same held-out queries, and the mean of the differences, query by query, is
resampled (paired bootstrap, `veclab.evaluation.bootstrap`). A gain is proven when its 95% interval
lies above 0. The same is done with general sentence pairs that come with veclab.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.evaluation.bootstrap import FEWEST, distributions, estimate, paired_p
from veclab.evaluation.compare import embed_sides
from veclab.evaluation.datasets import Dataset, Head, PairData, RetrievalData, pair_data
from veclab.evaluation.leaderboard import Board, Difference, Outcome, make_board
from veclab.evaluation.metrics import value_of
from veclab.evaluation.results import Result
from veclab.evaluation.scoring import Evidence, examine, per_unit, statistics
from veclab.model import Model
from veclab.provider import has_routes, role_of
from veclab.space import Role
from veclab.store.same_documents import same_documents
from veclab.tuning.data import TrainingData
from veclab.vectors import Vectors

TUNED = "tuned"
SHOWN = 5
# Of the queries: so many whose wrong document is nearer than the right one, and the two columns
# have most likely been taken for each other.
SWAPPED = 0.8
_GENERAL = "general.csv"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a metric, from the base to the tuned model, on the same units.

    Attributes:
        data: name of the data set.
        metric: its name.
        units: how many were measured, of what.
        before, after: the two figures.
        value, low, high: their difference, and its 95% interval.
        p: how often chance alone would make a difference as large.
    """

    data: str
    metric: str
    units: str
    before: float
    after: float
    value: float
    low: float
    high: float
    p: float

    @property
    def proven(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.before:.4f} to {self.after:.4f}: {self.value:+.4f}, "
            f"95% from {self.low:+.4f} to {self.high:+.4f}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        numbers = {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return numbers | {"proven": self.proven}


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found.

    Attributes:
        gain: on the held-out queries.
        general: on sentence pairs of no domain; a loss is what was forgotten.
        boards: both, as `compare` shows them.
        won, lost: the queries that gained and lost most.
        doubt: why the data itself is in doubt, in a sentence; "" where it is not.
    """

    gain: Change
    general: Change
    boards: tuple[Board, ...]
    won: tuple[Difference, ...]
    lost: tuple[Difference, ...]
    doubt: str = ""

    @property
    def proven(self) -> bool:
        """Whether there is a gain, and no doubt about the data."""
        return self.gain.proven and not self.doubt

    @property
    def verdict(self) -> str:
        """What follows, in a sentence or two."""
        if self.doubt:
            said = f"Refused: {self.doubt}."
        elif self.gain.proven:
            said = f"Gain proven on {self.gain.units} held out: {self.gain}."
        elif self.gain.value == 0:
            said = f"No gain: on {self.gain.units} held out both models are equal ({self.gain})."
        else:
            said = f"No gain proven: on {self.gain.units} held out the interval of the difference "
            said += "lies below 0" if self.gain.high < 0 else "holds 0"
            said += f" ({self.gain})."
        if self.general.high < 0:
            said += f" It forgot: on {self.general.units} of general text {self.general}."
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "proven": self.proven,
            "gain": self.gain.to_dict(),
            "general": self.general.to_dict(),
            "won": [asdict(one) for one in self.won],
            "lost": [asdict(one) for one in self.lost],
            "doubt": self.doubt,
        }


def prove(
    base: Model,
    tuned: Model,
    held_out: RetrievalData,
    general: PairData,
    doubt: str = "",
) -> Proof:
    """Measure both models on held-out queries and on general pairs.

    Args:
        base, tuned: the two models.
        held_out: with at least `veclab.evaluation.bootstrap.FEWEST` queries.
        general: pairs with scores.
        doubt: see `Proof`.

    Raises:
        BadVectors: a model gave no vector for a text.
        MissingExtra: pytrec_eval is not installed.
    """
    routed = has_routes(tuned.space)
    boards, changes = [], []
    pairs: list[tuple[Evidence, Evidence]] = []
    for dataset in (held_out, general):
        old = _measured(base.space.model, base, dataset, routed)
        new = _measured(TUNED, tuned, dataset, routed, old)
        before, after = (one.result.rows[""] for one in (old, new))
        boards.append(make_board(dataset, [old.outcome, new.outcome]))
        changes.append(_change(dataset, before, after))
        pairs.append((before, after))
    won, lost = _moved(held_out, base.space.model, *pairs[0])
    return Proof(changes[0], changes[1], tuple(boards), won, lost, doubt)


class _Measured(NamedTuple):
    """What a model said to a data set, and the vectors of the sides."""

    result: Result
    sides: Sequence[Vectors]

    @property
    def outcome(self) -> Outcome:
        dimensions = self.sides[0].space.dimensions
        return Outcome(self.result.model, "", self.result, dimensions, 4 * dimensions)


def _measured(
    label: str, model: Model, dataset: Dataset, routed: bool, before: _Measured | None = None
) -> _Measured:
    """Put the question to a model; of one whose documents stay, only the queries are embedded."""
    result = Result(label, model.space.to_dict(), dataset.name, dataset.digest, dataset.task)
    # Where queries have a route of their own, what was forgotten shows between the two routes.
    apart = routed or isinstance(dataset, RetrievalData)
    roles: list[Role | None] = [None, None]
    if apart:
        roles = [role_of(model.space, "query"), role_of(model.space, "document")]
    if before is not None and routed and apart and same_documents(model, before.sides[1]):
        found = model.embed(dataset.sides[0], role=roles[0], on_empty="error")
        sides = [found, before.sides[1]]
        result.texts, result.tokens = before.result.texts, before.result.tokens
        result.truncated, result.tokens_lost = before.result.truncated, before.result.tokens_lost
    else:
        sides = embed_sides(model, dataset, roles, result)
    result.rows[""] = examine(dataset, [side.array for side in sides])
    return _Measured(result, sides)


def doubt_of(model: Model, data: TrainingData) -> str:
    """Return why data are in doubt before anything is trained; "" where they are not.

    An untuned model finds the right document more easily than a wrong one, if only just. Where it
    is nearly always the other way round, right and wrong have been taken for each other.
    """
    judged = [i for i, wrong in enumerate(data.negatives) if wrong]
    if len(judged) < FEWEST:
        return ""
    shown = sorted({d for i in judged for d in (*data.positives[i], *data.negatives[i])})
    place = {d: row for row, d in enumerate(shown)}
    queries = model.embed(
        [data.queries[i] for i in judged], role=role_of(model.space, "query"), on_empty="error"
    ).array
    documents = model.embed(
        [data.documents[d] for d in shown], role=role_of(model.space, "document"), on_empty="error"
    ).array
    swapped = 0
    for row, i in enumerate(judged):
        right, wrong = (
            (documents[[place[d] for d in links[i]]] @ queries[row]).max()
            for links in (data.positives, data.negatives)
        )
        swapped += int(wrong > right)
    if swapped < SWAPPED * len(judged):
        return ""
    return (
        f"for {swapped:,} of {len(judged):,} queries a document given as wrong is nearer than any "
        "given as right, so the two seem to be swapped; name the columns (--column QUERY --column "
        "DOCUMENT --column WRONG)"
    )


def _change(dataset: Dataset, before: Evidence, after: Evidence) -> Change:
    """Resample the difference of the metric that decides, on the same units."""
    n = len(dataset)
    found = [statistics(dataset, evidence) for evidence in (before, after)]
    metric = next(iter(found[0]))
    first, second = (metrics[metric] for metrics in found)

    def difference(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return second(weights) - first(weights)

    drawn = distributions([difference], n)[0]
    interval = estimate(difference, n, drawn)
    low = -1.0 if interval.low is None else interval.low
    high = 1.0 if interval.high is None else interval.high
    return Change(
        data=dataset.name,
        metric=metric,
        units=f"{n:,} {dataset.units}",
        before=value_of(first, n),
        after=value_of(second, n),
        value=interval.value,
        low=low,
        high=high,
        p=paired_p(interval.value, drawn),
    )


def _moved(
    dataset: RetrievalData, label: str, before: Evidence, after: Evidence
) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """Return the queries that gained most and those that lost most, the furthest first."""
    old, new = per_unit(dataset, before), per_unit(dataset, after)
    order = np.argsort(old - new, kind="stable")

    def shown(units: Sequence[int]) -> tuple[Difference, ...]:
        return tuple(
            Difference(
                text=dataset.unit_text(unit),
                answer=dataset.unit_answer(unit),
                rows=(
                    (label, float(old[unit]), before.said[unit]),
                    (TUNED, float(new[unit]), after.said[unit]),
                ),
            )
            for unit in units
        )

    won = [int(unit) for unit in order[:SHOWN] if new[unit] > old[unit]]
    lost = [int(unit) for unit in order[::-1][:SHOWN] if new[unit] < old[unit]]
    return shown(won), shown(lost)


def general_pairs() -> PairData:
    """Return the general sentence pairs that come with veclab: a sample of the STS Benchmark.

    `general.md` beside it says where they are from, and under which license.
    """
    text = (files("veclab.tuning") / _GENERAL).read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))
    head = Head("general", "sts", f"{len(rows):,} sentence pairs of the STS Benchmark's test part")
    first, second, scores = zip(*rows, strict=True)
    return pair_data(head, first, second, [float(score) for score in scores])
