"""Asking goes alike on a folder and on PostgreSQL."""

from tests.rag.conftest import TEXTS
from veclab.rag.evaluate import evaluate_rag
from veclab.rag.threshold import stored
from veclab.store.store import Store


def test_an_answer_a_refusal_and_a_threshold_that_is_kept(address, word_model):
    with Store.open(address, word_model, create=True) as store:
        store.add(TEXTS.values(), ids=list(TEXTS))
        answer = store.ask("When does the library open?")
        assert answer.text.startswith("“The library opens at nine in the morning.” [1]")
        assert answer.references[0].passage.document == "library"
        assert store.ask("Who is the president of France?").outcome == "refused"
    with Store.open(address, word_model) as store:
        assert stored(store) == answer.threshold


def test_measuring(address, word_model):
    with Store.open(address, word_model, create=True) as store:
        store.add(TEXTS.values(), ids=list(TEXTS))
        found = evaluate_rag(store, sample=10)
    assert found.rows[0].figures["recall@5"].value > 0.8
    assert found.answering["citations found again"].value == 1
