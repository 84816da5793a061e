"""`kill -9` at any moment leaves a usable store, and the next run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from veclab.store.store import Store

pytestmark = pytest.mark.slow

# A writer that stops, tells, and waits to be killed at a given call of a given method.
WRITER = """
import sys, time
from tests.store.conftest import WordSums
from veclab.cache import Cache
from veclab.model import Model
from veclab.store import lance, postgres
from veclab.store.store import Store

path, moment = sys.argv[1:]

def stop(*args, **kwargs):
    print("stopped", flush=True)
    time.sleep(600)

if moment == "before":  # everything is written, nothing is committed
    lance.files_without = stop
    given_run = postgres.PostgresTable._run
    postgres.PostgresTable._run = lambda self, query, *args, **more: (
        stop() if query.startswith("DELETE") else given_run(self, query, *args, **more)
    )
elif moment == "after":  # committed, and nothing else was done
    Store.tune = stop
elif moment == "embedding":
    given = WordSums.embed_batch
    def embed_batch(self, batch, role):
        if len(self.batches) == 2:
            stop()
        return given(self, batch, role)
    WordSums.embed_batch = embed_batch
with Store.open(path, Model(WordSums(max_tokens=64), Cache.open()), create=True) as store:
    print("opened", flush=True)
    store.add([f"new text {i}" for i in range(30)], ids=[f"t{i}" for i in range(30)])
print("done", flush=True)
"""


def run_and_kill(path, moment, environment):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path, moment],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    told = []
    for line in process.stdout:
        told.append(line.strip())
        if told[-1] == "stopped":
            process.send_signal(signal.SIGKILL)
    process.wait()
    return told


@pytest.fixture
def environment(environment):
    return environment | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}


@pytest.mark.parametrize(("moment", "seen"), [("embedding", 4), ("before", 4), ("after", 32)])
def test_a_killed_writer_leaves_the_old_state_or_the_new_one(
    store, model, environment, moment, seen, address
):
    store.add(["old one", "old two", "old three", "text"], ids=["a", "b", "t0", "t1"])
    assert run_and_kill(address, moment, environment) == ["opened", "stopped"]
    with Store.open(address, model) as reader:
        assert reader.count() == seen
        assert reader.search("old one", mode="keyword")[0].passage.id == "a"
    assert run_and_kill(address, "never", environment) == ["opened", "done"]
    with Store.open(address, model) as reader:
        assert reader.count() == 32
        assert reader.count("text starts with 'new'") == 30


@pytest.mark.parametrize("moment", ["embedding", "before"])
def test_a_killed_first_run_leaves_no_store_and_the_next_makes_it(
    address, model, environment, moment
):
    path = address
    assert run_and_kill(path, moment, environment) == ["opened", "stopped"]
    with Store.open(path, model, create=True) as store:
        assert not store.exists
    assert run_and_kill(path, "never", environment) == ["opened", "done"]
    with Store.open(path, model) as store:
        assert store.count() == 30


def test_what_was_embedded_before_the_kill_is_not_embedded_again(
    store, provider, environment, address
):
    run_and_kill(address, "embedding", environment)
    store.add([f"new text {i}" for i in range(30)], ids=[f"t{i}" for i in range(30)])
    assert 0 < len(provider.embedded) < 30  # two batches were in the cache


def test_two_writers_wait_for_each_other(store, model, environment, address):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, address, "never"],
            stdout=subprocess.PIPE,
            env=environment,
        )
        for _ in range(2)
    ]
    assert [w.communicate()[0].split()[-1] for w in writers] == [b"done", b"done"]
    assert store.count() == 30
