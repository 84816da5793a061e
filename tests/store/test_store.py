"""A store as its users see it: put in, find, filter, change, take out."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veclab.errors import InputError, SpaceMismatch, StoreError
from veclab.store.store import Store

TEXTS = {
    "cat": "the cat sits on the mat",
    "dog": "a dog runs in the park",
    "market": "stock markets fell on monday",
    "bank": "the bank raised its interest rate",
}
FIELDS = {
    "year": [2019, 2020, 2021, None],
    "lang": ["en", "en", "de", "it's; --"],
    "odd `name": ["a", "b", None, "d"],
    "day": [date(2024, 1, 1), None, date(2024, 6, 1), date(2024, 12, 31)],
    "free": [True, False, None, True],
}


@pytest.fixture
def full(store):
    store.add(TEXTS.values(), ids=list(TEXTS), fields=FIELDS)
    return store


def ids(hits):
    return [hit.passage.id for hit in hits]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_the_passage_that_answers_comes_first(full, mode):
    best = full.search("dog park", mode=mode)[0]
    assert best.passage.id == "dog"
    assert best.passage.text == TEXTS["dog"]
    assert best.passage.fields == {
        "year": 2020,
        "lang": "en",
        "odd `name": "b",
        "day": None,
        "free": False,
    }


def test_a_hit_says_what_its_score_is_made_of(full):
    best = full.search("dog park")[0]
    assert best.score == pytest.approx(1.0)  # first by both
    assert best.vector == pytest.approx(full.search("dog park", mode="vector")[0].score)
    assert best.keyword == pytest.approx(full.search("dog park", mode="keyword")[0].score)
    assert full.search("dog park", mode="vector")[0].keyword is None


def test_vector_search_is_exact(full):
    query = full.embed_query("the cat")
    rows = np.stack([full.embed_query(text) for text in TEXTS.values()])
    cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    hits = full.search("the cat", mode="vector")
    assert [h.score for h in hits] == pytest.approx(sorted(cosines, reverse=True), abs=1e-5)


def test_words_are_stemmed(full):
    assert ids(full.search("running", mode="keyword")) == ["dog"]


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("year >= 2020", {"dog", "market"}),
        ("year is null", {"bank"}),
        ("not year >= 2020", {"cat"}),  # null is neither
        ("lang in ('en', 'de') and not free = true", {"dog"}),
        ("lang = 'it''s; --'", {"bank"}),
        ("lang != 'en'", {"market", "bank"}),
        ("`odd ``name` = 'b'", {"dog"}),
        ("day > '2024-05-31'", {"market", "bank"}),
        ("text contains 'the ' or id starts with 'd'", {"cat", "bank", "dog"}),
        ("free = false", {"dog"}),
        ("lang = 'x'' OR 1=1 --'", set()),
    ],
)
def test_filters_are_applied_before_searching(full, where, left):
    assert full.count(where) == len(left)
    assert set(ids(full.search("the cat", mode="vector", where=where))) == left
    assert set(ids(full.search("cat dog market bank", mode="keyword", where=where))) == left
    assert set(ids(full.search("cat", where=where))) == left


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_no_value_gets_out_of_its_quotes(full, value):
    quoted = "'" + value.replace("'", "''") + "'"
    assert full.count(f"lang = {quoted}") == FIELDS["lang"].count(value)
    expected = sum(value in text for text in TEXTS.values())
    assert full.count(f"text contains {quoted}") == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"query": " "}, "empty"),
        ({"top": 0}, "top must be"),
        ({"top": -1}, "top must be"),
        ({"top": 10_001}, "top must be"),
        ({"mode": "semantic"}, "hybrid, vector, keyword"),
        ({"fusion": "sum"}, "minmax, rrf"),
        ({"mmr": 2}, "mmr must be"),
        ({"where": "yaer = 1"}, "did you mean year"),
        ({"where": "year = 'x'"}, "whole number"),
        ({"vector": [1.0]}, "8 finite numbers"),
    ],
)
def test_what_cannot_be_asked_is_refused(full, provider, options, says):
    calls = len(provider.batches)
    with pytest.raises(InputError, match=says):
        full.search(**({"query": "cat"} | options))
    assert len(provider.batches) == calls  # nothing was embedded for it


def test_a_question_over_the_models_limit_is_read_whole(full):
    assert ids(full.search("dog " * 500 + "park", top=1)) == ["dog"]


def test_the_minimum_score_is_a_cosine(full):
    hits = full.search("dog park", min_score=0.5)
    assert hits
    assert all(hit.vector >= 0.5 for hit in hits)
    assert not full.search("dog park", min_score=1.1)


def test_mmr_puts_what_is_different_before_what_is_the_same(store):
    store.add(["red apple pie", "red apple pie", "red apple cake with cream"], ids=["a", "a2", "b"])
    assert ids(store.search("red apple pie", mode="vector", top=2)) == ["a", "a2"]
    assert ids(store.search("red apple pie", mode="vector", top=2, mmr=0.3)) == ["a", "b"]


def test_another_models_query_is_refused_before_it_is_embedded(full, other_model, address):
    with pytest.raises(SpaceMismatch, match="leave -m out") as caught:
        Store.open(address, other_model)
    assert "weights" in str(caught.value)
    assert not other_model.provider.batches


def test_known_ids_replace_and_others_stay(full, provider):
    full.add(["the dog sleeps", TEXTS["cat"]], ids=["dog", "cat"], fields={"year": [1, 2019]})
    assert full.count() == 4
    assert full.search("dog", mode="keyword")[0].passage.text == "the dog sleeps"
    assert full.count("year = 1") == 1


def test_equal_texts_are_two_documents(store):
    done = store.add(["same text", "same text"], ids=["a", "b"])
    assert (done.added, store.count()) == (2, 2)


def test_new_fields_are_null_in_what_was_there(full):
    full.add(["a new one"], ids=["new"], fields={"rating": [4.5]})
    assert full.count("rating is null") == 4
    assert full.count("rating > 4 and lang is null") == 1
    with pytest.raises(InputError, match=r"of kind number in this store and of kind text"):
        full.add(["another"], ids=["x"], fields={"rating": ["good"]})
    assert full.count() == 5


def test_delete(full):
    assert full.delete("dog") == 1
    assert full.delete(["dog", "nobody"]) == 0
    assert full.delete(where="year < 2021") == 1
    assert set(ids(full.search("the cat dog"))) == {"market", "bank"}
    assert ids(full.search("dog", mode="keyword")) == []


def test_a_reader_sees_what_a_writer_did_after_it(full, model, address):
    with Store.open(address, model) as reader:
        assert reader.count() == 4
        full.add(["zebra stripes"], ids=["zebra"])
        assert ids(reader.search("zebra", mode="keyword")) == ["zebra"]


def test_a_failing_run_changes_nothing(full, provider):
    provider.vector = lambda text, role=None: np.full(8, np.nan, np.float32)
    with pytest.raises(Exception, match="not finite"):
        full.add(["will fail"], ids=["dog"])
    assert full.count() == 4
    assert full.search("dog", mode="keyword")[0].passage.text == TEXTS["dog"]


def test_a_first_run_that_fails_leaves_no_store(store, provider, model, address):
    good, provider.vector = provider.vector, lambda text, role=None: np.zeros(8, np.float32)
    with pytest.raises(Exception, match="zero"):
        store.add(["will fail"], ids=["dog"])
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(address, model)
    provider.vector = good
    with Store.open(address, model, create=True) as again:
        again.add(["all is well"], ids=["dog"])
        assert again.count() == 1


def test_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match="veclab index INPUT --store"):
        Store.open(tmp_path / "nothing")


def test_a_locked_store_says_so(full, address):
    with (
        full.writing(),
        pytest.raises(StoreError, match="another process is writing"),
        Store.open(address, full.model).writing(wait=0),
    ):
        pass


def test_a_writer_that_waits_says_so(full, address):
    with (
        full.writing(),
        pytest.warns(UserWarning, match="waiting until it is done"),
        pytest.raises(StoreError, match="another process is writing"),
        Store.open(address, full.model).writing(wait=0.1),
    ):
        pass


def test_fields_may_have_names_that_a_database_has_its_own_use_for(store):
    names = ["xmin", "ctid", "oid", "_rowid", "_score", "_key", "Year", "year", "select", "a`b",
             "``", "two\nlines", "größe", "a.b", "x" * 99, "'", '"', ";", " ", "%s"]  # fmt: skip
    fields = {name: [f"{i} one", f"{i} two"] for i, name in enumerate(names)}
    store.add(["the cat", "a dog"], ids=["cat", "dog"], fields=fields)
    for i, name in enumerate(names):
        quoted = "`" + name.replace("`", "``") + "`"
        assert ids(store.search("the cat", where=f"{quoted} = '{i} two'")) == ["dog"]
    assert store.search("dog")[0].passage.fields == {n: two for n, (_, two) in fields.items()}


def test_half_a_surrogate_pair_in_a_question_is_read_as_a_sign_that_means_nothing(full):
    for mode in ("hybrid", "vector", "keyword"):
        assert ids(full.search("caf\udce9 dog park", mode=mode))[0] == "dog"
    assert ids(full.search("dog \0 park"))[0] == "dog"
    with pytest.raises(InputError, match="text in quotes"):
        full.search("dog", where="lang = '\udce9'")
