"""Adapter: a linear map on the side of the queries; documents keep the vectors that they have.

The map starts from one of two closed forms, the identity or a power of the covariance of the
documents' vectors, which evens out the directions that all of a domain's texts share (partial
whitening; Su et al. 2021, arXiv:2103.15316). From there it is trained: gradient descent on the
contrastive loss with every document of a batch as a negative of the others' queries (van den Oord
et al. 2018, arXiv:1807.03748). Few pairs bear few steps, so the start and the number of steps are
chosen by cross-validation, inside of the training part. No steps from the identity are a choice,
too: then the model stays what it is, and the proof says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.evaluation.metrics import rank
from veclab.model import load
from veclab.models.local.folder import ModelFolder
from veclab.provider import has_routes, role_of
from veclab.tuning.alike import alike
from veclab.tuning.data import TrainingData
from veclab.tuning.method import OnStep, Settings, Trained
from veclab.tuning.routed_folder import save_routed
from veclab.tuning.split import LARGEST, groups_of_documents, groups_of_queries

POWERS = (0.0, 0.1, 0.25)
MARKS = (0, 1, 2, 3, 5, 10, 20, 40)
FOLDS = 5
# With more queries than this one fold tells as much as five, and takes a fifth of the time.
ENOUGH = 5000
BATCH = 512
TEMPERATURE = 0.05
RATE = 1.0
MOMENTUM = 0.9
# Documents that are searched to choose by; the positives are among them.
SEARCHED = 10_000
TOP = 10
_PATIENCE = 10  # steps, before a run that is worse than its start is left
_FLOOR = 0.1  # of the covariance's eigenvalues, in units of their mean

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vectored:
    """Training data as vectors of unit length.

    Attributes:
        queries: float32 (n, dim).
        documents: float32 (m, dim).
        positives, negatives: for each query, positions of documents.
        groups: for each query, the number of its group: those that share a document, or nearly
            equal ones, are in one.
    """

    queries: Floats
    documents: Floats
    positives: Sequence[NDArray[np.intp]]
    negatives: Sequence[NDArray[np.intp]]
    groups: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Choice:
    """A start and how far to go from it, and what cross-validation says of it.

    Attributes:
        power: of the documents' covariance, negative: 0 for the identity.
        steps: of gradient descent.
        gain: in nDCG@10 on the folds that were left out, over the untuned model.
    """

    power: float
    steps: int
    gain: float

    def __str__(self) -> str:
        start = f"covariance^-{self.power:g}" if self.power else "identity"
        return f"{start}, then {self.steps} steps"


def train(
    base: ModelFolder, data: TrainingData, folder: Path, settings: Settings, on_step: OnStep
) -> Trained:
    """Train an adapter; see `veclab.tuning.method.Method`.

    Raises:
        InputError: the base is static, or has routes already.
        OutputError: the folder cannot be written.
    """
    if base.static is not None:
        raise InputError(
            f"{base.name} is a static model: an adapter goes behind a transformer; "
            "--method static distills one for your domain"
        )
    if base.routed:
        raise InputError(
            f"{base.name} has routes for queries and documents already, and an adapter would be a "
            "second one; tune the model that it was made from"
        )
    start = time.perf_counter()
    vectored, notes = embedded(base, data, settings)
    choice = choose(vectored, settings.seed, on_step)
    matrix = fit(vectored, choice, settings.seed)
    save_routed(base, matrix, folder)
    facts: dict[str, str | int | float] = {
        "parameters": matrix.size,
        "start": f"covariance^-{choice.power:g}" if choice.power else "identity",
        "steps": choice.steps,
        "gain in cross-validation (nDCG@10)": round(choice.gain, 4),
        "distance from the identity": round(float(np.linalg.norm(matrix - np.eye(len(matrix)))), 2),
        "seconds": round(time.perf_counter() - start, 1),
    }
    if choice.steps == 0 and not choice.power:
        notes = [*notes, "cross-validation found no map better than none: the adapter does nothing"]
    return Trained("adapter", facts, notes)


def embedded(
    base: ModelFolder, data: TrainingData, settings: Settings
) -> tuple[Vectored, list[str]]:
    """Embed the training part; also return what should be known of the texts."""
    model = load(str(base.path), device=settings.device)
    assert not has_routes(model.space)
    sides, notes = [], []
    for texts, role in ((data.queries, "query"), (data.documents, "document")):
        made = model.embed(
            texts, role=role_of(model.space, role), on_empty="error"  # type: ignore[arg-type]
        )  # fmt: skip
        sides.append(made.array)
        if made.report is not None and made.report.truncated:
            notes.append(
                f"{made.report.truncated:,} of {len(texts):,} {role} texts are over the limit of "
                f"{model.max_tokens} tokens and were read up to it"
            )
    positives, negatives = (
        [np.asarray(found, dtype=np.intp) for found in links]
        for links in (data.positives, data.negatives)
    )
    groups = groups_of_queries(data, groups_of_documents(data.documents, alike(made)))
    return Vectored(sides[0], sides[1], positives, negatives, groups), notes


def choose(data: Vectored, seed: int, on_step: OnStep = lambda done, total: None) -> Choice:
    """Choose the start and the number of steps by cross-validation; of equals the simplest."""
    folds = list(_folds(data.groups, seed))
    runs = [(fold, p) for fold in folds for p in range(len(POWERS))]
    figures = np.zeros((len(POWERS), len(MARKS), len(data.queries)))
    for done, (left_out, p) in enumerate(runs):
        seen, asked = _without(data, left_out), _asked(data, left_out, seed)
        start = whitening(seen.documents, POWERS[p])
        for m, matrix in enumerate(_descend(seen, start, MARKS, seed)):
            figures[p, m, left_out] = ndcg(asked, matrix)
            on_step(done * MARKS[-1] + MARKS[m], len(runs) * MARKS[-1])
            if MARKS[m] >= _PATIENCE and _mean(figures[p, m, left_out]) < _mean(
                figures[p, 0, left_out]
            ):
                break  # it learns the pairs by heart; what was not reached has the figure 0
    asked_at_all = np.concatenate(folds)
    means = figures[:, :, asked_at_all].mean(axis=2)
    place = int(np.argmax(np.round(means, 6).T.ravel()))  # fewest steps first, then the powers
    m, p = divmod(place, len(POWERS))
    return Choice(POWERS[p], MARKS[m], float(means[p, m] - means[0, 0]))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean())


def fit(data: Vectored, choice: Choice, seed: int) -> Floats:
    """Return the map, float32 (dim, dim), for `queries @ map`."""
    (matrix,) = _descend(data, whitening(data.documents, choice.power), (choice.steps,), seed)
    return matrix


def whitening(documents: Floats, power: float) -> Floats:
    """Return the covariance of documents to a negative power, of mean eigenvalue 1: (dim, dim)."""
    if not power or len(documents) < 2:
        return np.eye(documents.shape[1], dtype=np.float32)
    values, vectors = np.linalg.eigh(np.cov(documents.T.astype(np.float64)))
    values = np.maximum(values, 0)
    scaled = (values / max(values.mean(), 1e-12) + _FLOOR) ** -power
    matrix: Floats = ((vectors * (scaled / scaled.mean())) @ vectors.T).astype(np.float32)
    return matrix


def ndcg(data: Vectored, matrix: Floats) -> NDArray[np.float64]:
    """Return nDCG@10 of each query carried over by a map, among the documents: (n,)."""
    discounts = 1 / np.log2(np.arange(2, TOP + 2))
    figures = np.empty(len(data.queries))
    for start in range(0, len(figures), BATCH):
        carried = np.asarray(data.queries[start : start + BATCH] @ matrix, np.float32)
        for row, places in enumerate(rank(carried @ data.documents.T, TOP)):
            right = data.positives[start + row]
            best = discounts[: min(TOP, len(right))].sum()
            hits = np.isin(places, right)
            figures[start + row] = discounts[: len(places)][hits].sum() / best
    return figures


def _folds(groups: NDArray[np.intp], seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the queries that are left out in turn; of many queries, one such part only.

    A group stays together, or near-copies of what is asked would have been seen; one that is too
    large for that is taken apart, as the split does.
    """
    n = len(groups)
    names, members = np.unique(groups, return_inverse=True)
    large = np.bincount(members)[members] > LARGEST * n
    members = np.where(large, len(names) + np.arange(n), members)
    fold = np.random.default_rng(seed).permutation(int(members.max()) + 1)[members] % FOLDS
    parts = [np.flatnonzero(fold == number) for number in np.unique(fold)]
    yield from (parts[:1] if n > ENOUGH else parts)


