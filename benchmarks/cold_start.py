"""How long `veclab embed --text hello` takes, and how much memory: the whole process.

    python benchmarks/cold_start.py [RUNS]

The first run converts the model where that was not done before; it is not counted. Nothing comes
from the cache of vectors. Prints each run and writes the medians to
benchmarks/results/cold_start.json. Needs a system with os.wait4.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "veclab", "embed", "--no-cache", "--text", "hello"]
# Installed packages have their bytecode beside them: so must a checkout, or each start makes it.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def run() -> dict[str, float]:
    """Seconds by the clock, seconds of processor, peak memory in MB of one process."""
    start = time.perf_counter()
    child = subprocess.Popen(COMMAND, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(COMMAND)} failed")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # of ru_maxrss: bytes there, kB elsewhere
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / unit, 1),
    }


def main() -> None:
    run()
    runs = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 7):
        runs.append(run())
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
