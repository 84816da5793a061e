"""Two models in one file are found; topics of one model are not taken for them."""

import numpy as np
import pytest

from veclab.auditing.mixed_models import find_split, norm_groups, profile_agreements
from veclab.unit_length import normalize


def make_model(seed, dim=192):
    """A stand-in for a model: what a text is about, through this model's own directions.

    Its dimensions vary more or less (the profile), as those of real models do.
    """
    rng = np.random.default_rng(seed)
    profile = rng.lognormal(sigma=0.5, size=dim)
    directions, bias = rng.normal(size=(40, dim)), 0.5 * rng.normal(size=dim)

    def embed(texts):
        noise = 0.3 * rng.normal(size=(len(texts), dim))
        return normalize(((texts @ directions + noise) * profile + bias).astype(np.float32))

    return embed


def texts_about(n, topics=None, seed=0):
    """What n texts are about: weights of 40 things; with `topics`, a few things always together."""
    rng = np.random.default_rng(seed)
    weights = rng.gamma(0.15, size=(n, 40))
    if topics is not None:
        base = rng.gamma(0.15, size=(topics, 40))
        weights = 0.3 * weights + 2 * base[np.arange(n) * topics // n]
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


@pytest.fixture
def one():
    return make_model(1)(texts_about(600))


@pytest.fixture
def other():
    return make_model(2)(texts_about(600))


def of_two(a, b, share, seed=5):
    theirs = np.random.default_rng(seed).random(len(a)) < share
    return np.where(theirs[:, None], b, a), theirs


@pytest.mark.parametrize("share", [0.15, 0.3, 0.5])
def test_the_rows_of_another_model_are_found(one, other, share):
    array, theirs = of_two(one, other, share)
    split = find_split(array, np.ones(len(array)))
    assert split.mixed
    same = (split.side == theirs).mean()
    assert max(same, 1 - same) > 0.95
    assert split.crossing < 0.1


def test_a_file_appended_to_another_is_found(one, other):
    split = find_split(np.concatenate([one[:300], other[:300]]), np.ones(600))
    assert split.mixed
    assert max(split.side[:300].mean(), split.side[300:].mean()) > 0.95


@pytest.mark.parametrize("topics", [None, 2, 3, 8])
def test_topics_of_one_model_are_not_taken_for_models(topics):
    for seed in range(5):
        in_order = make_model(seed)(texts_about(400, topics, seed))
        for array in (in_order, np.random.default_rng(0).permutation(in_order)):
            split = find_split(array, np.ones(len(array)))
            assert split is not None
            assert not split.mixed


@pytest.mark.parametrize("topics", [2, 3, 8])
def test_topics_are_no_models_where_dimensions_have_no_profile_in_common(topics):
    # A random rotation leaves all similarities as they are and mixes every dimension with all
    # others; each topic then has a profile of its own.
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(192, 192)))[0].astype(np.float32)
    for seed in range(5):
        array = make_model(seed)(texts_about(400, topics, seed)) @ turn
        split = find_split(array, np.ones(len(array)))
        assert split is None or not split.mixed


def test_nothing_is_said_of_few_rows_or_of_dimensions_that_are_all_alike(one):
    assert find_split(one[:100], np.ones(100)) is None
    noise = np.random.default_rng(0).normal(size=(400, 96)).astype(np.float32)
    assert find_split(normalize(noise), np.ones(400)) is None


def test_agreement_is_about_one_within_a_model_and_about_zero_between_two(one, other):
    half = np.arange(600) % 2 == 0
    within = profile_agreements(one, np.array([half]))[0]
    between = profile_agreements(np.concatenate([one, other]), np.array([np.arange(1200) < 600]))[0]
    assert within > 0.9
    assert abs(between) < 0.2


def test_two_clusters_of_norms_are_told_from_one():
    rng = np.random.default_rng(0)
    for norms in (
        np.ones(100),
        1 + rng.uniform(-1e-3, 1e-3, 100),  # float16 rounding
        rng.lognormal(0, 0.3, 1000),
        rng.uniform(1, 2, 1000),
    ):
        assert norm_groups(norms) is None
    mixed = np.concatenate([np.ones(300), rng.normal(5, 0.2, 100)])
    assert norm_groups(mixed).tolist() == [False] * 300 + [True] * 100
