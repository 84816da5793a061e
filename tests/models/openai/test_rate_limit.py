"""How many requests may be on their way: on a clock of the test's own."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.openai_server import in_http_date
from tests.waiting import run_async
from veclab.models.openai.rate_limit import LONGEST_WAIT, Flow, Gauge, Stopped, retry_after, seconds


@pytest.mark.parametrize(
    ("text", "span"),
    [("1s", 1), ("6m0s", 360), ("20ms", 0.02), ("1h2m3s", 3723), ("1.5s", 1.5), ("2", 2)],
)
def test_spans_of_rate_limit_headers_are_read(text, span):
    assert seconds(text) == pytest.approx(span)


@pytest.mark.parametrize("text", ["", "soon", "1x", "-1s", "nan", "inf", None])
def test_what_is_no_span_is_passed_over(text):
    assert seconds(text) is None


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "100000"}, LONGEST_WAIT),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "later"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers, wait):
    assert retry_after(headers) == wait


def test_retry_after_may_be_a_date():
    assert 28 < retry_after({"retry-after": in_http_date(30)}) <= 30


def headers(limit, remaining, reset):
    return {
        "x-ratelimit-limit-tokens": str(limit),
        "x-ratelimit-remaining-tokens": str(remaining),
        "x-ratelimit-reset-tokens": reset,
    }


class TestGauge:
    def test_knows_nothing_and_lets_everything_pass_at_first(self):
        assert Gauge().wait(10**9, 0.0) == 0

    def test_waits_until_enough_has_come_back(self):
        gauge = Gauge()
        gauge.learn(headers(1000, 100, "9s"), "tokens", gauge.take(50), now=0.0)
        assert gauge.rate == pytest.approx(100)
        assert gauge.wait(100, 0.0) == 0
        assert gauge.wait(400, 0.0) == pytest.approx(3)
        assert gauge.wait(400, 3.0) == 0
        assert gauge.wait(5000, 9.0) == 0  # over all there is: the server has the last word

    def test_takes_off_what_was_sent_after_the_request_that_was_answered(self):
        gauge = Gauge()
        sent = gauge.take(50)
        gauge.take(300)  # the server did not know of this one when it answered the first
        gauge.learn(headers(1000, 900, "1s"), "tokens", sent, now=0.0)
        assert gauge.left == 600

    def test_an_answer_overtaken_by_a_later_one_says_nothing_new(self):
        gauge = Gauge()
        early, late = gauge.take(50), gauge.take(50)
        gauge.learn(headers(1000, 10, "9s"), "tokens", late, now=1.0)
        gauge.learn(headers(1000, 900, "1s"), "tokens", early, now=2.0)
        assert gauge.left == 10

    @given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 5)), max_size=40))
    def test_never_lets_more_pass_than_a_bucket_of_that_size_holds(self, steps):
        limit, rate, now, there = 1000, 100.0, 0.0, 1000.0  # a server's token bucket
        gauge = Gauge()
        for cost, pause in steps:
            now, there = now + pause, min(limit, there + rate * pause)
            wait = gauge.wait(cost, now) + 1e-6
            now, there = now + wait, min(limit, there + rate * wait)
            sent = gauge.take(cost)
            there -= cost
            assert there > -1
            gauge.learn(
                headers(limit, int(there), f"{(limit - there) / rate}s"), "tokens", sent, now
            )


def run(work):
    return run_async(work)


def test_grows_by_each_answer_until_the_first_refusal_then_by_each_round():
    async def work():
        flow = Flow(most=16)
        for _ in range(6):
            flow.grow()
        assert flow.limit == 10
        async with flow.turn(1) as ticket:
            flow.ease(ticket, 0)
        assert flow.limit == 5
        for _ in range(5):
            flow.grow()
        assert 5.9 < flow.limit < 6
        for _ in range(1000):
            flow.grow()
        assert flow.limit == 16

    run(work())


def test_refusals_of_one_round_cut_once():
    async def work():
        flow = Flow(most=16, limit=16)
        async with flow.turn(1) as a, flow.turn(1) as b, flow.turn(1) as c:
            for ticket in (a, b, c):
                flow.ease(ticket, 0)
        assert flow.limit == 8

    run(work())


def test_no_more_than_the_limit_are_on_their_way():
    async def work():
        flow, most = Flow(most=3, limit=3), 0

        async def one():
            nonlocal most
            async with flow.turn(1):
                most = max(most, flow.flying)
                await asyncio.sleep(0.01)

        await asyncio.gather(*(one() for _ in range(20)))
        assert most == 3
        assert flow.flying == 0

    run(work())


def test_who_waits_can_be_told_to_stop_and_who_comes_later_goes_on():
    async def work():
        flow = Flow(most=1, limit=1)

        async def one():
            async with flow.turn(1):
                pass

        async with flow.turn(1):
            waiting = [asyncio.create_task(one()), asyncio.create_task(flow.sleep(600))]
            await asyncio.sleep(0.01)
            flow.stop()
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Stopped, Stopped]
        await one()

    run(work())
