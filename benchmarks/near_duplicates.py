"""Near-duplicate groups over many vectors: time and memory.

    veclab embed descriptions.jsonl.gz --column description -o descriptions.parquet
    python benchmarks/near_duplicates.py descriptions.parquet result.json

Where the file holds fewer than `--rows` vectors, they are repeated with small random changes until
there are as many: the time goes by how many vectors there are, not by what they say.
"""

import argparse
import json
import os
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np

import veclab
from veclab.similarities.duplicates import near_duplicates
from veclab.unit_length import normalize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rows", type=int, default=64_000)
    parser.add_argument("--threshold", type=float, default=0.95)
    options = parser.parse_args()

    vectors = veclab.read(options.vectors)
    real = min(len(vectors), options.rows)
    rows = np.arange(options.rows) % len(vectors)
    array = vectors.array[rows]
    random = np.random.default_rng(0)
    array[real:] += random.normal(0, 0.02, array[real:].shape).astype(np.float32)
    vectors = replace(
        vectors,
        array=normalize(array),
        ids=[str(i) for i in range(len(array))],
        texts=None,
        tokens=None,
        truncated=None,
        columns=None,
    )
    tracemalloc.start()
    load = os.getloadavg()[0]
    start, cpu = time.perf_counter(), time.process_time()
    groups = near_duplicates(vectors, options.threshold)
    result = {
        "vectors": len(vectors),
        "of them real": real,
        "dimensions": vectors.dimensions,
        "threshold": options.threshold,
        "groups": len(groups),
        "in groups": sum(map(len, groups)),
        "seconds": round(time.perf_counter() - start, 1),
        "cpu seconds, all cores": round(time.process_time() - cpu, 1),
        "MB at most besides the vectors": round(tracemalloc.get_traced_memory()[1] / 1e6),
        "cores": os.cpu_count(),
        "load average before": round(load, 1),
    }
    print(json.dumps(result, indent=1))
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
