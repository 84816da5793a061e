"""Nearly equal documents are those with nearly the same words, whatever a model makes of them."""

from __future__ import annotations

from veclab.tuning.alike import alike

LONG = "the library reads and writes archives of many formats and checks what it has read"


def test_copies_with_a_word_changed_are_alike_and_neighbors_are_not(model):
    texts = [LONG, LONG.replace("many", "most"), f"{LONG.upper()}!", "something else entirely",
             "the library of another kind that is about something else"]  # fmt: skip
    pairs = {frozenset(pair) for pair in alike(model.embed(texts))}
    assert pairs == {frozenset(pair) for pair in ((0, 1), (0, 2), (1, 2))}


def test_a_model_that_gives_all_texts_one_vector_joins_nothing(model):
    model.provider.vector = lambda text, role=None: [1.0] * 8
    texts = [f"number {n} and {n * n} and {n**3}" for n in range(8)]
    assert list(alike(model.embed(texts))) == []


def test_one_document_has_no_other(model):
    assert list(alike(model.embed(["alone"]))) == []
