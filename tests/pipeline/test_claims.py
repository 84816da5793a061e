"""Two runs over one corpus at once buy each text once."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import numpy as np
import pytest

import veclab
from tests.openai_server import KEY, OpenAIServer, hash_vectors
from tests.waiting import wait_until
from veclab import CacheError
from veclab.cache import Cache, claims
from veclab.cache.claims import Claims

SMALL = "text-embedding-3-small"
TEXTS = [f"text {i}" for i in range(300)]
RECIPE = b"recipe-A"
DIGESTS = [bytes([i]) * 16 for i in range(10)]


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with OpenAIServer() as running:
        yield running


def load(server):
    return veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)


class Gate:
    """Lets the server answer when the test says so; the first request's arrival is an event."""

    def __init__(self, server):
        self.arrived, self.open = threading.Event(), threading.Event()
        answer = server.vectors

        def vectors(texts, dim):
            self.arrived.set()
            self.open.wait()
            return answer(texts, dim)

        server.vectors = vectors


def in_thread(work):
    result = []

    def run():
        try:
            result.append(work())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def test_the_second_of_two_runs_waits_for_what_the_first_buys(server, monkeypatch):
    gate, waits = Gate(server), threading.Event()
    first, one = in_thread(lambda: load(server).embed(TEXTS))
    gate.arrived.wait()
    monkeypatch.setattr("veclab.pipeline.claims.sleep", lambda _: waits.set())
    second, two = in_thread(lambda: load(server).embed(TEXTS[100:]))
    waits.wait()
    gate.open.set()
    first.join()
    second.join()
    np.testing.assert_allclose(one[0].array, hash_vectors(TEXTS, 64), atol=1e-6)
    np.testing.assert_allclose(two[0].array, hash_vectors(TEXTS[100:], 64), atol=1e-6)
    assert server.bought == Counter(TEXTS)
    assert (two[0].report.cached, two[0].report.embedded) == (200, 0)
    assert "200 texts were bought by another run at the same time" in two[0].report.notes


def test_what_the_first_gives_up_the_second_takes_over(server, monkeypatch):
    gate, waits = Gate(server), threading.Event()
    model = load(server)
    first, one = in_thread(lambda: model.embed(TEXTS[:200]))
    gate.arrived.wait()
    monkeypatch.setattr("veclab.pipeline.claims.sleep", lambda _: waits.set())
    second, two = in_thread(lambda: load(server).embed(TEXTS[100:]))
    # The first run ends with an error, and keeps nothing of what it bought.
    monkeypatch.setattr(model.cache, "put_many", full_disk)
    gate.open.set()
    first.join()
    second.join()
    assert isinstance(one[0], CacheError)
    np.testing.assert_allclose(two[0].array, hash_vectors(TEXTS[100:], 64), atol=1e-6)


def full_disk(*_):
    raise CacheError("the disk is full")


CHILD = """
import sys, veclab
model = veclab.load("openai:text-embedding-3-small", dimensions=64, base_url=sys.argv[1])
model.embed([f"text {i}" for i in range(300)])
"""


def test_claims_of_a_run_that_was_killed_are_nobodys(server, environment):
    gate = Gate(server)
    command = [sys.executable, "-c", CHILD, server.url]
    child = subprocess.Popen(command, env=environment | {"OPENAI_API_KEY": KEY})
    wait_until(gate.arrived.is_set, child)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    gate.open.set()
    vectors = load(server).embed(TEXTS)  # does not wait for half an hour
    assert vectors.report.embedded == 300


def test_two_processes_buy_each_text_once(server, environment):
    server.delay = 0.2
    command = [sys.executable, "-c", CHILD, server.url]
    env = environment | {"OPENAI_API_KEY": KEY}
    children = [subprocess.Popen(command, env=env) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert server.bought == Counter(TEXTS)


def entries(cache):
    store = cache.store
    return store.run(lambda txn: txn.stat(store.claims)["entries"], claims.Op.WALK)


class TestClaims:
    def test_are_somebodys_until_they_are_given_up(self, cache):
        one, two = Claims(cache), Claims(cache)
        assert one.take(RECIPE, DIGESTS[:6]).all()
        assert two.take(RECIPE, DIGESTS).tolist() == [False] * 6 + [True] * 4
        assert one.take(RECIPE, DIGESTS).tolist() == [True] * 6 + [False] * 4
        assert two.take(b"recipe-B", DIGESTS).all()
        # Asking for nothing that it gets costs nobody what it has.
        assert not one.take(b"recipe-B", DIGESTS).any()
        assert not two.take(RECIPE, DIGESTS[:6]).any()
        one.release()
        assert two.take(RECIPE, DIGESTS).all()
        two.release()
        two.release()
        assert entries(cache) == 0

    def test_of_one_that_does_nothing_for_half_an_hour_are_nobodys(self, cache, monkeypatch):
        one, two = Claims(cache), Claims(cache)
        one.take(RECIPE, DIGESTS)
        assert not two.take(RECIPE, DIGESTS).any()
        now, clock = time.time(), time.monotonic()
        monkeypatch.setattr(claims.time, "time", lambda: now + 1700)
        monkeypatch.setattr(claims.time, "monotonic", lambda: clock + 1700)
        one.renew()
        monkeypatch.setattr(claims.time, "time", lambda: now + 1900)
        assert not two.take(RECIPE, DIGESTS).any()
        monkeypatch.setattr(claims.time, "time", lambda: now + 1700 + 1801)
        assert two.take(RECIPE, DIGESTS).all()
        # What it lost it does not take from its new owner by giving it up.
        one.release()
        assert not Claims(cache).take(RECIPE, DIGESTS).any()

    def test_are_not_made_for_what_costs_nothing_or_is_there(self, model, cache, server):
        model.embed(TEXTS)
        load(server).embed(TEXTS)
        assert entries(cache) == 0
        taken = []
        Claims.take, take = lambda *given: taken.append(given), Claims.take
        try:
            load(server).embed(TEXTS)
        finally:
            Claims.take = take
        assert taken == []

    def test_do_not_outlive_a_compaction(self, cache):
        Claims(cache).take(RECIPE, DIGESTS)
        assert cache.store.compact() is None
        assert Claims(cache).take(RECIPE, DIGESTS).all()
        assert Cache.open().stats().entries == 0
