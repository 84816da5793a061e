"""Stores side by side: the same vectors in veclab, LanceDB, Chroma, sqlite-vec, txtai and FAISS.

    python -m benchmarks.stores VECTORS.parquet [--python PATH] [--engines veclab,faiss]

VECTORS.parquet is a file that `veclab embed` wrote. PATH is the Python of another environment, with
`pip install faiss-cpu sqlite-vec apsw chromadb lancedb txtai`: they are not extras of veclab. Each
engine is a process of its own, with its defaults and cosine; one that misses a recall of 0.99 is
built and asked again with more effort (`EFFORTS`) until it does, and all rows are kept. It takes
texts and vectors, writes them to disk, and is asked 300 times for the ten nearest with their texts,
by one client; the queries are sentences of passages, embedded before. A result counts as right
where its true cosine reaches the true tenth. FAISS keeps no texts: here a list in memory holds
them. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "stores.json"
QUERIES, WARM, TOP = 300, 20, 10
BATCH = 5000
Search = Callable[[Any], Sequence[str]]  # a query (dim,) -> ids, best first


def veclab_store(folder: Path, texts: list[str], vectors: Any, source: str) -> Search:
    import veclab
    from veclab.store.index import index

    store = veclab.Store.open(folder / "store", create=True)
    index(store, source)
    return lambda q: [hit.passage.id for hit in store.search("-", mode="vector", top=TOP, vector=q)]


def lancedb_table(folder: Path, texts: list[str], vectors: Any, source: str) -> Search:
    import lancedb
    import pyarrow as pa

    flat = pa.array(vectors.reshape(-1))
    columns = {
        "id": list(map(str, range(len(texts)))),
        "text": texts,
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    table = lancedb.connect(folder / "db").create_table("texts", pa.table(columns))
    return lambda q: (
        table.search(q).distance_type("cosine").limit(TOP).select(["id", "text"]).to_arrow()["id"]
    ).to_pylist()


def chroma(
    folder: Path, texts: list[str], vectors: Any, source: str, effort: int | None = None
) -> Search:
    import chromadb

    settings = chromadb.config.Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(str(folder / "chroma"), settings=settings)
    graph: dict[str, Any] = {"space": "cosine"} | ({"ef_search": effort} if effort else {})
    made = client.create_collection("texts", configuration={"hnsw": graph})
    for start in range(0, len(texts), BATCH):
        part = range(start, min(start + BATCH, len(texts)))
        made.add(
            ids=[str(i) for i in part],
            documents=[texts[i] for i in part],
            embeddings=vectors[part.start : part.stop],
        )
    return lambda q: made.query(query_embeddings=[q], n_results=TOP)["ids"][0]


def sqlite_vec(folder: Path, texts: list[str], vectors: Any, source: str) -> Search:
    import apsw  # many a Python's own sqlite3 loads no extensions
    import sqlite_vec as extension

    base = apsw.Connection(str(folder / "vec.db"))
    base.enable_load_extension(True)
    base.load_extension(extension.loadable_path())
    kind = f"float[{vectors.shape[1]}] distance_metric=cosine"
    base.execute(f"CREATE VIRTUAL TABLE v USING vec0(embedding {kind}, +text TEXT)")
    rows = ((i, v.tobytes(), t) for i, (v, t) in enumerate(zip(vectors, texts, strict=True)))
    with base:
        base.executemany("INSERT INTO v(rowid, embedding, text) VALUES (?, ?, ?)", rows)
    ask = "SELECT rowid, text FROM v WHERE embedding MATCH ? AND k = ? ORDER BY distance"
    return lambda q: [str(row[0]) for row in base.execute(ask, (q.tobytes(), TOP))]


def txtai(
    folder: Path, texts: list[str], vectors: Any, source: str, effort: int | None = None
) -> Search:
    from txtai import Embeddings

    more = {"faiss": {"nprobe": effort}} if effort else {}
    made = Embeddings(method="external", transform=lambda given: given, backend="faiss", **more)
    made.index((i, vector, None) for i, vector in enumerate(vectors))
    made.save(str(folder / "txtai"))
    return lambda q: [str(number) for number, _ in made.search(q, TOP)]


def faiss_flat(folder: Path, texts: list[str], vectors: Any, source: str) -> Search:
    import faiss

    made = faiss.IndexFlatIP(vectors.shape[1])
    made.add(vectors)
    faiss.write_index(made, str(folder / "flat.faiss"))
    return lambda q: [str(i) for i in made.search(q[None], TOP)[1][0] if texts[i] is not None]


TARGET = 0.99
# What an approximate engine looks at: candidates of the graph, cells.
EFFORTS = {"chroma": (200, 400, 800, 1600), "txtai": (64, 128, 256, 512)}
ENGINES: dict[str, tuple[str, Callable[..., Search]]] = {
    "veclab": ("veclab", veclab_store),
    "lancedb": ("lancedb", lancedb_table),
    "chroma": ("chromadb", chroma),
    "sqlite-vec": ("sqlite-vec", sqlite_vec),
    "txtai": ("txtai", txtai),
    "faiss flat": ("faiss-cpu", faiss_flat),
}


def child(name: str, folder: Path, effort: int | None = None) -> None:
    """Build and ask one engine; prints JSON."""
    given = json.loads((folder / "given.json").read_text(encoding="utf-8"))
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")
    texts = given["texts"]
    package, build = ENGINES[name]
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        more = {} if effort is None else {"effort": effort}
        search = build(Path(scratch), texts, vectors, given["source"], **more)
        first = list(search(queries[0]))
        searchable = time.perf_counter() - start
        walls, ids = [], []
        for query in queries:
            start = time.perf_counter()
            ids.append(list(search(query)))
            walls.append(time.perf_counter() - start)
        assert first == ids[0]
        disk = sum(p.stat().st_size for p in Path(scratch).rglob("*") if p.is_file())
    figures = {
        "version": version(package),
        "searchable_s": round(searchable, 2),
        "median_ms": round(1000 * float(np.median(walls[WARM:])), 2),
        "p99_ms": round(1000 * float(np.quantile(walls[WARM:], 0.99)), 2),
        "peak_mb": round(peak()),
        "disk_mb": round(disk / 1e6),
    }
    print(json.dumps({"figures": figures, "ids": ids}))


def peak() -> float:
    """Largest resident memory of this process, in MB; Linux alone says it without its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def prepare(source: str, folder: Path) -> tuple[Any, Any, dict[str, int]]:
    """Texts, vectors and queries as files that any environment can read."""
    import veclab
    from veclab.store.tuning import sentence_of
    from veclab.unit_length import normalize

    read = veclab.read(source)
    vectors = normalize(read.array)
    chosen = np.sort(np.random.default_rng(0).choice(len(vectors), QUERIES, replace=False))
    assert read.texts is not None
    sentences = [sentence_of(read.texts[row], i) for i, row in enumerate(chosen)]
    queries = normalize(veclab.load().embed(sentences, on_long="split").array)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    given = {"texts": list(read.texts), "source": str(Path(source).resolve())}
    (folder / "given.json").write_text(json.dumps(given), encoding="utf-8")
    return vectors, queries, {name: row for row, name in enumerate(read.ids)}