def _without(data: Vectored, left_out: NDArray[np.intp]) -> Vectored:
    """Return the data without some queries and without their documents, as the split does."""
    gone = np.zeros(len(data.documents), dtype=bool)
    for i in left_out:
        gone[data.positives[i]] = True
    place = np.cumsum(~gone) - 1
    kept = np.setdiff1d(np.arange(len(data.queries)), left_out)
    kept = np.array([i for i in kept if not gone[data.positives[i]].all()], dtype=np.intp)

    def moved(links: Sequence[NDArray[np.intp]]) -> list[NDArray[np.intp]]:
        return [place[links[i][~gone[links[i]]]] for i in kept]

    return Vectored(
        data.queries[kept],
        data.documents[~gone],
        moved(data.positives),
        moved(data.negatives),
        data.groups[kept],
    )


def _asked(data: Vectored, left_out: NDArray[np.intp], seed: int) -> Vectored:
    """Return the queries that were left out with what they search: at most `SEARCHED` documents."""
    own = np.unique(np.concatenate([data.positives[i] for i in left_out]))
    others = np.setdiff1d(np.arange(len(data.documents)), own)
    room = max(0, SEARCHED - len(own))
    if len(others) > room:
        others = np.random.default_rng(seed).choice(others, room, replace=False)
    kept = np.sort(np.concatenate([own, others]))
    positives = [np.searchsorted(kept, data.positives[i]) for i in left_out]
    return Vectored(
        data.queries[left_out], data.documents[kept], positives, [], data.groups[left_out]
    )


