"""`veclab search` as a whole process on a large store: seconds and memory, from start to exit.

    python -m benchmarks.search_process VECTORS.parquet [RUNS]

VECTORS.parquet is a file that `veclab embed` wrote. A store is made of it, which is not timed; the
first search, which may convert the model, is not counted. Needs a system with os.wait4.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.facts import machine
from benchmarks.processes import ENVIRONMENT, run_veclab

RESULTS = Path(__file__).parent / "results" / "search_process.json"
QUESTIONS = ("how do I read a yaml file", "play music in the terminal", "compare two directories")


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
        asked = [("search", QUESTIONS[i % len(QUESTIONS)], "--store", path) for i in range(count)]
        run_veclab(*asked[0])
        runs = [run_veclab(*command) for command in asked]
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
