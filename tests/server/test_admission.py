"""Who may wait, and when the others are told to come again."""

import pytest

from veclab.server.admission import Admission
from veclab.server.problems import Problem


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def admission(clock):
    """100 tokens a second, and two seconds of them may wait."""
    return Admission(100.0, 2.0, least=10, clock=clock)


def wait(problem):
    return int(problem.value.headers["retry-after-ms"]) / 1000


def fill(admission):
    for _ in range(20):
        admission.enter(10)


def test_who_finds_it_full_is_told_when_there_is_room(admission):
    fill(admission)
    with pytest.raises(Problem) as full:
        admission.enter(50)
    assert full.value.status == 429
    assert 0.5 <= wait(full) <= 0.7
    assert int(full.value.headers["retry-after"]) == 1
    assert admission.rejected == 1


def test_each_is_given_a_time_of_their_own(admission):
    fill(admission)
    waits = []
    for _ in range(10):
        with pytest.raises(Problem) as full:
            admission.enter(100)
        waits.append(wait(full))
    for second, given in enumerate(waits, 1):  # the first to the tenth second of work from now
        assert second <= given <= 1.2 * second + 0.06, waits


def test_nobody_is_told_to_come_so_late_that_the_client_gives_up(admission):
    fill(admission)
    for _ in range(200):
        with pytest.raises(Problem) as full:
            admission.enter(100)
    assert wait(full) <= 60


def test_who_comes_again_finds_more_room(admission):
    fill(admission)
    with pytest.raises(Problem):
        admission.enter(100)
    admission.enter(100, tries=1)
    for _ in range(10):
        admission.enter(10, tries=1)
    with pytest.raises(Problem):
        admission.enter(100, tries=1)
    admission.enter(100, tries=2)


def test_whatever_it_costs_the_first_is_let_in(admission):
    admission.enter(10_000)
    with pytest.raises(Problem):
        admission.enter(1)


def test_the_pace_is_measured(admission, clock):
    admission.enter(4000)
    for _ in range(40):
        clock.now += 1.0
        admission.leave(50, computed=True)
    assert admission.pace == pytest.approx(50, rel=0.05)
    assert admission.capacity == pytest.approx(100, rel=0.05)


def test_what_the_cache_had_says_nothing_of_the_pace(admission, clock):
    admission.enter(4000)
    before = admission.pace
    clock.now += 0.001
    admission.leave(4000, computed=False)
    assert admission.pace == before
    assert admission.backlog == 0
