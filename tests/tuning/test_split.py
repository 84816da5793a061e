"""The split by document: nothing that is measured was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.making import numbered
from veclab.errors import InputError
from veclab.tuning.data import TrainingData
from veclab.tuning.split import split


def seen(data: TrainingData) -> set[str]:
    """Documents of its queries."""
    return {data.documents[d] for found in data.positives for d in found}


@st.composite
def judged(draw):
    """Any judgments of 40 queries over 30 documents."""
    found = draw(
        st.lists(
            st.lists(st.integers(0, 29), min_size=1, max_size=4, unique=True),
            min_size=40, max_size=40,
        )
    )  # fmt: skip
    documents = [f"document {i}" for i in range(30)]
    queries = [f"query {i}" for i in range(40)]
    return TrainingData("judged", queries, documents, found, [[] for _ in queries])


@given(judged(), st.sampled_from([0.3, 0.5]), st.integers(0, 3))
def test_no_document_of_a_held_out_query_is_in_the_training_part(data, share, seed):
    try:
        parts = split(data, share, seed=seed)
    except InputError as error:
        assert "too few to train on" in str(error)
        return
    assert not seen(parts.held_out) & set(parts.train.documents)
    assert len(parts.held_out) + len(parts.train) + parts.lost_queries == len(data)
    assert parts.held_out.pairs + parts.train.pairs + parts.lost_pairs == data.pairs
    assert list(parts.held_out.documents) == list(data.documents)


def test_queries_of_one_document_stay_together():
    parts = split(numbered(40, sharing=2), 0.5)
    assert (parts.groups, parts.cut, parts.lost_pairs) == (20, 0, 0)
    assert len(parts.held_out) == len(parts.train) == 20


def test_documents_that_are_nearly_equal_are_one():
    data = numbered(40)
    links = [[2 * i, 2 * i + 1] for i in range(20)]
    parts = split(data, 0.5, alike=links)
    held = {int(text.split()[-1]) // 2 for text in parts.held_out.queries}
    trained = {int(text.split()[-1]) // 2 for text in parts.train.queries}
    assert not held & trained
    assert "40 documents have a nearly equal one" in str(parts)


def test_texts_that_differ_in_case_and_space_are_one():
    data = numbered(40)
    documents = [*data.documents, "Document  NUMBER 0"]
    positives = [*data.positives[:39], [40]]
    parts = split(TrainingData("near", data.queries, documents, positives, data.negatives), 0.5)
    first, last = "query number 0", "query number 39"
    assert (first in parts.held_out.queries) == (last in parts.held_out.queries)


def test_a_group_of_nearly_all_queries_is_cut_and_told():
    data = numbered(40)
    hub = [[d, 0] for d in range(40)]  # every query has the first document, too
    parts = split(TrainingData("hub", data.queries, data.documents, hub, data.negatives), 0.5)
    assert parts.cut == 1
    assert len(parts.held_out) == 20
    assert "1 too large for one side was cut" in str(parts)


def test_the_same_seed_draws_the_same():
    data = numbered(60)
    first, again, other = (split(data, 0.5, seed=seed).held_out.queries for seed in (1, 1, 2))
    assert first == again != other


def test_ten_pairs_are_too_few():
    with pytest.raises(InputError, match=r"10 queries, too few: .* takes 50"):
        split(numbered(10))


@pytest.mark.parametrize("share", [0, 1, -0.5, 2, float("nan")])
def test_a_share_that_leaves_a_side_empty_is_refused(share):
    with pytest.raises(InputError, match="held-out share"):
        split(numbered(100), share)
