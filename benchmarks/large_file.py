"""How long `veclab similar "..." --to FILE` takes on a million vectors, and how much memory.

    python -m benchmarks.large_file [--rows 998980] [--runs 5] [--file build/bench/large.parquet]

The file is made where it is missing: random vectors of unit length in the Space of the default
model, a text and an id for each, in the row groups that `veclab embed` writes. The command is a
process of its own, from start to exit: it loads the model, embeds the question and reads the file.
The first run, which may convert the model, is not counted. Needs a system with os.wait4.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import statistics
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import veclab
from benchmarks.facts import machine
from benchmarks.processes import run_veclab
from veclab.unit_length import normalize
from veclab.vectorfiles.files import ParquetSink

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "large_file.json"
SUMMARIES = ROOT.parent / "shared" / "data" / "packages" / "summaries.tsv.gz"
QUERY = "a fast compressor for large files"
BLOCK = 16_384


def texts() -> Iterator[tuple[str, str]]:
    """Ids and texts: summaries of packages where they lie beside the checkout, else numbers."""
    if not SUMMARIES.exists():
        yield from ((f"row-{n}", f"a text about the number {n}") for n in itertools.count())
    with gzip.open(SUMMARIES, "rt", encoding="utf-8") as lines:
        for n, line in enumerate(lines):
            name, _, text = line.rstrip("\n").partition("\t")
            yield f"{name}#{n}", text


def make(path: Path, rows: int) -> None:
    """Write the file."""
    space = veclab.load().space
    random, every = np.random.default_rng(0), texts()
    path.parent.mkdir(parents=True, exist_ok=True)
    with ParquetSink(path, space) as sink:
        for start in range(0, rows, BLOCK):
            some = list(itertools.islice(every, min(BLOCK, rows - start)))
            array = random.standard_normal((len(some), space.dimensions), dtype=np.float32)
            ids, said = zip(*some, strict=True)
            sink.write(veclab.Vectors(normalize(array), space, ids=ids, texts=said))
        sink.finish(None)


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=998_980)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--file", type=Path, default=ROOT / "build" / "bench" / "large.parquet")
    options = parser.parse_args()
    if not options.file.exists():
        make(options.file, options.rows)
    question = ("similar", QUERY, "--to", str(options.file), "--no-cache")
    run_veclab(*question)
    runs = [run_veclab(*question) for _ in range(options.runs)]
    result = {
        "rows": options.rows,
        "file_mb": round(options.file.stat().st_size / 1e6, 1),
        "median": {name: statistics.median(r[name] for r in runs) for name in runs[0]},
        "runs": runs,
        "load_average": round(os.getloadavg()[0], 1),
        **machine(),
    }
    print(json.dumps(result["median"]))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
