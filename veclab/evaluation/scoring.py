"""From a data set and its vectors to evidence, and from evidence to metrics.

Evidence is what one model said about each unit, as plain lists: it is what a result file keeps,
so that intervals and paired tests against models compared later need no vectors.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra
from veclab.evaluation import metrics
from veclab.evaluation.datasets import Dataset, LabelData, PairData, RetrievalData
from veclab.evaluation.metrics import Statistic
from veclab.report import one_line

NEIGHBORS = 5
PROBE_FOLDS = 5
# A probe over more texts than this takes minutes and tells nothing more.
PROBE_TEXTS = 2000

_BLOCK = 256

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one row of the table rests on.

    Attributes:
        figures: name -> one number per unit; what they mean is the task's affair.
        said: for each unit, what the model answered, in a few words.
        notes: what the user should know of these figures.
    """

    figures: Mapping[str, Sequence[float]]
    said: Sequence[str]
    notes: Sequence[str] = ()


def examine(dataset: Dataset, sides: Sequence[Array]) -> Evidence:
    """Put the data set's question to vectors.

    Args:
        dataset: what is asked.
        sides: for each of `dataset.sides` its vectors, float32 (n, dim), of unit length.

    Raises:
        MissingExtra: scikit-learn (labels) or pytrec_eval (retrieval) is not installed.
    """
    if isinstance(dataset, PairData):
        scores = np.einsum("ij,ij->i", sides[0], sides[1], dtype=np.float64)
        said = [f"similarity {score:.3f}" for score in scores]
        return Evidence({"similarity": _rounded(scores)}, said)
    if isinstance(dataset, RetrievalData):
        return _retrieve(dataset, sides[0], sides[1])
    assert isinstance(dataset, LabelData)
    return _classify(dataset, sides[0])


def statistics(dataset: Dataset, evidence: Evidence) -> dict[str, Statistic]:
    """Return the task's metrics, the one that decides first."""
    columns = {name: np.asarray(v, dtype=np.float64) for name, v in evidence.figures.items()}
    if isinstance(dataset, PairData):
        gold, scores = dataset.gold, columns["similarity"]
        if dataset.task == "sts":
            return {
                "spearman": metrics.spearman(gold, scores),
                "pearson": metrics.pearson(gold, scores),
            }
        return {
            "ap": metrics.average_precision(gold, scores),
            "best f1": metrics.best_f1(gold, scores),
        }
    if isinstance(dataset, LabelData):
        clusters = columns.pop("cluster").astype(np.intp)
        probed = columns.pop("probe")
        return {
            "k-nn": metrics.mean(columns["k-nn"]),
            "probe": _known_mean(probed),
            "v-measure": metrics.v_measure(dataset.labels, clusters),
        }
    return {name: metrics.mean(column) for name, column in columns.items()}


def per_unit(dataset: Dataset, evidence: Evidence) -> NDArray[np.float64]:
    """Return how well the model did on each unit, 1 for perfectly: float64 (n,).

    Retrieval: nDCG@10. Labels: whether the neighbors chose right. Pairs have no figure of their
    own, so their place in the ranking stands in: for scores, 1 less the distance between the
    place by similarity and the place by score, as shares of the ranking; for yes and no, the
    share of the ranking on the right side of the pair.
    """
    if isinstance(dataset, PairData):
        place = _places(np.asarray(evidence.figures["similarity"]))
        if dataset.task == "sts":
            return 1 - np.abs(place - _places(dataset.gold))
        return np.where(dataset.gold == 1, place, 1 - place)
    name = "k-nn" if isinstance(dataset, LabelData) else "ndcg@10"
    return np.asarray(evidence.figures[name], dtype=np.float64)


def _places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean ranks as shares, above 0 and below 1."""
    order, starts, group = metrics.tie_groups(values)
    sizes = np.diff([*starts, len(order)])
    middle = np.cumsum(sizes) - (sizes - 1) / 2
    places: NDArray[np.float64] = (middle[group] - 0.5) / len(values)
    return places


def _known_mean(values: NDArray[np.float64]) -> Statistic:
    """Return the mean over the units that were measured at all; NaN marks the others."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        units = weights @ known
        return metrics.ratio(weights @ filled, units)

    return statistic


