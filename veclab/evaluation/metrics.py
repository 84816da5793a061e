"""Figures of quality, each as a function of how often every unit (pair, query, text) counts.

A bootstrap draws units with replacement, which is the same as giving each unit a whole-number
weight. So every metric here is a `Statistic`: it takes many sets of weights at once and gives one
figure for each; weights of 1 give the figure itself. `veclab.evaluation.bootstrap` does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra

Floats = NDArray[np.float64]

# Takes weights, float64 (b, n) of whole numbers; gives figures, float64 (b,), NaN where undefined.
Statistic = Callable[[Floats], Floats]

# What is asked of trec_eval, and what we call it.
_TREC = {
    "ndcg@10": "ndcg_cut_10",
    "mrr@10": "recip_rank",
    "recall@10": "recall_10",
    "recall@100": "recall_100",
    "map": "map",
}
# trec_eval's own depth for mean average precision.
DEPTH = 1000


def value_of(statistic: Statistic, n: int) -> float:
    """Return the figure itself: every one of the n units counts once."""
    return float(statistic(np.ones((1, n)))[0])


def mean(values: Sequence[float] | NDArray[np.generic]) -> Statistic:
    """Return the mean of one number per unit: float (n,)."""
    column = np.asarray(values, dtype=np.float64)
    return lambda weights: weights @ column / weights.sum(axis=1)


def pearson(gold: Floats, scores: Floats) -> Statistic:
    """Return Pearson's r between two numbers per unit; equals scipy.stats.pearsonr."""
    x, y = gold - gold.mean(), scores - scores.mean()

    def statistic(weights: Floats) -> Floats:
        n = weights.sum(axis=1)
        mx, my = weights @ x / n, weights @ y / n
        covariance = weights @ (x * y) / n - mx * my
        spread = (weights @ (x * x) / n - mx**2) * (weights @ (y * y) / n - my**2)
        return ratio(covariance, np.sqrt(np.maximum(spread, 0)))

    return statistic


def spearman(gold: Floats, scores: Floats) -> Statistic:
    """Return Spearman's rho, equal values sharing their mean rank; equals scipy.stats.spearmanr."""
    rank_gold, rank_scores = _ranker(gold), _ranker(scores)

    def statistic(weights: Floats) -> Floats:
        n = weights.sum(axis=1, keepdims=True)
        # Ranks always average (n + 1) / 2: taken off, so that nothing cancels for large n.
        x = rank_gold(weights) - (n + 1) / 2
        y = rank_scores(weights) - (n + 1) / 2
        covariance = (weights * x * y).sum(axis=1)
        spread = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
        return ratio(covariance, np.sqrt(spread))

    return statistic


def _ranker(values: Floats) -> Statistic:
    """Return the ranks of the units among themselves, counted as often as drawn: (b, n)."""
    order, starts, group = tie_groups(values)

    def ranks(weights: Floats) -> Floats:
        sizes = np.add.reduceat(weights[:, order], starts, axis=1)
        middle = np.cumsum(sizes, axis=1) - (sizes - 1) / 2
        taken: Floats = middle[:, group]
        return taken

    return ranks


