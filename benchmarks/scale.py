"""What 1, 2 and 4 workers take for the same shards, measured, and what a simulation says of it.

    python -m benchmarks.scale [--model NAME] [--shards N] [--texts N] [--rounds N]

Each run is `veclab embed SHARDS -m MODEL -o VECTORS/ --threads 1 --workers W --ray`, Ray started
anew. From the runs with one worker come the times of shards, with their spread, and the start-up:
all that is not shards. `simulate` then says what each number of workers should have taken. Cores
are a resource in it, as they are in veclab: a worker that finds no free core is not started, so
four workers on two cores are two.

Figures go to results/scale.json; benchmarks/scale_plan.py reckons docs/scale.md from them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.facts import machine
from benchmarks.million import run, write_shards
from benchmarks.processes import ENVIRONMENT

RESULTS = Path(__file__).parent / "results" / "scale.json"
WORKERS = (1, 2, 4)
TRIES = 3  # of a shard whose worker died: as veclab.cluster.on_ray has it


@dataclass(frozen=True)
class Outcome:
    """What a simulated run came to."""

    seconds: float  # of wall time
    working: int  # workers that had a core
    share: float  # of the time of these workers that went into shards that were kept
    lost: int  # attempts whose worker died
    failed: int  # shards that were set aside


def simulate(
    shards: Sequence[float],
    workers: int,
    cores: int,
    *,
    threads: int = 1,
    start_s: float = 0.0,
    death: float = 0.0,
    seed: int = 0,
) -> Outcome:
    """Follow shards over workers, event by event.

    Args:
        shards: seconds of each on `threads` cores, in the order in which they are given out.
        workers: how many are asked for.
        cores: of all machines; a worker holds `threads` of them for as long as it runs.
        start_s: seconds from the start of a worker to its first shard.
        death: probability that a worker dies in a shard. It dies somewhere in it, the shard goes to
            the end of the queue, and a new worker starts in its place.
        seed: of the deaths.

    Raises:
        ValueError: no worker has room.
    """
    working = min(workers, cores // threads)
    if working < 1:
        raise ValueError(f"{workers} workers of {threads} threads have no room on {cores} cores")
    chance = random.Random(seed)
    queue = [(seconds, 0) for seconds in reversed(shards)]
    free = [start_s] * working  # when each worker can take a shard: a heap
    end, kept, lost, failed = start_s, 0.0, 0, 0
    while queue:
        seconds, tries = queue.pop()
        now = heapq.heappop(free)
        if death and chance.random() < death:
            lost += 1
            now += seconds * chance.random()
            if tries + 1 < TRIES:
                queue.insert(0, (seconds, tries + 1))
            else:
                failed += 1
            heapq.heappush(free, now + start_s)
        else:
            now += seconds
            kept += seconds
            heapq.heappush(free, now)
        end = max(end, now)
    return Outcome(end, working, kept / (end * working) if end else 0.0, lost, failed)


def drawn(seconds: Sequence[float], count: int, mean: float, seed: int = 0) -> list[float]:
    """Return times of `count` shards of a mean, as spread as those that were measured."""
    usual = statistics.fmean(seconds)
    chance = random.Random(seed)
    return [mean * value / usual for value in chance.choices(seconds, k=count)]


def measure(
    options: argparse.Namespace, shards: Path, work: Path, workers: int, turn: int
) -> dict[str, Any]:
    """Embed the shards once; seconds by the clock, and of each shard."""
    output = work / f"{workers}-{turn}"
    command = ["embed", str(shards), "-m", options.model, "-o", f"{output}/", "--threads", "1"]
    told = run([*command, "--json", "--workers", str(workers), "--ray"])
    manifest = json.loads((output / "_veclab.json").read_text())
    assert told["told"]["done"] == options.shards, "a shard is missing"
    found = [facts["seconds"] for facts in manifest["shards"].values()]
    return {"seconds": told["seconds"], "shards": found, "totals": manifest["totals"]}


def figures_of(runs: dict[int, list[dict[str, Any]]], cores: int) -> dict[str, Any]:
    """Compare the median of the measured runs with what is predicted from those of one worker."""
    ones = runs[1]
    shards = [seconds for one in ones for seconds in one["shards"]]
    start = statistics.median(one["seconds"] - sum(one["shards"]) for one in ones)
    rows = {}
    for workers, measured in runs.items():
        seconds = statistics.median(one["seconds"] for one in measured)
        said = [simulate(one["shards"], workers, cores, start_s=start) for one in ones]
        predicted = statistics.median(one.seconds for one in said)
        rows[str(workers)] = {
            "working": said[0].working,
            "measured_s": round(seconds, 2),
            "measured_runs_s": [one["seconds"] for one in measured],
            "predicted_s": round(predicted, 2),
            "error": round(predicted / seconds - 1, 3),
            "shard_mean_s": round(
                statistics.fmean(seconds for one in measured for seconds in one["shards"]), 3
            ),
        }
    totals = ones[0]["totals"]
    seconds = statistics.median(sum(one["shards"]) for one in ones)
    return {
        "start_s": round(start, 2),
        "shard_seconds": [round(value, 3) for value in shards],
        "texts_per_core_s": round(totals["texts"] / seconds),
        "tokens_per_core_s": round(totals["tokens"] / seconds),
        "workers": rows,
    }


def main() -> None:
    """Measure in turns, predict, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="wordllama")
    parser.add_argument("--shards", type=int, default=12)
    parser.add_argument("--texts", type=int, default=20_000, help="of a shard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    ENVIRONMENT.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    facts = machine()
    runs: dict[int, list[dict[str, Any]]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        made = write_shards(work / "texts", options.shards * options.texts, options.texts)
        assert made == options.shards
        for turn in range(options.rounds):  # interleaved: a busy minute meets all alike
            for workers in WORKERS:
                runs[workers].append(measure(options, work / "texts", work, workers, turn))
    figures = {
        "command": f"python -m benchmarks.scale --model {options.model} --shards {options.shards} "
        f"--texts {options.texts} --rounds {options.rounds}",
        "model": options.model,
        "shards": options.shards,
        "shard_texts": options.texts,
        **figures_of(runs, facts["cores"]),
        "machine": facts,
    }
    print(json.dumps(figures, indent=1))
    options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