def _retrieve(dataset: RetrievalData, queries: Array, documents: Array) -> Evidence:
    # trec_eval breaks ties by id, descending: in that order, a stable ranking does the same.
    order = sorted(
        range(len(documents)), key=lambda i: dataset.document_ids[i].encode(), reverse=True
    )
    ids = [dataset.document_ids[i] for i in order]
    ordered = documents[order]
    same = dict(zip(dataset.document_ids, dataset.documents, strict=True))
    figures: dict[str, list[float]] = {}
    said: list[str] = []
    for start in range(0, len(queries), _BLOCK):
        scores = queries[start : start + _BLOCK] @ ordered.T
        best = metrics.rank(scores, metrics.DEPTH + 1)
        run: dict[str, dict[str, float]] = {}
        for row, columns in enumerate(best):
            unit = start + row
            query = dataset.query_ids[unit]
            # Where queries are documents themselves, finding oneself is no achievement.
            itself = query if same.get(query) == dataset.queries[unit] else None
            found = {ids[c]: float(scores[row, c]) for c in columns if ids[c] != itself}
            run[query] = dict(list(found.items())[: metrics.DEPTH])
            said.append(_said(dataset, query, run[query], same))
        relevant = {query: dict(dataset.relevant[query]) for query in run}
        for name, values in metrics.retrieval(relevant, run).items():
            figures.setdefault(name, []).extend(values[query] for query in run)
    return Evidence(figures, said)


def _said(
    dataset: RetrievalData, query: str, run: Mapping[str, float], texts: Mapping[str, str]
) -> str:
    """Return where the first relevant document came, and what came first."""
    if not run:
        return "nothing found"
    places = [n for n, name in enumerate(run, 1) if name in dataset.relevant[query]]
    place = f"first relevant at {places[0]:,}" if places else f"none relevant in {len(run):,}"
    first = next(iter(run))
    return f"{place}; at 1: [{first}] {one_line(texts[first], 120)}"


def _classify(dataset: LabelData, vectors: Array) -> Evidence:
    chosen = nearest_class(vectors, dataset.labels, len(dataset.classes))
    probed, notes = _probe(dataset, vectors)
    figures = {
        "k-nn": (chosen == dataset.labels).astype(float).tolist(),
        "probe": probed.tolist(),
        "cluster": _cluster(vectors, len(dataset.classes)).astype(float).tolist(),
    }
    said = [
        f"neighbors say {dataset.classes[c]!r}, label says {dataset.classes[t]!r}"
        for c, t in zip(chosen, dataset.labels, strict=True)
    ]
    return Evidence(figures, said, notes)


def nearest_class(
    vectors: Array, labels: NDArray[np.intp], classes: int, k: int = NEIGHBORS
) -> NDArray[np.intp]:
    """Return the majority class of each text's k nearest others, nearer ones in ties: (n,)."""
    k = min(k, len(vectors) - 1)
    # A vote counts 1 and a little more the nearer it is: never enough to outvote another.
    votes = 1 + 0.5 ** np.arange(2, k + 2)
    chosen = np.empty(len(vectors), dtype=np.intp)
    for start in range(0, len(vectors), _BLOCK):
        scores = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(scores))
        scores[rows, start + rows] = -np.inf
        voters = labels[metrics.rank(scores, k)]
        count = np.zeros((len(scores), classes))
        for place, vote in enumerate(votes):
            count[rows, voters[:, place]] += vote
        chosen[start : start + _BLOCK] = count.argmax(axis=1)
    return chosen


def _probe(dataset: LabelData, vectors: Array) -> tuple[NDArray[np.float64], list[str]]:
    """Return whether a logistic regression on the other folds is right: 1, 0 or NaN, (n,)."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        raise MissingExtra("compare", "measuring labels") from None
    right = np.full(len(vectors), np.nan)
    notes = []
    taken = np.arange(len(vectors))
    if len(vectors) > PROBE_TEXTS:
        taken = np.sort(np.random.default_rng(0).choice(len(vectors), PROBE_TEXTS, replace=False))
        notes.append(f"the linear probe is measured on {PROBE_TEXTS:,} of {len(vectors):,} texts")
    x, y = vectors[taken], dataset.labels[taken]
    folds = min(PROBE_FOLDS, int(np.bincount(y).max()))
    if folds < 2:
        return right, [*notes, "no linear probe: no class has two texts"]
    with warnings.catch_warnings():
        # 100 steps are what MTEB takes; rare classes cannot be in every fold.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
            if len(np.unique(y[train])) < 2:
                continue
            model = LogisticRegression(max_iter=100).fit(x[train], y[train])
            right[taken[test]] = model.predict(x[test]) == y[test]
    return right, notes


def _cluster(vectors: Array, classes: int) -> NDArray[np.intp]:
    """Run k-means with as many clusters as classes, on unit vectors: (n,)."""
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError:
        raise MissingExtra("compare", "measuring labels") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct texts than classes
        found = KMeans(min(classes, len(vectors)), n_init=3, random_state=0).fit_predict(vectors)
    return np.asarray(found, dtype=np.intp)


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """Round so that numbers are short in a file, and exact where float32 was."""
    return [float(np.float32(value)) for value in values]
