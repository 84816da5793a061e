"""Whether documents keep their vectors is seen on a sample, never taken on trust."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.store.conftest import Routed, WordSums
from veclab.model import Model
from veclab.store.same_documents import agree, may_share_documents, same_documents

TEXTS = [f"passage {n} of many" for n in range(100)]


@pytest.fixture
def stored(model):
    return model.embed(TEXTS)


def test_a_model_with_a_route_for_queries_and_the_same_documents(stored):
    tuned = Model(Routed("tuned"))
    assert same_documents(tuned, stored)
    assert len(tuned.provider.embedded) == 64


def test_one_whose_documents_are_others(stored):
    assert not same_documents(Model(Routed("tuned", documents="another")), stored)


def test_without_a_route_nothing_is_embedded(stored):
    other = Model(WordSums(max_tokens=64, name="other"))
    assert not same_documents(other, stored)
    assert other.provider.embedded == []


def test_one_row_that_differs_is_enough(stored):
    rows = stored.array[:10].copy()
    tuned = Model(Routed("tuned"))
    assert agree(tuned, TEXTS[:10], rows)
    rows[7] = -rows[7]
    assert not agree(tuned, TEXTS[:10], rows)


@pytest.mark.parametrize("change", [{"dimensions": 9}, {"normalized": False}, {"provider": "p"}])
def test_other_facts_of_the_space_must_agree(model, change):
    tuned = Model(Routed("tuned"))
    assert may_share_documents(tuned, model.space)
    assert not may_share_documents(tuned, replace(model.space, **change))


def test_it_goes_both_ways(model):
    tuned = Model(Routed("tuned"))
    documents = tuned.embed(TEXTS, role="document")
    assert same_documents(model, documents)
    np.testing.assert_allclose(documents.array, model.embed(TEXTS).array)
