"""Another model for a store: built beside, compared, switched in one step, and back."""

from __future__ import annotations

import pytest

from tests.store.conftest import Routed, WordSums
from veclab.errors import InputError, SpaceMismatch, StoreError
from veclab.model import Model
from veclab.rag.questions import Expected, Question
from veclab.store.migrate import go_back, migrate
from veclab.store.same_documents import SAMPLE
from veclab.store.store import Store

TEXTS = [f"passage number{i} about topic{i % 7} and thing{i}" for i in range(40)]


@pytest.fixture
def full(store):
    store.add(TEXTS, ids=[f"t{i}" for i in range(40)], fields={"odd name": list(range(40))})
    return store


def test_the_new_model_is_compared_and_searched_from_then_on(full, model, other_model, address):
    done = migrate(full, other_model)
    assert done.switched
    assert done.questions == 40
    assert done.new_quality.found > 0.9
    value, low, high = done.difference
    assert low <= value <= high
    assert full.space == other_model.space
    assert full.search(TEXTS[5])[0].passage.fields == {"odd name": 5}
    with pytest.raises(SpaceMismatch):
        Store.open(address, model)


def test_and_back(full, model, other_model, address):
    migrate(full, other_model)
    go_back(full)
    with Store.open(address, model) as again:
        assert again.space == model.space
        assert again.search(TEXTS[3])[0].passage.id == "t3"


def test_no_way_back_to_vectors_that_lack_documents(full, other_model):
    migrate(full, other_model)
    full.add(["a new one"], ids=["new"])
    with pytest.raises(StoreError, match="documents have changed"):
        go_back(full)


def test_a_worse_model_is_not_switched_to(full, other_model, model):
    given = other_model.provider.vector
    other_model.provider.vector = lambda text, role=None: given("all the same", role)
    done = migrate(full, other_model)
    assert not done.switched
    assert done.difference[2] < 0
    assert full.space == model.space
    assert len(full.place.tables()) == 1


def test_a_reader_goes_on_in_the_old_vectors_and_is_told_after_the_switch(
    full, model, other_model, address
):
    with Store.open(address, model) as reader:
        assert reader.search(TEXTS[0])
        migrate(full, other_model)
        with pytest.raises(SpaceMismatch, match="leave -m out"):
            reader.search(TEXTS[0])


def test_without_the_old_model_nothing_is_compared_and_it_says_so(full, other_model, address):
    third = Model(WordSums(max_tokens=64, name="third"), other_model.cache)
    with Store.open(address) as own_model_is_gone:
        own_model_is_gone._given = third
        done = migrate(own_model_is_gone, other_model)
    assert done.switched
    assert done.old_quality is None
    assert any("not compared" in note for note in done.report.notes)


def test_what_there_is_nothing_to_do_for(full, model):
    with pytest.raises(InputError, match="already"):
        migrate(full, model)
    with pytest.raises(StoreError, match="no previous model to go back to"):
        go_back(full)


def test_the_users_own_questions_decide_where_there_are_some(full, other_model):
    asked = [
        Question("1", "thing3 about topic3", (Expected("t3"),)),
        Question("2", "thing9 about", (Expected("t9", "number9 about topic2"),)),
    ]
    done = migrate(full, other_model, questions=asked)
    assert (done.questions, done.questions_from) == (2, "questions that were given")
    assert done.new_quality.found == 1.0
    with pytest.raises(InputError, match="nothing to compare by"):
        migrate(full, other_model, questions=[])


def test_a_question_whose_answer_no_passage_holds_counts_as_not_found(full, other_model):
    asked = [Question("1", "thing3", (Expected("t3", "words that are not there"),))]
    assert migrate(full, other_model, questions=asked).new_quality.found == 0.0


@pytest.fixture
def tuned(cache):
    """A model that was tuned on the side of the queries alone."""
    return Model(Routed("tuned"), cache)


def test_a_model_tuned_for_queries_takes_the_vectors_that_are_there(full, tuned, model, address):
    before = full.table.count()
    done = migrate(full, tuned)
    assert done.switched
    assert "no document was embedded again" in " ".join(done.report.notes)
    assert done.report.texts == 0
    asked = {text for text in tuned.provider.embedded if text in TEXTS}
    assert len(asked) <= SAMPLE
    assert full.space == tuned.space
    assert len(full.place.tables()) == 1
    with Store.open(address, tuned) as again:
        assert again.count() == before
        assert again.search("topic3", mode="vector")
    with pytest.raises(SpaceMismatch):
        Store.open(address, model)


def test_and_back_from_it(full, tuned, model, address):
    migrate(full, tuned)
    full.use(tuned)
    assert go_back(full) == "vectors"
    with Store.open(address, model) as again:
        assert again.search(TEXTS[3])[0].passage.id == "t3"


def test_and_back_to_its_base_by_name(full, tuned, model):
    migrate(full, tuned)
    done = migrate(full, model, switch=True)
    assert "no document was embedded again" in " ".join(done.report.notes)
    assert full.space == model.space
    assert len(full.place.tables()) == 1


def test_what_is_added_after_it_can_be_searched(full, tuned):
    migrate(full, tuned)
    full.add(["an entirely new passage"], ids=["new"])
    assert full.search("entirely new", mode="keyword")[0].passage.id == "new"
    assert full.count() == 41


def test_one_that_changed_the_documents_too_is_built_anew(full, cache):
    done = migrate(full, Model(Routed("changed", documents="changed"), cache), switch=True)
    assert not any("embedded again" in note for note in done.report.notes)
    assert done.report.texts == 40
    assert len(full.place.tables()) == 2


def test_a_model_that_is_not_switched_to_leaves_the_shared_table(full, tuned, model):
    done = migrate(full, tuned, switch=False)
    assert not done.switched
    assert full.space == model.space
    assert full.count() == 40


def test_a_table_that_another_model_shares_is_not_overwritten(full, tuned, model, monkeypatch):
    migrate(full, tuned)
    monkeypatch.setattr("veclab.store.migrate.agree", lambda *_: False)
    migrate(full, model, switch=True)
    assert full.search(TEXTS[3])[0].passage.id == "t3"
    assert len(full.place.tables()) == 2
