"""Which shape a batch is run in: one that is there, unless making its own has become worth it."""

from hypothesis import given
from hypothesis import strategies as st

from veclab.models.local.openvino.lanes import Shapes

shape = st.tuples(st.integers(1, 8), st.integers(1, 20))


def test_a_shape_that_is_there_and_hardly_larger_is_taken():
    shapes = Shapes(cost=43, most=40)
    assert shapes.choose(8, 20) == (8, 20)
    assert shapes.choose(8, 18) == (8, 20)  # 16 tokens more
    assert shapes.choose(8, 18) == (8, 20)  # 32 in all
    assert shapes.choose(8, 18) == (8, 18)  # 48 would cost more than its own kernels
    assert shapes.choose(8, 18) == (8, 18)
    assert shapes.choose(9, 20) == (9, 20)  # none is larger


def test_what_was_not_used_for_longest_is_forgotten():
    shapes = Shapes(cost=1000, most=2)
    shapes.choose(1, 10)
    shapes.choose(2, 10)
    shapes.choose(1, 10)
    shapes.choose(3, 10)
    assert shapes.choose(2, 10) == (3, 10)


@given(st.lists(shape, max_size=60), st.integers(1, 60))
def test_it_costs_at_most_twice_what_making_every_shape_would(batches, cost):
    shapes, made, spent = Shapes(cost, 10**6), set(), 0
    for texts, tokens in batches:
        chosen = shapes.choose(texts, tokens)
        assert chosen[0] >= texts and chosen[1] >= tokens
        spent += chosen[0] * chosen[1] - texts * tokens + (0 if chosen in made else cost)
        made.add(chosen)
    assert spent <= 2 * cost * len(set(batches))
