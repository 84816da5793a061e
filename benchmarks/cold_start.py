"""How long `veclab embed --text hello` takes, and how much memory: the whole process.

    python -m benchmarks.cold_start [RUNS]

The first run converts the model where that was not done before; it is not counted. Nothing comes
from the cache of vectors. Prints each run and writes the medians to
benchmarks/results/cold_start.json. Needs a system with os.wait4.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from pathlib import Path

from benchmarks.processes import run_veclab

COMMAND = ("embed", "--no-cache", "--text", "hello")


def main() -> None:
    run_veclab(*COMMAND)
    runs = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 7):
        runs.append(run_veclab(*COMMAND))
        print(*(f"{value:8} {name}" for name, value in runs[-1].items()), flush=True)
    result = {
        "median": {name: statistics.median(r[name] for r in runs) for name in runs[0]},
        "best": {name: min(r[name] for r in runs) for name in runs[0]},
        "load_average": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    print(json.dumps(result["median"]))
    out = Path(__file__).parent / "results" / "cold_start.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
