"""Every figure against scipy, scikit-learn or trec_eval, ties included, and weights as copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from veclab.evaluation import metrics
from veclab.evaluation.metrics import value_of

pytest.importorskip("pytrec_eval")

CLOSE = {"abs": 1e-6}


def copies(column, weights):
    """What weights stand for: each unit as often as it is drawn."""
    return np.repeat(np.asarray(column), weights.astype(int))


def tied(random, n, values):
    """Numbers with many ties, or hardly any."""
    return random.integers(0, values, n).astype(float) if values else random.normal(size=n)


@st.composite
def drawn(draw, kinds=(0, 2, 5)):
    """(gold, scores, weights) of up to 60 units; few distinct values make many ties."""
    n = draw(st.integers(4, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gold = tied(random, n, draw(st.sampled_from(kinds)))
    scores = tied(random, n, draw(st.sampled_from((0, 2, 5))))
    weights = np.bincount(random.integers(0, n, n), minlength=n).astype(float)
    return gold, scores, draw(st.sampled_from((np.ones(n), weights)))


def varied(*columns):
    return all(len(np.unique(column)) > 1 for column in columns)


@settings(max_examples=150, deadline=None)
@given(drawn())
def test_spearman_and_pearson_are_scipys(case):
    gold, scores, weights = case
    x, y = copies(gold, weights), copies(scores, weights)
    for ours, theirs in ((metrics.spearman, stats.spearmanr), (metrics.pearson, stats.pearsonr)):
        figure = ours(gold, scores)(weights[None])[0]
        if varied(x, y):
            assert figure == pytest.approx(theirs(x, y).statistic, **CLOSE)
        elif ours is metrics.spearman:
            assert np.isnan(figure)


@settings(max_examples=150, deadline=None)
@given(drawn(kinds=(2,)))
def test_average_precision_is_scikit_learns(case):
    gold, scores, weights = case
    figure = metrics.average_precision(gold, scores)(weights[None])[0]
    if (gold * weights).any():
        expected = sklearn.average_precision_score(gold, scores, sample_weight=weights)
        assert figure == pytest.approx(expected, **CLOSE)
    else:
        assert np.isnan(figure)


@settings(max_examples=30, deadline=None)
@given(drawn(kinds=(2,)))
def test_best_f1_is_the_best_over_all_thresholds(case):
    gold, scores, weights = case
    x, y = copies(gold, weights), copies(scores, weights)
    figure = metrics.best_f1(gold, scores)(weights[None])[0]
    if x.any():
        best = max(sklearn.f1_score(x, y >= threshold) for threshold in np.unique(y))
        assert figure == pytest.approx(best, **CLOSE)


@settings(max_examples=100, deadline=None)
@given(drawn(kinds=(1, 2, 5)))
def test_v_measure_is_scikit_learns(case):
    gold, _, weights = case
    classes = gold.astype(np.intp)
    clusters = np.random.default_rng(len(gold)).integers(0, 3, len(gold)).astype(np.intp)
    figure = metrics.v_measure(classes, clusters)(weights[None])[0]
    expected = sklearn.v_measure_score(copies(classes, weights), copies(clusters, weights))
    assert figure == pytest.approx(expected, **CLOSE)


def test_many_weights_at_once_give_what_each_gives():
    random = np.random.default_rng(0)
    gold, scores = tied(random, 30, 5), tied(random, 30, 5)
    weights = random.multinomial(30, np.full(30, 1 / 30), size=7).astype(float)
    together = metrics.spearman(gold, scores)(weights)
    apart = [metrics.spearman(gold, scores)(row[None])[0] for row in weights]
    np.testing.assert_allclose(together, apart, atol=1e-12)


def test_the_threshold_is_the_score_that_gives_the_best_f1():
    gold, scores = np.array([1.0, 1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    threshold = metrics.best_threshold(gold, scores)
    assert threshold == 0.6
    best = value_of(metrics.best_f1(gold, scores), 5)
    assert sklearn.f1_score(gold, scores >= threshold) == pytest.approx(best)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 45))
def test_rank_is_a_stable_sort_cut_at_k(seed, columns, k):
    scores = np.random.default_rng(seed).integers(0, 4, (5, columns)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(metrics.rank(scores, k), expected)


def test_retrieval_by_hand():
    relevant = {"q": {"a": 1, "b": 2, "c": 0}}
    run = {"q": {"x": 0.9, "b": 0.8, "c": 0.7, "a": 0.6}}
    figures = {name: value["q"] for name, value in metrics.retrieval(relevant, run).items()}
    ideal = 2 + 1 / np.log2(3)
    assert figures["ndcg@10"] == pytest.approx((2 / np.log2(3) + 1 / np.log2(5)) / ideal, **CLOSE)
    assert figures["mrr@10"] == pytest.approx(1 / 2)
    assert figures["recall@10"] == figures["recall@100"] == 1
    assert figures["map"] == pytest.approx((1 / 2 + 2 / 4) / 2)


@pytest.mark.parametrize(("place", "expected"), [(1, 1), (3, 1 / 3), (10, 1 / 10), (11, 0)])
def test_mrr_looks_at_the_first_ten(place, expected):
    run = {"q": {f"d{n:02}": 1 / n for n in range(1, 30)}}
    figures = metrics.retrieval({"q": {f"d{place:02}": 1}}, run)
    assert figures["mrr@10"]["q"] == pytest.approx(expected)
