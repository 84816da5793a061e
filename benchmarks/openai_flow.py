"""Requests, throughput and faults of OpenAI-compatible endpoints, against the server of the tests.

    python -m benchmarks.openai_flow [packing] [throughput] [faults] [full_size]

The server runs as a process of its own on loopback (`tests/openai_server.py`); its vectors are a
fast function of the text, so that what is measured is the way there and back, not a model. Writes
`benchmarks/results/openai_flow.json`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from veclab.model import Model, open_cache
from veclab.models.openai.model import OpenAIModel

RESULTS = Path(__file__).with_name("results") / "openai_flow.json"
KEY = "sk-test-4242424242424242424242424242"


@contextmanager
def server(**options: float) -> Iterator[tuple[str, Callable[[], dict]]]:
    """URL of the server, and a function that gives its counts."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.openai_server", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()

    def counts() -> dict:
        with urlopen(url.removesuffix("/v1") + "/counts") as answer:
            return json.load(answer)

    try:
        yield url, counts
    finally:
        process.stdin.close()
        process.wait(20)


def model(
    url: str,
    *,
    dimensions: int | None,
    concurrency: int = 16,
    batch_texts: int = 2048,
    timeout: float = 120.0,
    cache: bool = False,
) -> Model:
    provider = OpenAIModel(
        "text-embedding-3-small",
        base_url=url,
        dimensions=dimensions,
        concurrency=concurrency,
        timeout=timeout,
    )
    provider.limits = replace(provider.limits, batch_texts=batch_texts)
    return Model(provider, open_cache(cache)[0])


def packing() -> dict:
    """100,000 short texts, a tenth of them duplicates."""
    random = np.random.default_rng(1)
    texts = [f"a short text with the number {i} in it" for i in range(90_000)]
    texts += [texts[i] for i in random.integers(0, 90_000, 10_000)]
    random.shuffle(texts)
    least = math.ceil(len(set(texts)) / 2048)
    with server() as (url, counts):
        report = model(url, dimensions=64, cache=True).embed(texts).report
        sent = counts()["requests"]
    assert report.requests == sent
    return {
        "texts": len(texts),
        "distinct": len(set(texts)),
        "requests": sent,
        "least_possible": least,
        "times_least": round(sent / least, 4),
        "times_fewer_than_one_a_text": round(len(texts) / sent),
        "seconds": report.seconds,
    }


def throughput() -> dict:
    """Requests of 16 texts to a server that takes 200 ms each, one after another and 16 at once."""
    texts = [f"text {i}" for i in range(16 * 640)]
    seconds = {}
    with server(delay=0.2) as (url, _):
        for concurrency, part in ((1, 1 / 16), (16, 1)):
            some = texts[: int(len(texts) * part)]
            runs = []
            for _ in range(3):
                loaded = model(url, dimensions=64, concurrency=concurrency, batch_texts=16)
                loaded.embed(["warm"])
                start = time.perf_counter()
                loaded.embed(some)
                runs.append((time.perf_counter() - start) / part)
            seconds[concurrency] = sorted(runs)[1]
    return {
        "requests": 640,
        "one_after_another_seconds": round(seconds[1], 2),
        "sixteen_at_once_seconds": round(seconds[16], 2),
        "times_faster": round(seconds[1] / seconds[16], 2),
        "note": "medians of 3; one after another is measured on a sixteenth of the requests",
    }


def faults() -> dict:
    """A fifth of all answers are faults of every kind."""
    texts = [f"text {i}" for i in range(20_000)]
    with server() as (url, _):
        quiet = model(url, dimensions=64).embed(texts)
    with server(faults=0.2) as (url, counts):
        noisy = model(url, dimensions=64, batch_texts=50, timeout=15.0).embed(texts)
        counted = counts()
    return {
        "texts": len(texts),
        "identical_to_a_quiet_run": bool(np.array_equal(quiet.array, noisy.array)),
        "requests": counted["requests"],
        "sound_answers": counted["answered"],
        "least_possible": len(texts) // 50,
        "answers_thrown_away": counted["wasted"],
        "tokens_in_sound_answers": counted["tokens"],
        "tokens_least": noisy.report.tokens,
        "seconds": noisy.report.seconds,
    }


def full_size() -> dict:
    """Full requests and vectors as OpenAI's are: 1,536 dimensions, and the memory that takes."""
    texts = [f"a short text with the number {i} in it" for i in range(80_000)]
    with server() as (url, _):
        report = model(url, dimensions=None, cache=True).embed(texts).report
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "texts": len(texts),
        "requests": report.requests,
        "texts_per_second": round(len(texts) / report.seconds),
        "peak_memory_mb": round(peak),
    }


def main() -> None:
    measures = {f.__name__: f for f in (packing, throughput, faults, full_size)}
    os.environ["OPENAI_API_KEY"] = KEY
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    for name in sys.argv[1:] or measures:
        with tempfile.TemporaryDirectory() as home:
            os.environ["VECLAB_HOME"] = home
            results[name] = measures[name]()
        print(name, json.dumps(results[name], indent=2), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
