"""Each figure equals what its definition gives when written out over all pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from veclab.auditing.geometry import Moments, occurrences, skewness
from veclab.auditing.mixed_models import nearest_rows
from veclab.unit_length import normalize


def vectors(n=300, dim=12, seed=0):
    rng = np.random.default_rng(seed)
    return normalize((rng.normal(size=(n, dim)) + 0.5).astype(np.float32))


def moments_of(unit, block=64):
    moments = Moments.empty(unit.shape[1])
    for start in range(0, len(unit), block):
        moments.add(unit[start : start + block])
    return moments


@pytest.fixture
def unit():
    return vectors()


@pytest.fixture
def moments(unit):
    return moments_of(unit)


def test_mean_and_deviation_of_cosines_are_those_over_all_pairs(unit, moments):
    pairs = np.triu_indices(len(unit), k=1)
    cosines = (unit.astype(np.float64) @ unit.T.astype(np.float64))[pairs]
    assert moments.mean_cosine() == pytest.approx(cosines.mean(), abs=1e-7)
    assert moments.deviation_of_cosines() == pytest.approx(cosines.std(), abs=1e-6)


def test_the_loudest_dimension_adds_the_mean_product_of_its_values(unit, moments):
    pairs = np.triu_indices(len(unit), k=1)
    added = [np.outer(unit[:, d], unit[:, d])[pairs].mean() for d in range(12)]
    assert moments.loudest_dimension()[0] == np.argmax(added)
    assert moments.loudest_dimension()[1] == pytest.approx(max(added), abs=1e-6)
    assert sum(added) == pytest.approx(moments.mean_cosine(), abs=1e-6)


def test_effective_rank_is_the_exponential_of_the_entropy_of_singular_values(unit, moments):
    values = np.linalg.svd(unit.astype(np.float64), compute_uv=False)
    share = values / values.sum()
    assert moments.singular_values() == pytest.approx(values, rel=1e-6)
    assert moments.effective_rank() == pytest.approx(np.exp(-(share @ np.log(share))), rel=1e-6)


@settings(deadline=None)
@given(st.integers(1, 12))
def test_effective_rank_of_equal_orthogonal_directions_is_their_number(rank):
    unit = np.tile(np.eye(12, dtype=np.float32)[:rank], (4, 1))
    assert moments_of(unit).effective_rank() == pytest.approx(rank, abs=1e-3)


def test_variances_and_components_are_those_of_principal_component_analysis(unit, moments):
    assert moments.variances() == pytest.approx(unit.var(axis=0), abs=1e-7)
    held = np.linalg.eigvalsh(np.cov(unit.T))[::-1].cumsum()
    needed = moments.components_for(0.9)
    assert held[needed - 1] >= 0.9 * held[-1] > held[needed - 2]


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=60))
def test_skewness_is_scipys(values):
    values = np.array(values)
    expected = skew(values) if np.ptp(values) else 0.0
    assert skewness(values) == pytest.approx(expected, abs=1e-9)


def test_occurrences_count_the_lists_a_row_is_in(unit):
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    lists = np.argsort(-scores, axis=1)[:, :5]
    expected = [(lists == row).sum() for row in range(len(unit))]
    assert occurrences(nearest_rows(unit, 5)).tolist() == expected
