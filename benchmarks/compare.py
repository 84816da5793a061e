"""How long `veclab compare` takes on STSb and Cranfield, cold and warm.

    python benchmarks/compare.py ../shared/data [MODEL ...]

The folder must hold stsb/stsb-en-test.csv and cranfield/ (BEIR layout). Without a MODEL three
different ones are compared: a transformer, the static model of the package wordllama, and a static
model distilled from the transformer, which is made before the clock starts and kept in build/bench.
Runs the command twice with an empty VECLAB_HOME of its own: the first run converts, embeds and
measures everything, the second finds it kept. Prints what the command prints, and writes the
seconds of both to benchmarks/results/compare.json.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISTILLED = ROOT / "build" / "bench" / "distilled"
RESULT = ROOT / "benchmarks" / "results" / "compare.json"
VECLAB = [sys.executable, "-m", "veclab"]


def three_models() -> list[str]:
    """A transformer, a static model, and one distilled from the first."""
    if not DISTILLED.exists():
        distil = [*VECLAB, "distill", "-m", "all-MiniLM-L6-v2", "-o", str(DISTILLED)]
        subprocess.run(distil, check=True)
    return ["all-MiniLM-L6-v2", "wordllama", os.path.relpath(DISTILLED)]


def main() -> None:
    data = Path(sys.argv[1])
    models = sys.argv[2:] or three_models()
    command = [*VECLAB, "compare"]
    command += [part for model in models for part in ("-m", model)]
    command += ["-d", str(data / "stsb/stsb-en-test.csv"), "-d", str(data / "cranfield")]
    seconds = {}
    with tempfile.TemporaryDirectory() as home:
        for run in ("cold", "warm"):
            start = time.perf_counter()
            subprocess.run(command, check=True, env=os.environ | {"VECLAB_HOME": home})
            seconds[run] = round(time.perf_counter() - start, 1)
            print(f"\n{run}: {seconds[run]} s\n", flush=True)
    result = {
        "models": models,
        "data": ["STS Benchmark, test", "Cranfield"],
        "seconds": seconds,
        "cores": len(os.sched_getaffinity(0)),
        "load_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
