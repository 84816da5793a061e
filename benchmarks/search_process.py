"""`veclab search` as a whole process on a large store: seconds and memory, from start to exit.

    python -m benchmarks.search_process VECTORS.parquet [RUNS]

VECTORS.parquet is a file that `veclab embed` wrote. A store is made of it, which is not timed; the
first search, which may convert the model, is not counted. Needs a system with os.wait4.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.facts import machine

RESULTS = Path(__file__).parent / "results" / "search_process.json"
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
QUESTIONS = ("how do I read a yaml file", "play music in the terminal", "compare two directories")


def run(store: str, question: str) -> dict[str, float]:
    """Seconds by the clock and of processor, and peak memory of one process."""
    command = [sys.executable, "-m", "veclab", "search", question, "--store", store]
    start = time.perf_counter()
    child = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), 1),
    }


def main() -> None:
    """Measure, print, and keep the figures."""
    facts = machine()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/store"
        # By another process: the kernel counts a parent's memory as its child's until that begins.
        command = [sys.executable, "-m", "veclab", "index", sys.argv[1], "--store", path, "--json"]
        made = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)
        passages = json.loads(made.stdout)["passages"]
        run(path, QUESTIONS[0])
        runs = [run(path, QUESTIONS[i % len(QUESTIONS)]) for i in range(count)]
    result = {
        "passages": passages,
        "median": {name: statistics.median(r[name] for r in runs) for name in runs[0]},
        "best": {name: min(r[name] for r in runs) for name in runs[0]},
        "runs": runs,
        "machine": facts,
    }
    print(json.dumps(result["median"]))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
