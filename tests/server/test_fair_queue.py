"""Clients take turns by cost, whatever each has waiting."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from veclab.server.fair_queue import FairQueue


def fill(*puts):
    queue = FairQueue()
    for client, flow, item, cost in puts:
        queue.put(client, flow, item, cost)
    return queue


def test_one_connection_is_served_in_order():
    queue = fill(*(("a", "1", i, 1) for i in range(5)))
    assert queue.take(3) == [0, 1, 2]
    assert queue.take(10) == [3, 4]
    assert queue.take(10) == []


def test_a_newcomer_does_not_wait_for_all_that_another_has():
    queue = fill(*(("big", "1", f"big {i}", 10) for i in range(100)))
    queue.take(200)
    queue.put("small", "1", "small", 10)
    assert "small" in queue.take(30)


def test_connections_of_one_client_take_turns_too():
    queue = fill(*(("a", "1", "x", 1) for _ in range(50)), *(("a", "2", "y", 1) for _ in range(50)))
    assert Counter(queue.take(20)) == {"x": 10, "y": 10}


def test_a_second_connection_gains_a_client_nothing():
    queue = fill(
        *(("two", str(i % 2), "two", 1) for i in range(50)),
        *(("one", "1", "one", 1) for _ in range(50)),
    )
    assert Counter(queue.take(20)) == {"two": 10, "one": 10}


def test_cost_counts_and_not_the_number():
    queue = fill(
        *(("long", "1", "long", 8) for _ in range(50)), *(("short", "1", "s", 1) for _ in range(99))
    )
    taken = Counter(queue.take(80))
    assert abs(8 * taken["long"] - taken["s"]) <= 8


def test_coming_again_at_once_gains_nothing():
    """A client with one big item at a time has its own turns, and not every second one."""
    queue = fill(*(("steady", "1", "steady", 1) for _ in range(200)))
    served = Counter()
    for _ in range(20):
        queue.put("again", "1", "again", 10)
        for item in queue.take(12):
            served[item] += 1
            if item == "again":
                break
    assert 10 * served["again"] <= served["steady"] + 20


def test_the_dead_are_dropped_and_cost_nobody_a_turn():
    queue = fill(*(("a", "1", i, 1) for i in range(300)), ("b", "1", "alive", 1))
    assert queue.take(1, dead=lambda item: item != "alive") == ["alive"]
    assert queue.cost == 0 or queue.take(9, dead=lambda item: True) == []
    assert queue.cost == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("12"), st.integers(1, 20)), max_size=60
    ),
    st.integers(1, 50),
)
def test_nothing_is_lost_or_doubled_and_each_connection_keeps_its_order(puts, budget):
    queue = FairQueue()
    for i, (client, flow, cost) in enumerate(puts):
        queue.put(client, flow, (client, flow, i), cost)
    assert len(queue) == len(puts)
    taken = []
    while batch := queue.take(budget):
        taken += batch
    assert sorted(i for *_, i in taken) == list(range(len(puts)))
    assert queue.cost == len(queue) == 0
    for name in {(client, flow) for client, flow, _ in taken}:
        order = [i for client, flow, i in taken if (client, flow) == name]
        assert order == sorted(order)
