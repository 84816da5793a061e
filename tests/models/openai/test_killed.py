"""A run that is killed at random has lost the requests in flight and nothing else."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import veclab
from tests.openai_server import KEY, OpenAIServer, hash_vectors
from tests.waiting import wait_until
from veclab.pipeline.prepare import text_digests

TEXTS = [f"text number {i}" for i in range(4000)]
CONCURRENCY, BATCH = 16, 10
CHILD = f"""
import sys, dataclasses, veclab
model = veclab.load("openai:text-embedding-3-small", dimensions=64, base_url=sys.argv[1])
model.provider.limits = dataclasses.replace(model.provider.limits, batch_texts={BATCH})
model.embed([f"text number {{i}}" for i in range(4000)]).save(sys.argv[2])
"""


def committed(model):
    """The texts whose vectors are in the cache."""
    found = model.cache.get_many(model.start().recipe.whole_key, text_digests(TEXTS), 64)
    return {text for text, hit in zip(TEXTS, found.hit, strict=True) if hit}


@pytest.mark.slow
def test_kill_9_ten_times_costs_the_requests_in_flight_only(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    chance = random.Random(9)
    lost = 0
    with OpenAIServer(delay=0.05) as server:
        model = veclab.load("openai:text-embedding-3-small", dimensions=64, base_url=server.url)
        command = [sys.executable, "-c", CHILD, server.url, str(tmp_path / "v.parquet")]
        kept: set[str] = set()
        for _ in range(10):
            before = len(server.asked)
            last = before + chance.randint(1, 30)
            # Later ones are left without an answer: it does not get far while it is to be killed.
            server.faults = lambda asked: "hang" if len(server.asked) > last else None  # noqa: B023
            child = subprocess.Popen(command, env=environment | {"OPENAI_API_KEY": KEY})
            wait_until(lambda: len(server.asked) >= last, child)  # noqa: B023
            time.sleep(chance.random() * 0.1)  # it may be killed anywhere
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            wait_until(server.is_idle)
            asked = [request.texts for request in server.asked[before:]]
            again = {text for texts in asked for text in texts}
            assert not again & kept, "a committed answer was bought again"
            kept = committed(model)
            gone = [texts for texts in asked if not set(texts) <= kept]
            assert len(gone) <= CONCURRENCY
            lost += len(gone)
        assert not (tmp_path / "v.parquet").exists()
        server.faults = lambda asked: None
        subprocess.run(command, env=environment | {"OPENAI_API_KEY": KEY}, check=True)
        assert len(server.asked) == len(TEXTS) // BATCH + lost
        assert sum(server.bought.values()) <= len(TEXTS) + lost * BATCH
    vectors = veclab.read(tmp_path / "v.parquet")
    assert list(vectors.texts) == TEXTS
    np.testing.assert_allclose(vectors.array, hash_vectors(TEXTS, 64), atol=1e-6)
