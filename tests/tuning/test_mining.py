"""What is mined is near the query and wrong: neither right, nor its copy, nor likely right."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import FakeProvider
from veclab.model import Model
from veclab.tuning.data import TrainingData
from veclab.tuning.mining import mine

# Angles in degrees: the query is at 0, and a document's cosine with it falls as it goes away.
DOCUMENTS = {
    "right": 30,
    "a copy of right": 32,
    "nearer than right": 10,
    "hard": 60,
    "less hard": 75,
    "easy": 160,
}


class Angles(FakeProvider):
    """Two dimensions: a text's vector points where the table says."""

    def __init__(self):
        super().__init__(name="angles")
        self.space = replace(self.space, dimensions=2)

    def vector(self, text, role=None):
        angle = np.radians(DOCUMENTS.get(text, 0))
        return np.array([np.cos(angle), np.sin(angle)], np.float32)


@pytest.fixture
def model():
    return Model(Angles(), None)


def data(positives=(0,), negatives=()):
    return TrainingData("d", ["query"], list(DOCUMENTS), [list(positives)], [list(negatives)])


def names(made):
    return [list(DOCUMENTS)[d] for d in made.negatives[0]]


def test_the_nearest_wrong_documents_come_first(model):
    assert names(mine(model, data(), 2)) == ["hard", "less hard"]


def test_all_there_are_where_more_are_wanted(model):
    assert names(mine(model, data(), 10)) == ["hard", "less hard", "easy"]


def test_what_was_passed_over_is_told(model):
    note = mine(model, data(), 2).notes[-1]
    assert "2 hard negatives" in note
    # Nearer than right, and nearly as near: one each.
    assert "2 that score like a right document" in note


def test_a_copy_of_a_right_document_is_none_of_the_wrong_ones(model, monkeypatch):
    """These lie on the far side of the right one, too far from the query to score like it."""
    monkeypatch.setitem(DOCUMENTS, "right", 50)
    monkeypatch.setitem(DOCUMENTS, "a copy of right", 60)
    made = mine(model, data(), 1)
    assert names(made) == ["less hard"]
    assert "2 near-duplicates" in made.notes[-1]


def test_what_the_data_names_comes_first_and_counts(model):
    assert names(mine(model, data(negatives=[5]), 2)) == ["easy", "hard"]
    full = data(negatives=[5])
    assert mine(model, full, 1) is full


def test_several_right_documents_the_farthest_decides(model):
    assert names(mine(model, data(positives=[0, 3]), 5)) == ["easy"]


def test_labels_swapped_leave_nothing_to_mine(model):
    made = mine(model, data(positives=[5]), 4)
    assert made.negatives == [[]]
    assert "0 hard negatives" in made.notes[-1]
