"""How well local models do on the STS Benchmark through the product, beside the published figures.

    python -m benchmarks.sts_quality ../shared/data/stsb/stsb-en-test.csv [MODEL ...]

Spearman's correlation x 100 of cosines with human scores over the file's pairs (first text, second
text, score), in f32. Without models: those that install from the package registry. Writes
benchmarks/results/sts_quality.json.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import veclab
from benchmarks import facts

RESULT = Path(__file__).with_name("results") / "sts_quality.json"
# https://www.sbert.net/docs/sentence_transformer/pretrained_models.html and the models' cards.
PUBLISHED = {"all-MiniLM-L6-v2": 82.03, "all-mpnet-base-v2": 83.42}


def main(pairs: str, *names: str) -> None:
    with Path(pairs).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    scores = [float(row[2]) for row in rows]
    found = {}
    for name in names or PUBLISHED:
        model = veclab.load(name, precision="f32", cache=False)
        start = time.perf_counter()
        first, second = (model.embed([row[i] for row in rows]) for i in (0, 1))
        cosines = np.einsum("ij,ij->i", first.array, second.array)
        found[name] = {
            "spearman": round(100 * float(spearmanr(cosines, scores).statistic), 2),
            "published": PUBLISHED.get(name),
            "space": model.space.id,
            "truncated": first.report.truncated + second.report.truncated,
            "seconds": round(time.perf_counter() - start, 1),
        }
        print(name, json.dumps(found[name]), flush=True)
    result = {"pairs": len(rows), "precision": "f32", "models": found} | facts.machine()
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
