"""Training data: equal texts are one, parts keep what belongs together."""

from __future__ import annotations

import pytest

from tests.tuning.making import numbered
from veclab.errors import InputError
from veclab.evaluation.datasets import Head, retrieval_data
from veclab.tuning.data import Gathering, from_retrieval


def test_equal_texts_are_one_query_and_one_document():
    made = Gathering()
    made.add("cat", "a feline", ["a canine"])
    made.add("cat", "a pet", ["a canine", None])
    made.add("dog", "a pet", [])
    data = made.finish("pets")
    assert list(data.queries) == ["cat", "dog"]
    assert [data.documents[d] for d in data.positives[0]] == ["a feline", "a pet"]
    assert [data.documents[d] for d in data.negatives[0]] == ["a canine"]
    assert data.pairs == 3


def test_rows_with_an_empty_part_are_counted():
    made = Gathering()
    made.add("cat", "a feline", [])
    made.add(None, "a canine", [])
    made.add("dog", "  ", [])
    assert "left out 2 row(s)" in " ".join(made.finish("pets").notes)


def test_a_document_given_as_right_and_wrong_counts_as_right():
    made = Gathering()
    made.add("cat", "a feline", ["a pet"])
    made.add("cat", "a pet", [])
    data = made.finish("pets")
    assert data.negatives == [[]]
    assert "they count as right" in " ".join(data.notes)


def test_no_pair_is_an_error():
    with pytest.raises(InputError, match="no pair"):
        Gathering().finish("nothing")


def test_all_positives_alike_are_an_error():
    with pytest.raises(InputError, match="the same document"):
        numbered(12, sharing=12)


def test_a_part_without_documents_leaves_out_queries_that_have_none_left():
    data = numbered(4, sharing=2)
    part = data.part([0, 1, 2], without=data.positives[0])
    assert part.queries == ["query number 2"]
    assert [part.documents[d] for d in part.positives[0]] == ["document number 1"]


def test_the_digest_tells_data_apart():
    data = numbered(4)
    assert data.digest == numbered(4).digest
    assert data.digest == data.plus("a note decides nothing").digest
    assert data.digest != numbered(5).digest
    assert data.digest != data.part([0, 1, 2, 3], without=data.positives[3]).digest


def test_judgments_become_positives_and_back():
    documents = {"a": "first", "b": "second", "empty": ""}
    judged = {"q": {"b": 2, "empty": 1}, "none": {"empty": 1}}
    read = retrieval_data(Head("judged", "retrieval", "judgments"), {"q": "which?", "none": "?"},
                          documents, judged)  # fmt: skip
    data = from_retrieval(read, {"q": ["a", "unknown"]})
    assert list(data.queries) == ["which?"]  # a document without text is found by no one
    assert [data.documents[d] for d in data.positives[0]] == ["second"]
    assert [data.documents[d] for d in data.negatives[0]] == ["first"]
    again = data.to_retrieval()
    assert again.queries == ["which?"]
    assert len(again.documents) == 2
