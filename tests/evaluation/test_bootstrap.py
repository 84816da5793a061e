"""Intervals that cover, tests that reject as often as they say."""

import numpy as np
import pytest

from veclab.evaluation import metrics
from veclab.evaluation.bootstrap import (
    RESAMPLES,
    Estimate,
    distributions,
    draws,
    estimate,
    paired_p,
)


def test_draws_are_whole_numbers_that_sum_to_n_and_never_change():
    first = np.concatenate(list(draws(37)))
    assert first.shape == (RESAMPLES, 37)
    assert (first.sum(axis=1) == 37).all()
    np.testing.assert_array_equal(first, np.concatenate(list(draws(37))))


def test_blocks_do_not_change_what_is_drawn_but_bound_memory(monkeypatch):
    monkeypatch.setattr("veclab.evaluation.bootstrap._CELLS", 37 * 10)
    blocks = list(draws(37))
    assert {len(block) for block in blocks} == {10}
    assert sum(map(len, blocks)) == RESAMPLES


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(5, 2, 400)
    statistic = metrics.mean(values)
    found = estimate(statistic, 400, distributions([statistic], 400)[0])
    margin = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - margin, abs=0.03)
    assert found.high == pytest.approx(values.mean() + margin, abs=0.03)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        statistic = metrics.mean(random.normal(0, 1, 50))
        found = estimate(statistic, 50, distributions([statistic], 50, 200)[0])
        inside += found.low <= 0 <= found.high
    assert 178 <= inside <= 199


def p_value(a, b):
    first, second = distributions([metrics.mean(a), metrics.mean(b)], len(a))
    return paired_p(a.mean() - b.mean(), first - second)


def test_equal_models_do_not_differ():
    values = np.random.default_rng(2).normal(size=100)
    assert p_value(values, values) == 1


def test_a_small_difference_on_every_unit_is_found_though_intervals_overlap():
    random = np.random.default_rng(3)
    hard = random.normal(0, 1, 200)
    assert p_value(hard, hard + 0.05 + random.normal(0, 0.05, 200)) == 1 / (RESAMPLES + 1)


def test_equal_models_pass_for_different_one_time_in_twenty():
    random = np.random.default_rng(4)
    found = [p_value(random.normal(size=40), random.normal(size=40)) for _ in range(200)]
    assert 2 <= sum(p < 0.05 for p in found) <= 22


def test_p_agrees_with_the_paired_t_test():
    from scipy.stats import ttest_rel

    random = np.random.default_rng(5)
    a = random.normal(size=150)
    b = a + random.normal(0.03, 0.3, 150)
    assert p_value(a, b) == pytest.approx(ttest_rel(a, b).pvalue, abs=0.05)


def test_the_interval_of_a_v_measure_contains_it():
    """Of texts in clusters that tell nothing: copies alone make the classes look found."""
    random = np.random.default_rng(5)
    classes, clusters = random.integers(0, 20, 60), random.integers(0, 20, 60)
    statistic = metrics.v_measure(classes, clusters)
    drawn = distributions([statistic], 60)[0]
    assert metrics.value_of(statistic, 60) < np.percentile(drawn, 2.5)
    found = estimate(statistic, 60, drawn)
    assert found.low <= found.value <= found.high
    assert found.high - found.low == pytest.approx(
        np.diff(np.percentile(drawn, [2.5, 97.5]))[0], abs=0.02
    )


def test_fewer_than_ten_units_have_no_interval():
    statistic = metrics.mean(np.arange(9.0))
    assert estimate(statistic, 9, distributions([statistic], 9)[0]) == Estimate(4.0)


def test_a_figure_that_is_not_defined_has_no_interval():
    statistic = metrics.spearman(np.arange(20.0), np.zeros(20))
    found = estimate(statistic, 20, distributions([statistic], 20)[0])
    assert np.isnan(found.value)
    assert found.low is None


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1, 0, 2), (2, 1.5, 3), True),
        ((1, 0, 2), (3, 2, 4), True),
        ((1, 0, 2), (4, 3, 5), False),
        ((1, None, None), (1, 0, 2), False),
    ],
)
def test_overlap(a, b, expected):
    assert Estimate(*a).overlaps(Estimate(*b)) is expected
    assert Estimate(*b).overlaps(Estimate(*a)) is expected
