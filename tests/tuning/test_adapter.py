"""Adapter: a map that is learned where there is something to learn, and left alone where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.making import ciphered
from veclab.errors import InputError
from veclab.models.local.folder import read_folder
from veclab.tuning.adapter import (
    MARKS,
    POWERS,
    Vectored,
    _folds,
    choose,
    fit,
    ndcg,
    train,
    whitening,
)
from veclab.tuning.data import TrainingData
from veclab.tuning.method import Settings


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def turned(n: int, *, dim: int = 16, noise: float = 0.1, seed: int = 0) -> Vectored:
    """n queries that are their documents, turned by one rotation, and noise."""
    random = np.random.default_rng(seed)
    documents = unit(random.normal(size=(n, dim)))
    rotation, _ = np.linalg.qr(random.normal(size=(dim, dim)))
    queries = unit(documents @ rotation + noise * random.normal(size=(n, dim)))
    links = [np.array([i]) for i in range(n)]
    return Vectored(queries, documents, links, [np.array([], int)] * n, np.arange(n))


def test_a_rotation_is_found():
    seen, new = turned(300), turned(300, seed=0)
    choice = choose(seen, seed=0)
    assert choice.steps >= 10
    assert choice.gain > 0.3
    untuned = ndcg(new, np.eye(16, dtype=np.float32)).mean()
    assert ndcg(new, fit(seen, choice, seed=0)).mean() > untuned + 0.3


def test_queries_without_a_system_leave_the_model_alone():
    random = np.random.default_rng(0)
    data = turned(60)
    noise = replace(data, queries=unit(random.normal(size=data.queries.shape)))
    choice = choose(noise, seed=0)
    assert choice.steps <= 3
    assert choice.gain < 0.1


def test_no_steps_from_the_identity_are_the_identity():
    from veclab.tuning.adapter import Choice

    np.testing.assert_array_equal(fit(turned(20), Choice(0.0, 0, 0.0), 0), np.eye(16))


@pytest.mark.parametrize("power", POWERS)
def test_whitening_evens_out_directions(power):
    random = np.random.default_rng(0)
    documents = unit(random.normal(size=(500, 8)) * np.array([5, 3, 1, 1, 1, 1, 1, 1]))
    after = documents @ whitening(documents, power)
    spread = np.linalg.eigvalsh(np.cov(after.T))
    before = np.linalg.eigvalsh(np.cov(documents.T))
    ratio = (spread[-1] / spread[0]) / (before[-1] / before[0])
    assert ratio == pytest.approx(1) if power == 0 else ratio < 1


def test_ndcg_is_that_of_trec_eval():
    pytest.importorskip("pytrec_eval")
    from veclab.evaluation.metrics import retrieval

    random = np.random.default_rng(1)
    links = [random.choice(30, size=random.integers(1, 13), replace=False) for _ in range(20)]
    data = Vectored(
        unit(random.normal(size=(20, 6))), unit(random.normal(size=(30, 6))), links, [],
        np.arange(20),
    )  # fmt: skip
    scores = data.queries @ data.documents.T
    run = {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(scores)}
    relevant = {f"q{i}": {f"d{j}": 1 for j in found} for i, found in enumerate(links)}
    expected = retrieval(relevant, run)["ndcg@10"]
    found = ndcg(data, np.eye(6, dtype=np.float32))
    np.testing.assert_allclose(found, [expected[f"q{i}"] for i in range(20)])


def test_the_same_seed_gives_the_same_map():
    data = turned(60)
    first, again = (fit(data, choose(data, seed=3), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_progress_reaches_its_end_and_never_goes_back():
    seen = []
    choose(turned(40), 0, lambda done, total: seen.append((done, total)))
    done = [step for step, _ in seen]
    assert done == sorted(done)
    assert done[-1] <= seen[0][1] == 5 * len(POWERS) * MARKS[-1]


def test_a_model_is_trained_and_tells_what_was_done(tiny_bert, tmp_path):
    base = read_folder(tiny_bert, name="tiny")
    made = train(base, ciphered(120), tmp_path / "tuned", Settings(), lambda done, total: None)
    assert made.method == "adapter"
    assert made.facts["parameters"] == 32 * 32
    assert read_folder(tmp_path / "tuned", name="tuned").routed


def test_texts_over_the_limit_are_counted(tiny_bert, tmp_path):
    data = ciphered(20)
    long = TrainingData("long", data.queries, [f"{text} " * 20 for text in data.documents],
                        data.positives, data.negatives)  # fmt: skip
    base = read_folder(tiny_bert, name="tiny")
    made = train(base, long, tmp_path / "tuned", Settings(), lambda done, total: None)
    n = len(data.documents)
    assert f"{n} of {n} document texts are over the limit of 32 tokens" in " ".join(made.notes)


def test_a_model_with_routes_is_refused(tiny_bert, tmp_path):
    base = read_folder(tiny_bert, name="tiny")
    with pytest.raises(InputError, match="tune the model that it was made from"):
        train(replace(base, modules=(*base.modules, "Router")), ciphered(20), tmp_path / "tuned",
              Settings(), lambda done, total: None)  # fmt: skip


def test_queries_of_one_group_are_left_out_together():
    groups = np.repeat(np.arange(20), 3)
    left_out = [set(groups[fold]) for fold in _folds(groups, seed=0)]
    shared = [first & second for i, first in enumerate(left_out) for second in left_out[i + 1 :]]
    assert not set().union(*shared)
    assert set().union(*left_out) == set(groups)


def test_a_group_of_nearly_all_is_taken_apart():
    folds = list(_folds(np.zeros(50, int), seed=0))
    assert len(folds) == 5
    assert max(map(len, folds)) < 25
    assert sorted(np.concatenate(folds)) == list(range(50))