def tie_groups(
    values: Floats,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the ascending order, the start of each run of ties, and each unit's run: (n,)."""
    order = np.argsort(values, kind="stable")
    new = np.concatenate([[True], np.diff(values[order]) != 0])
    group = np.empty(len(values), dtype=np.intp)
    group[order] = np.cumsum(new) - 1
    return order, np.flatnonzero(new), group


def average_precision(gold: Floats, scores: Floats) -> Statistic:
    """Return the area under precision over recall, in steps; gold is 0 or 1.

    Equal scores share one threshold; equals sklearn.metrics.average_precision_score.
    """
    counts = _hits_by_threshold(gold, scores)

    def statistic(weights: Floats) -> Floats:
        hits, taken = counts(weights)
        precision = ratio(hits, taken)
        gained = np.diff(hits, axis=1, prepend=0)
        return ratio(np.nansum(gained * precision, axis=1), hits[:, -1])

    return statistic


def best_f1(gold: Floats, scores: Floats) -> Statistic:
    """Return the highest F1 that any threshold on this data gives."""
    counts = _hits_by_threshold(gold, scores)

    def statistic(weights: Floats) -> Floats:
        hits, taken = counts(weights)
        best: Floats = ratio(2 * hits, taken + hits[:, -1:]).max(axis=1)
        return best

    return statistic


def best_threshold(gold: Floats, scores: Floats) -> float:
    """Return the lowest score that still counts as a match where `best_f1` is reached."""
    hits, taken = _hits_by_threshold(gold, scores)(np.ones((1, len(gold))))
    place = int(np.argmax(2 * hits / (taken + hits[:, -1:])))
    return float(np.unique(scores)[::-1][place])


def _hits_by_threshold(gold: Floats, scores: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Return the matches found and units taken at each distinct score, descending: (b, t) each."""
    order, starts, _ = tie_groups(-scores)

    def counts(weights: Floats) -> tuple[Floats, Floats]:
        ordered = weights[:, order]
        hits = np.cumsum(np.add.reduceat(ordered * gold[order], starts, axis=1), axis=1)
        taken = np.cumsum(np.add.reduceat(ordered, starts, axis=1), axis=1)
        return hits, taken

    return counts


def v_measure(classes: NDArray[np.intp], clusters: NDArray[np.intp]) -> Statistic:
    """Return the harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg, 2007).

    Equals sklearn.metrics.v_measure_score.
    """
    rows, columns = int(classes.max()) + 1, int(clusters.max()) + 1
    cell = classes * columns + clusters

    def statistic(weights: Floats) -> Floats:
        tables = np.stack([np.bincount(cell, w, rows * columns) for w in weights])
        joint = tables.reshape(-1, rows, columns) / weights.sum(axis=1)[:, None, None]
        of_class, of_cluster = _entropy(joint.sum(axis=2)), _entropy(joint.sum(axis=1))
        shared = of_class + of_cluster - _entropy(joint.reshape(len(joint), -1))
        # One class or one cluster has nothing to mix or to break: 1, as in the paper.
        homogeneity = np.where(of_class > 0, shared / np.where(of_class > 0, of_class, 1), 1.0)
        whole = np.where(of_cluster > 0, shared / np.where(of_cluster > 0, of_cluster, 1), 1.0)
        return ratio(2 * homogeneity * whole, homogeneity + whole, otherwise=0)

    return statistic


def _entropy(shares: Floats) -> Floats:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1)
    # Rounding must not make an entropy of nothing look like one of something.
    settled: Floats = np.where(entropy > 1e-12, entropy, 0.0)
    return settled


def ratio(top: Floats, bottom: Floats, otherwise: float = np.nan) -> Floats:
    """Divide top by bottom; `otherwise` where bottom is 0."""
    out = np.full(np.shape(top), otherwise, dtype=np.float64)
    return np.divide(top, bottom, out=out, where=bottom > 0)


def rank(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Return the k best of each row of scores, best first: intp (rows, k).

    Equal scores keep the order of columns, at the edge of the k too.
    """
    k = min(k, scores.shape[1])
    best = np.empty((len(scores), k), dtype=np.intp)
    for row, values in enumerate(scores):
        least = np.partition(values, -k)[-k]
        candidates = np.flatnonzero(values >= least)
        best[row] = candidates[np.argsort(-values[candidates], kind="stable")[:k]]
    return best


def retrieval(
    relevant: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Compute nDCG@10, MRR@10, recall@10 and @100, and MAP of each query, with trec_eval.

    Args:
        relevant: query id -> document id -> degree of relevance (0: judged and not relevant).
        run: query id -> document id -> score.

    Returns:
        metric -> query id -> figure. Equal scores are ordered by document id, descending, and
        nDCG takes the degree itself as gain: both are trec_eval's ways.

    Raises:
        MissingExtra: pytrec_eval is not installed.
    """
    try:
        import pytrec_eval
    except ImportError:
        raise MissingExtra("compare", "measuring retrieval") from None
    evaluator = pytrec_eval.RelevanceEvaluator(
        relevant, {"ndcg_cut.10", "recip_rank", "recall.10,100", "map"}
    )
    found = evaluator.evaluate(run)
    figures = {
        ours: {query: float(values[theirs]) for query, values in found.items()}
        for ours, theirs in _TREC.items()
    }
    # The first relevant document is within the first ten where 1/rank is 1/10 or more.
    figures["mrr@10"] = {
        query: value if value > 1 / 10.5 else 0.0 for query, value in figures["mrr@10"].items()
    }
    return figures
