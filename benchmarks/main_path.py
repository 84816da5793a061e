"""The main job on a large real file: is memory flat, is every norm 1, is nothing embedded twice?

    python benchmarks/main_path.py CORPUS --column description -o benchmarks/results/main_path.json

Embeds the first 2,000 texts, then the whole corpus, then the whole corpus again, each as a process
of its own (`veclab embed`), with a cache of their own, and writes peak memory (maximum resident set
size, as the system counts it for the finished process), the report of each run and the norms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FIRST = 2000


def run(home: Path, *arguments: str | Path) -> tuple[str, int]:
    """What `veclab ...` prints, and its peak memory in MB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "veclab", *map(str, arguments)],
        env=os.environ | {"VECLAB_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)  # of this process alone
    if status:
        sys.exit(f"veclab {' '.join(map(str, arguments))} failed")
    return printed, round(usage.ru_maxrss / 1024)


def embed(corpus: Path, column: str, output: Path, home: Path) -> dict[str, Any]:
    """One run of the command: its report, and its peak memory in MB."""
    printed, peak = run(home, "embed", corpus, "--column", column, "-o", output, "--json")
    report = json.loads(printed)["report"]
    return {k: v for k, v in report.items() if isinstance(v, (int, float)) and v} | {
        "peak_mb": peak
    }


def norms(path: Path) -> tuple[float, float]:
    """The smallest and the largest norm in a file of vectors."""
    import veclab

    lengths = np.linalg.norm(veclab.read(path).array.astype(np.float64), axis=1)
    return float(lengths.min()), float(lengths.max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--column", default="text")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument(
        "--home", type=Path, help="keep the cache here: an interrupted measurement goes on with it"
    )
    options = parser.parse_args()
    opened = gzip.open if options.corpus.suffix == ".gz" else open
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        home = options.home or here / "home"
        with opened(options.corpus, "rt", encoding="utf-8") as file:
            lines = [line for line, _ in zip(file, range(FIRST), strict=False)]
        first = here / "first.jsonl"
        first.write_text("".join(lines), encoding="utf-8")
        # A first run may have to convert the model, which takes more memory than embedding.
        for place in (home, here / "other"):
            run(place, "embed", "--text", "hello", "--no-cache")
        result = {
            "machine": {
                "cpu": _cpu(),
                "cores": len(os.sched_getaffinity(0)),
                "python": platform.python_version(),
                "load": os.getloadavg()[0],
            },
            f"first {FIRST:,}": embed(
                first, options.column, here / "first.parquet", here / "other"
            ),
            "whole": embed(options.corpus, options.column, here / "whole.parquet", home),
            "again": embed(options.corpus, options.column, here / "again.parquet", home),
        }
        result["norms of whole"] = norms(here / "whole.parquet")
        same = (here / "whole.parquet", here / "again.parquet")
        result["again has the same vectors"] = _same(*same)
    text = json.dumps(result, indent=2)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")


def _same(one: Path, two: Path) -> bool:
    import veclab

    return bool(np.array_equal(veclab.read(one).array, veclab.read(two).array))


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
