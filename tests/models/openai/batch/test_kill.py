"""`kill -9` at random moments of submit and fetch: nothing is lost, and nothing is bought twice."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from tests.models.openai.batch.conftest import MODEL
from tests.waiting import wait_until
from veclab.models.openai.batch import jobs
from veclab.models.openai.batch.job_folder import JobFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
TEXTS = [f"text number {i}" for i in range(120)]
LONG = [" ".join(f"word{i}" for i in range(k, k + 25)) for k in range(10)]


@pytest.fixture
def run(server, environment, tmp_path):
    """A function that runs a command, kills it at some moment, and gives its exit code."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.models.openai.batch.killable"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    def command(*words, at=None):
        child.stdin.write(json.dumps([at, *map(str, words)]) + "\n")
        child.stdin.flush()
        code = int(child.stdout.readline())
        # What a killed process had sent may be yet to be read at the other end.
        wait_until(server.is_idle)
        return code

    yield command
    child.stdin.close()
    child.wait()


def kill_and_finish(run, rng, kills, *words):
    """Kill a command at random calls of functions, then run it to the end; how many were hit."""
    moments = [f"call {round(10 ** rng.uniform(2, 5))}" for _ in range(kills)]
    hit = sum(run(*words, at=moment) == -9 for moment in moments)
    assert run(*words) in (0, 1)
    return hit


OPTIONS = ["-m", MODEL, "--on-long", "split", "--max-tokens", "9"]


def check_batches(server, job):
    """Every batch is known, each file has one that lives, and none was uploaded twice."""
    with JobFolder.open(job) as folder:
        parts, cancelled = folder.manifest.parts, folder.manifest.cancelled
    assert {part.batch_id for part in parts} | set(cancelled) == set(server.batches)
    alive = [b for b in server.batches.values() if b["status"] != "cancelled"]
    assert len(alive) == len(server.uploads) == len(parts) == 4


def check_vectors(run, server, job, file, tmp_path):
    """Everything was bought once, and embed buys nothing."""
    assert jobs.fetch(job).progress.complete
    assert max(Counter(server.bought).values()) == 1
    assert set(TEXTS) <= set(server.bought)
    calls = len(server.calls)
    assert run("embed", file, *OPTIONS, "-o", tmp_path / "out.parquet") == 0
    assert len(server.calls) == calls
    assert not list(job.glob("answers-*"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_any_two_steps(run, server, corpus, tmp_path, when):
    file, job = corpus(TEXTS + LONG), tmp_path / "job"
    submit = ["batch", "submit", file, *OPTIONS, "--request-texts", "5", "--job", job]
    assert run(*submit, at=f"{when} 1") == -9
    runs = 1
    # Each run gets one step further than the one before.
    while run(*submit, at=f"{when} 2") == -9:
        runs += 1
    assert runs >= 9
    check_batches(server, job)
    server.finish()
    fetch = ["batch", "fetch", "--job", job]
    while (code := run(*fetch, at=f"{when} 2")) == -9:
        runs += 1
    assert code == 0
    assert runs >= 12
    check_vectors(run, server, job, file, tmp_path)


def test_killed_at_random(run, server, corpus, tmp_path):
    rng = random.Random(1)
    file, job = corpus(TEXTS + LONG), tmp_path / "job"
    limits = [*OPTIONS, "--request-texts", "5"]
    hit = kill_and_finish(run, rng, 6, "batch", "submit", file, *limits, "--job", job)
    check_batches(server, job)
    server.finish()
    hit += kill_and_finish(run, rng, 6, "batch", "fetch", "--job", job)
    assert hit >= 8, "too few kills hit: this proved little"
    check_vectors(run, server, job, file, tmp_path)
