"""Proof: a gain is proven when its interval lies above 0, and what was forgotten is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import FakeProvider
from tests.tuning.making import ciphered
from veclab.evaluation.datasets import Head, pair_data
from veclab.model import Model
from veclab.tuning.data import TrainingData
from veclab.tuning.proof import Change, Proof, doubt_of, general_pairs, prove

pytest.importorskip("pytrec_eval")

DIGITS = "0123456789"


class Ciphers(FakeProvider):
    """10 dimensions, one for each digit; it knows what digits a share of the letters stand for."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(max_tokens=512, name=name)
        self.space = replace(self.space, dimensions=10)
        self.known = {letter: "abcdefghij".index(letter) for letter in known}

    def vector(self, text, role=None):
        made = np.full(10, 0.01, np.float32)
        for word in text.split():
            if word in DIGITS:
                made[int(word)] += 1
            elif word in self.known:
                made[self.known[word]] += 1
        return made


def reader(name: str, known: str) -> Model:
    return Model(Ciphers(name, known))


@pytest.fixture
def general():
    """Pairs of digits: any model that reads digits knows them."""
    texts = [f"{i % 10} {(i * 3) % 10}" for i in range(20)]
    others = [f"{i % 10} {(i * 7) % 10}" for i in range(20)]
    return pair_data(Head("general", "sts", ""), texts, others, list(range(20)))


def proof(before: Model, after: Model, general) -> Proof:
    return prove(before, after, ciphered(60).to_retrieval(), general)


def test_a_better_model_is_proven_better(general):
    found = proof(reader("base", "ab"), reader("better", "abcdefghij"), general)
    assert found.proven
    assert 0 < found.gain.low <= found.gain.value <= found.gain.high
    assert found.gain.after == pytest.approx(1.0)
    assert found.general.value == 0
    assert found.verdict.startswith(f"Gain proven on {found.gain.units} held out: ndcg@10")
    assert len(found.won) == 5
    assert found.lost == ()
    old, new = (figure for _, figure, _ in found.won[0].rows)
    assert new > old


def test_a_worse_model_is_not(general):
    found = proof(reader("base", "abcdefghij"), reader("worse", "ab"), general)
    assert not found.proven
    assert found.gain.high < 0
    assert "lies below 0" in found.verdict
    assert len(found.lost) == 5


def test_nor_is_one_that_is_the_same(general):
    found = proof(reader("base", "abc"), reader("same", "abc"), general)
    assert not found.proven
    assert "both models are equal" in found.verdict


def test_what_was_forgotten_is_said(general):
    class Forgetful(Ciphers):
        def vector(self, text, role=None):
            made = super().vector(text, role)
            return made if len(text.split()) > 2 else made[::-1] + np.arange(10, dtype=np.float32)

    found = proof(reader("base", "ab"), Model(Forgetful("new", "abcdefghij")), general)
    assert found.gain.proven
    if found.general.high < 0:
        assert "It forgot" in found.verdict


def test_swapped_labels_are_doubted_and_others_are_not():
    data = ciphered(40, negatives=2)
    model = reader("base", "abcdefghij")
    assert doubt_of(model, data) == ""
    swapped = TrainingData(
        "swapped", data.queries, data.documents, data.negatives, data.positives
    )  # fmt: skip
    said = doubt_of(model, swapped)
    assert "seem to be swapped" in said
    refused = Proof(*[Change("d", "m", "40 queries", 0.1, 0.5, 0.4, 0.3, 0.5, 0.001)] * 2,
                    (), (), (), said)  # fmt: skip
    assert not refused.proven
    assert refused.verdict.startswith("Refused: for")


def test_data_without_wrong_documents_cannot_be_doubted():
    assert doubt_of(reader("base", ""), ciphered(40)) == ""


def test_the_general_pairs_come_with_veclab_and_name_their_license():
    from importlib.resources import files

    found = general_pairs()
    assert len(found) == 500
    assert 0 <= found.gold.min() < found.gold.max() <= 5
    said = (files("veclab.tuning") / "general.md").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in said


def test_a_change_is_plain_in_json():
    change = Change("d", "ndcg@10", "40 queries", 0.1, 0.5, 0.4, 0.3, 0.5, 0.001)
    assert change.to_dict()["proven"]
    assert str(change) == "ndcg@10 0.1000 to 0.5000: +0.4000, 95% from +0.3000 to +0.5000"
