"""What speaks for an answer being there, and what against."""

import pytest

from veclab.rag.ask import ask
from veclab.rag.evidence import combine
from veclab.rag.keywords import without


def evidence(store, question, **options):
    return ask(store, question, threshold=0, **options).evidence


def test_a_word_that_does_not_belong_is_found(store):
    found = evidence(store, "When does the library on the moon open?")
    assert found.foreign_word == "moon"
    assert found.foreign > 0
    assert found.score < evidence(store, "When does the library open?").score


def test_a_question_of_one_word_has_no_foreign_one(store):
    found = evidence(store, "kitten")
    assert (found.foreign, found.foreign_word) == (0, "")
    assert found.score > 0.5


def test_what_a_filter_leaves_out_is_no_evidence(store):
    question = "When does the library open?"
    without_it = evidence(store, question, where="document != 'library'")
    assert without_it.passage < evidence(store, question).passage
    assert without_it.score < 0.5


def test_a_pasted_page_costs_no_more_than_a_long_question(store, monkeypatch):
    asked = []
    real = type(store).embed_queries
    monkeypatch.setattr(
        type(store),
        "embed_queries",
        lambda self, queries: asked.append(len(queries)) or real(self, queries),
    )
    evidence(store, " ".join(f"word{n}" for n in range(200)) + " library opens")
    assert sorted(asked) == [1, 16]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((0.6, 0.3, 0.0, 0), (0.6, 0.1, 0.0, 0)),
        ((0.6, 0.2, -0.05, 0), (0.6, 0.2, 0.05, 0)),
        ((0.6, 0.2, 0.0, 0), (0.6, 0.2, 0.0, 1)),
        ((0.4, 0.2, 0.0, 0), (0.2, 0.2, 0.0, 0)),
    ],
)
def test_each_sign_counts(better, worse):
    assert 0 < combine(*worse) < combine(*better) < 1


def test_many_signs_against_it_leave_a_number():
    assert combine(0.0, 0.0, 2.0, 1000) == 0


def test_beyond_near_enough_nearer_does_not_count():
    assert combine(0.5, 0.2, 0, 0) == combine(0.9, 0.2, 0, 0)


def test_a_word_is_left_out_in_all_its_forms():
    assert without("Do backups of a backup (backups!) help?", "backup") == "Do of a (!) help?"
    assert without("Is Podman's network slow?", "Podman") == "Is network slow?"
