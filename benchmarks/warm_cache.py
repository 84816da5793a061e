"""How fast texts come that were embedded before: the library call, everything from the cache.

    python benchmarks/warm_cache.py [TEXTS] [--profile]

Distinct texts of 6 to 16 words, vectors of 384 numbers made by a stand-in for a model, since only
the way around the model counts here. Prints texts/s of eleven runs and writes the median to
benchmarks/results/warm_cache.json.
"""

from __future__ import annotations

import cProfile
import hashlib
import json
import platform
import pstats
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from veclab.cache import Cache
from veclab.model import Model
from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Space

WORDS = Path(__file__).read_text().split()


class StandIn(EmbeddingProvider):
    """Random unit vectors of 384 numbers."""

    tokenizer_digest = "words"
    space = Space("stand-in", "random", 384, weights=hashlib.sha256(b"random").hexdigest())
    limits = Limits(256, padded=False)

    def tokenize(self, texts, role):
        return [TokenizedText(text, text.count(" ") + 3) for text in texts]

    def embed_batch(self, batch, role):
        return np.random.default_rng(len(batch)).normal(size=(len(batch), 384))


def main() -> None:
    profile = "--profile" in sys.argv
    numbers = [a for a in sys.argv[1:] if a.isdigit()]
    n = int(numbers[0]) if numbers else 100_000
    chosen = random.Random(0)
    texts = [f"{i} {' '.join(chosen.choices(WORDS, k=chosen.randint(5, 15)))}" for i in range(n)]
    with tempfile.TemporaryDirectory() as folder, Cache.open(Path(folder)) as cache:
        model = Model(StandIn(), cache)
        model.embed(texts)
        runs = []
        for _ in range(11):
            wall, cpu = time.perf_counter(), time.process_time()
            vectors = model.embed(texts)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert vectors.report is not None and vectors.report.cached == n
            runs.append((n / wall, n / cpu))
            print(f"{n / wall:10,.0f} texts/s {n / cpu:10,.0f} texts per CPU second", flush=True)
        if profile:
            with cProfile.Profile() as profiler:
                model.embed(texts)
            pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
            return
    result = {
        "texts": n,
        "texts_per_second": {
            "median": round(statistics.median(r[0] for r in runs)),
            "best": round(max(r[0] for r in runs)),
        },
        "texts_per_cpu_second": round(statistics.median(r[1] for r in runs)),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    out = Path(__file__).parent / "results" / "warm_cache.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
