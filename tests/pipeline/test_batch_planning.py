"""Which batches a block is computed in, whatever is known already."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from veclab import CostTooHigh, TextTooLong
from veclab.model import Model
from veclab.pipeline.batch_planning import CHUNK, count_tokens, plan_batches, within_cost
from veclab.pipeline.embed import deduplicate, look_up, prepare

LONG = " ".join(f"w{i}" for i in range(40))


def begin(run, texts):
    """A block as it is before batches are planned."""
    prepared = prepare(run, list(map(str, range(len(texts)))), texts)
    distinct = deduplicate(run, prepared)
    return distinct, look_up(run, distinct)


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=CHUNK // 20),
    st.sets(st.integers(0, CHUNK // 20)),
)
@settings(deadline=None)
def test_batches_hold_what_is_missing_and_full_ones_stay_the_same(words, known):
    run = Model(FakeProvider(batch_texts=4)).start()
    texts = [f"{i} " + "w " * n for i, n in enumerate(words)]
    distinct, vectors = begin(run, texts)
    undisturbed = [[i.text for i in batch] for batch in plan_batches(run, distinct, vectors)]
    assert sorted(chain(*undisturbed)) == list(range(len(texts)))
    known &= set(range(len(texts)))
    for i in known:
        vectors.ready[i], vectors.tokens[i] = True, words[i] + 3
    batches = [[i.text for i in batch] for batch in plan_batches(run, distinct, vectors)]
    assert sorted(chain(*batches)) == sorted(set(range(len(texts))) - known)
    for batch in undisturbed:
        if not known & set(batch):
            assert batch in batches


def test_a_split_text_is_its_windows_and_each_knows_the_whole():
    run = Model(FakeProvider()).start(on_long="split")
    distinct, _ = begin(run, ["short", LONG])
    counted = count_tokens(run, distinct, [0, 1])
    assert counted.tokens == [3, 42]
    assert list(counted.whole) == [0]
    assert [item.window for item in counted.windows] == [(0, 3, 42), (1, 3, 42), (2, 3, 42)]


def test_texts_over_the_limit_are_named_when_they_are_refused():
    run = Model(FakeProvider()).start(on_long="error")
    with pytest.raises(TextTooLong, match=r"1 text.*: 1 \(42 tokens\)"):
        list(plan_batches(run, *begin(run, ["short", LONG])))


def test_batches_come_as_long_as_they_are_paid_for():
    run = Model(FakeProvider(price=1e6, batch_texts=1, padded=False)).start(max_cost=7)
    batches = within_cost(run, plan_batches(run, *begin(run, ["a", "b", "c"])))
    assert [len(next(batches)), len(next(batches))] == [1, 1]  # three tokens each
    with pytest.raises(CostTooHigh, match=r"9\.0000 dollars, over the limit of 7"):
        next(batches)
