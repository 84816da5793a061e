"""The pool before the model: the oldest goes first, in company of its length."""

from hypothesis import given
from hypothesis import strategies as st

from veclab.provider import Limits
from veclab.server.staging import Stage

LIMITS = Limits(None, 1024, 64)
lengths = st.lists(st.integers(1, 100), min_size=1, max_size=40)


def staged(sizes):
    stage = Stage()
    for number, size in enumerate(sizes):
        stage.add((number, size), size)
    return stage


def test_the_oldest_takes_those_of_its_length_along():
    stage = staged([10, 90, 11, 9, 80])
    assert sorted(stage.take(50, LIMITS)) == [(0, 10), (2, 11), (3, 9)]
    assert sorted(stage.take(1024, LIMITS)) == [(1, 90), (4, 80)]
    assert stage.cost == 0 and stage.take(1024, LIMITS) == []


@given(lengths, st.integers(1, 400), st.booleans(), st.integers(1, 9))
def test_all_come_once_the_oldest_first_and_within_the_limits(sizes, budget, padded, texts):
    stage, limits = staged(sizes), Limits(None, 300, texts, padded=padded)
    left = dict(enumerate(sizes))
    while left:
        assert stage.cost == sum(left.values())
        batch = stage.take(budget, limits)
        assert min(left) in [number for number, _ in batch]
        found = [size for _, size in batch]
        assert found == sorted(found, reverse=True)
        cost = max(found) * len(found) if padded else sum(found)
        assert len(batch) == 1 or cost <= min(budget, 300)
        assert len(batch) <= texts
        for number, size in batch:
            assert left.pop(number) == size
