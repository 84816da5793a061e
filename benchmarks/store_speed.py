"""How fast a store is made of vectors and searched, how much memory it takes, what it finds.

    python -m benchmarks.store_speed VECTORS.parquet [--store postgresql://...]

VECTORS.parquet is a file that `veclab embed` wrote. Queries are sentences of 300 passages, embedded
before the clock starts; each is asked once, by one client, through `Store.search`. Recall is that
of the first ten against exact search, equal scores all counted as right.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import veclab
from benchmarks.facts import machine
from veclab.store.index import index
from veclab.store.tuning import TOP, sample_queries, sentence_of

RESULTS = Path(__file__).parent / "results" / "store_speed.json"
QUERIES = 300
WARM = 20


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--store", help="a new store in PostgreSQL, instead of a folder")
    parser.add_argument("--name", help="under which the figures are kept; else the file's")
    options = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        with veclab.Store.open(options.store or f"{folder}/store", create=True) as store:
            index(store, options.vectors)
            figures: dict[str, Any] = {
                "passages": store.count(),
                "dimensions": store.space.dimensions,
                "searchable_s": round(time.perf_counter() - start, 1),
                "searchable_cpu_s": round(time.process_time() - cpu, 1),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "disk_mb": round(store.table.facts()["bytes"] / 1e6),
                "tuning": store.state.live.tuning,
            }
            figures |= _searches(store)
    figures["machine"] = facts
    print(json.dumps(figures, indent=1))
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[options.name or options.vectors.stem] = figures
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def _searches(store: veclab.Store) -> dict[str, Any]:
    """Milliseconds of each kind of search, and the recall of the vectors'."""

    def embed(texts: Any) -> Any:
        return store.model.embed(texts, role=store.role("query"), on_long="split").array

    sample = sample_queries(store.table, embed, QUERIES)
    _, rows = store.table.sample(QUERIES, ["id", "text"])
    texts = [sentence_of(text, i) for i, text in enumerate(rows["text"].to_pylist())]
    least = store.table.kth_best(sample.vectors, sample.own, TOP)
    figures: dict[str, Any] = {"queries": len(texts) - WARM}
    for mode in ("vector", "keyword", "hybrid"):
        walls, cpus, right = [], [], 0
        for i, (text, vector) in enumerate(zip(texts, sample.vectors, strict=True)):
            start, cpu = time.perf_counter(), time.process_time()
            hits = store.search(text, mode=mode, top=TOP + 1, vector=vector)
            walls.append(time.perf_counter() - start)
            cpus.append(time.process_time() - cpu)
            if mode == "vector":
                own = rows["id"][i].as_py()
                scores = [hit.score for hit in hits if hit.passage.id != own][:TOP]
                right += sum(score >= least[i] - 1e-5 for score in scores)
        figures[mode] = {
            "median_ms": round(1000 * float(np.median(walls[WARM:])), 2),
            "p99_ms": round(1000 * float(np.quantile(walls[WARM:], 0.99)), 2),
            "median_cpu_ms": round(1000 * float(np.median(cpus[WARM:])), 2),
        }
        if mode == "vector":
            figures["recall@10"] = round(right / (TOP * len(texts)), 4)
    return figures


if __name__ == "__main__":
    main()
