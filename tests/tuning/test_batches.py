"""In a batch nothing that is right counts as wrong; the whole run is laid down before it begins."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuning.making import numbered
from veclab.tuning.batches import plan_batches
from veclab.tuning.data import TrainingData


def plan(data, *, size=4, epochs=1, negatives=0, seed=0, lengths=None):
    lengths = np.ones(len(data.documents), np.intp) if lengths is None else lengths
    return plan_batches(data, lengths, size=size, epochs=epochs, negatives=negatives, seed=seed)


@st.composite
def judged(draw):
    """Queries and documents, with whatever is right and wrong."""
    documents = draw(st.integers(2, 12))
    places, most = st.integers(0, documents - 1), min(3, documents)
    some = st.sets(places, max_size=most).map(sorted)
    right = st.sets(places, min_size=1, max_size=most).map(sorted)
    positives = draw(st.lists(right, min_size=1, max_size=12))
    negatives = [[d for d in draw(some) if d not in right] for right in positives]
    return TrainingData(
        "judged",
        [f"q{i}" for i in range(len(positives))],
        [f"d{i}" for i in range(documents)],
        positives,
        negatives,
    )


@settings(deadline=None)
@given(judged(), st.integers(2, 5), st.integers(0, 2), st.integers(0, 3))
def test_no_batch_holds_a_right_document_as_wrong(data, size, negatives, seed):
    made = plan(data, size=size, negatives=negatives, seed=seed)
    for batch in made.order:
        assert 1 <= len(batch) <= size
        rows = made.rows[list(batch)]
        assert len(set(rows[:, 0])) == len(rows), "a query twice"
        for query, document, *_ in rows:
            right = set(data.positives[query]) - {document}
            everybody = rows[:, 1:].ravel().tolist()
            # A query for which all documents are right has nothing else to be given as wrong.
            if len(right) + 1 < len(data.documents):
                assert not right & set(everybody)
                assert everybody.count(document) == 1


@settings(deadline=None)
@given(judged(), st.integers(2, 5), st.integers(1, 3))
def test_every_pair_is_seen_once_an_epoch_or_counted(data, size, epochs):
    made = plan(data, size=size, epochs=epochs)
    seen = Counter(tuple(made.rows[row][:2]) for batch in made.order for row in batch)
    wanted = Counter({(q, d): epochs for q, found in enumerate(data.positives) for d in found})
    assert seen <= wanted
    assert wanted.total() - seen.total() == made.alone


def test_the_seed_alone_decides():
    data = numbered(50)
    assert plan(data).order == plan(data).order
    assert plan(data).order != plan(data, seed=1).order


def test_texts_of_like_length_share_a_batch():
    lengths = np.random.default_rng(0).integers(1, 100, 64)
    made = plan(numbered(64), size=8, lengths=lengths)
    spread = [np.ptp(lengths[made.rows[list(batch), 1]]) for batch in made.order]
    assert max(spread) < 30
    longest = [lengths[made.rows[list(batch), 1]].max() for batch in made.order]
    assert longest != sorted(longest), (
        "batches go from short to long, which is no order to learn in"
    )


def test_hard_negatives_take_turns():
    one = TrainingData("one", ["a", "b"], list("123456"), [[0], [1]], [[2, 3, 4], [5]])
    made = plan(one, epochs=3, negatives=1)
    of_the_first = {int(row[2]) for row in made.rows if row[0] == 0}
    assert of_the_first == {2, 3, 4}
    assert made.drawn == 0


def test_missing_ones_are_drawn_and_counted():
    made = plan(numbered(10), negatives=2)
    assert made.rows.shape == (10, 4)
    assert made.drawn == 10
    assert all(row[1] not in row[2:] for row in made.rows)


@pytest.mark.parametrize("negatives", [0, 1])
def test_a_pair_alone_teaches_only_with_a_wrong_document(negatives):
    data = TrainingData("same", ["a", "b"], ["1", "2"], [[0], [0]], [[1], [1]])
    made = plan(data, negatives=negatives)
    assert (len(made.order), made.alone) == ((2, 0) if negatives else (0, 2))