def main() -> None:
    """Run the engines one after the other, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors")
    parser.add_argument("--python", default=sys.executable, help="that has the other engines")
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args()
    from benchmarks.facts import machine

    facts, found = machine(), {}
    with tempfile.TemporaryDirectory() as scratch:
        vectors, queries, rows = prepare(options.vectors, Path(scratch))
        true = queries @ vectors.T
        tenth = np.partition(true, -TOP, axis=1)[:, -TOP]
        for name in options.engines.split(","):
            python = sys.executable if name == "veclab" else options.python
            places = rows if name == "veclab" else {str(i): i for i in range(len(vectors))}
            for effort in (None, *EFFORTS.get(name, ())):
                command = [python, "-m", "benchmarks.stores", "--child", name, scratch]
                command += [] if effort is None else [str(effort)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                label = name if effort is None else f"{name}, effort {effort}"
                if done.returncode:
                    found[label] = {"not measured": done.stderr.strip().splitlines()[-1][:300]}
                    break
                said = json.loads(done.stdout.splitlines()[-1])
                right = [
                    (true[i, [places[name] for name in ids]] >= tenth[i] - 1e-5).sum() / TOP
                    for i, ids in enumerate(said["ids"])
                ]
                recall = round(float(np.mean(right)), 4)
                found[label] = said["figures"] | {"recall@10": recall}
                print(label, found[label], flush=True)
                if recall >= TARGET:
                    break
    shape = {"vectors": len(vectors), "dimensions": vectors.shape[1], "queries": QUERIES}
    result = shape | {"engines": found, "machine": facts}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:5]))
    else:
        main()
