"""The vector index of a large table, and how thoroughly it is searched."""

from __future__ import annotations

import numpy as np
import pytest

from veclab.errors import ModelUnavailable
from veclab.store import lance, postgres
from veclab.store.index import index
from veclab.store.store import Store
from veclab.store.tuning import sentence_of

WORDS = [f"word{i}" for i in range(60)]


def texts(n, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, 6)) for _ in range(n)]


@pytest.fixture
def large(store, monkeypatch):
    """A store that takes 600 rows for many."""
    monkeypatch.setattr(lance, "EXACT_ROWS", 500)
    monkeypatch.setattr(postgres, "EXACT_ROWS", 500)
    store.add(texts(600), ids=[f"t{i}" for i in range(600)])
    return store


def test_a_large_table_is_searched_through_an_index_that_reaches_the_recall(large):
    tuning = large.state.live.tuning
    assert tuning["recall"] >= 0.99
    assert tuning["queries_from"].startswith("sentences from passages")
    exact, right = 0, 0
    for query in texts(30, seed=1):
        vector = large.embed_query(query)
        rows = np.stack([large.embed_query(t) for t in texts(600)])
        true = np.sort(rows @ vector / np.linalg.norm(rows, axis=1) / np.linalg.norm(vector))[-10:]
        found = [h.score for h in large.search(query, mode="vector")]
        right += sum(score >= true[0] - 1e-4 for score in found)
        exact += 10
    assert right / exact >= 0.97


def test_rows_that_came_after_the_index_are_found(large):
    large.add(["zebra giraffe lion"], ids=["new"])
    assert large.search("zebra giraffe lion", mode="vector")[0].passage.id == "new"
    assert large.search("zebra", mode="keyword")[0].passage.id == "new"
    large.delete("new")
    assert "new" not in {h.passage.id for h in large.search("zebra giraffe lion")}


def test_it_is_found_again_when_the_store_has_grown(large):
    assert large.state.live.tuning["rows"] == 600
    large.add(texts(10, seed=2), ids=[f"u{i}" for i in range(10)])
    assert large.state.live.tuning["rows"] == 600
    large.add(texts(300, seed=3), ids=[f"v{i}" for i in range(300)])
    assert large.state.live.tuning["rows"] == 910


def test_the_users_questions_are_used_where_there_are_some(large):
    with large.writing():
        found = large.tune(texts(5, seed=4), recall=0.9)
        large.publish()
    assert found.queries_from == "5 given questions"
    assert large.state.live.tuning["target"] == 0.9


def test_a_filter_that_leaves_few_finds_all_of_them(large):
    where = "id in ('t3', 't77', 't400')"
    assert {h.passage.id for h in large.search("word1 word2", mode="vector", where=where)} == {
        "t3",
        "t77",
        "t400",
    }


def test_without_the_model_stored_vectors_serve_and_it_says_so(tmp_path, model, monkeypatch):
    monkeypatch.setattr(lance, "EXACT_ROWS", 500)
    model.embed(texts(600)).save(tmp_path / "v.parquet")

    def fail(*args, **kwargs):
        raise ModelUnavailable("no such model")

    monkeypatch.setattr("veclab.model.load_for", fail)
    with Store.open(tmp_path / "store", create=True) as store:
        done = index(store, tmp_path / "v.parquet")
    assert any("stored vectors, which are easier than questions" in note for note in done.notes)


def test_a_sentence_of_a_passage():
    text = "The first sentence is here. And the second one is there. No."
    assert sentence_of(text, 0) == "The first sentence is here."
    assert sentence_of(text, 1) == "And the second one is there."
    assert sentence_of("just a few words", 5) == "just a few words"
