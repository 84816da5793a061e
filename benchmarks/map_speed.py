"""From a file of vectors to a page: time, memory, size, and how many neighbors it keeps.

    veclab embed descriptions.jsonl.gz --column description -o descriptions.parquet
    python -m benchmarks.map_speed descriptions.parquet result.json

Each file is mapped by the command in a process of its own, `--repeat` times; the fastest run
counts. Processor time is given beside: on a busy machine it says more than the clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.facts import machine


def run(file: Path, folder: Path, method: str) -> dict:
    load, start = os.getloadavg()[0], time.perf_counter()
    command = [sys.executable, "-m", "veclab", "map", str(file), "--json", "--method", method]
    process = subprocess.Popen(
        [*command, "-o", str(folder / f"{file.stem}.html")], stdout=subprocess.PIPE, text=True
    )
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"veclab map failed on {file}")
    said = json.loads(text)
    return {
        "file": file.name,
        "vectors": said["facts"]["vectors"],
        "different": said["facts"].get("different", "all"),
        "method": said["facts"]["method"],
        "seconds": round(time.perf_counter() - start, 1),
        "cpu seconds, all cores": round(used.ru_utime + used.ru_stime, 1),
        "MB at most": round(used.ru_maxrss / 1000),
        "MB of page": round(said["bytes"] / 1e6, 1),
        "honesty": said["honesty"],
        "true neighbors": said["facts"].get("true neighbors", "all pairs compared"),
        "load average before": round(load, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path, nargs="+", help="files of vectors, then the result")
    parser.add_argument("--method", default="tsne")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--pages", type=Path, help="folder to keep the pages in, to look at them")
    options = parser.parse_args()
    *files, output = options.vectors
    facts = {"machine": machine(), "manifolds-rs": version("manifolds-rs"), "maps": []}
    if output.exists():  # further files join those measured before
        facts["maps"] = [
            known
            for known in json.loads(output.read_text())["maps"]
            if known["file"] not in {file.name for file in files}
        ]
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            pages = options.pages or Path(folder)
            runs = [run(file, pages, options.method) for _ in range(options.repeat)]
        facts["maps"].append(min(runs, key=lambda found: found["seconds"]))
        print(json.dumps(facts["maps"][-1], indent=1), flush=True)
        output.write_text(json.dumps(facts, indent=1) + "\n")