def _descend(data: Vectored, matrix: Floats, marks: Sequence[int], seed: int) -> Iterator[Floats]:
    """Yield the map after each number of steps in `marks`, ascending."""
    random = np.random.default_rng(seed)
    speed, done = np.zeros_like(matrix), 0
    for mark in marks:
        for _ in range(mark - done):
            speed = MOMENTUM * speed - RATE * _gradient(data, matrix, random)
            matrix = matrix + speed
        done = mark
        yield matrix


def _gradient(data: Vectored, matrix: Floats, random: np.random.Generator) -> Floats:
    """Return the gradient of the contrastive loss on a batch, times the temperature: (dim, dim)."""
    n, m = len(data.queries), len(data.documents)
    chosen = np.arange(n) if n <= BATCH else random.choice(n, BATCH, replace=False)
    own = [data.positives[i] for i in chosen]
    hard = [data.negatives[i] for i in chosen] if data.negatives else []
    shown = np.unique(np.concatenate([*own, *hard]))
    if m <= 2 * BATCH:
        shown = np.arange(m)
    right = np.zeros((len(chosen), len(shown)), dtype=np.float32)
    for row, positives in enumerate(own):
        right[row, np.searchsorted(shown, positives)] = 1 / len(positives)
    queries, documents = data.queries[chosen], data.documents[shown]
    carried = queries @ matrix
    lengths = np.maximum(np.linalg.norm(carried, axis=1, keepdims=True), 1e-12)
    unit = carried / lengths
    scores = unit @ documents.T / TEMPERATURE
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    toward = (scores / scores.sum(axis=1, keepdims=True) - right) @ documents / len(chosen)
    across = (toward - (toward * unit).sum(axis=1, keepdims=True) * unit) / lengths
    gradient: Floats = queries.T @ across
    return gradient
