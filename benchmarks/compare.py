"""The figures of `veclab compare` on STSb and Cranfield, cold and warm.

    python benchmarks/compare.py ../shared/data [MODEL ...]

The folder must hold stsb/stsb-en-test.csv and cranfield/ (BEIR layout). Runs the command twice with
an empty VECLAB_HOME of its own: the first run embeds and measures everything, the second finds it
kept. Prints what the command prints, and the seconds of both.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = ["all-MiniLM-L6-v2", "all-MiniLM-L6-v2@128", "all-MiniLM-L6-v2+int8"]


def main() -> None:
    data = Path(sys.argv[1])
    models = sys.argv[2:] or MODELS
    command = [sys.executable, "-m", "veclab", "compare"]
    command += [part for model in models for part in ("-m", model)]
    command += ["-d", str(data / "stsb/stsb-en-test.csv"), "-d", str(data / "cranfield")]
    with tempfile.TemporaryDirectory() as home:
        for run in ("cold", "warm"):
            start = time.perf_counter()
            subprocess.run(command, check=True, env=os.environ | {"VECLAB_HOME": home})
            print(f"\n{run}: {time.perf_counter() - start:.1f} s\n", flush=True)


main()
