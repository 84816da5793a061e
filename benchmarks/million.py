"""A million texts on one machine: embedded, indexed and searched, killed on the way and resumed.

    python -m benchmarks.million [--model NAME] [--texts N] [--ray] [--work FOLDER] [--name NAME]
                                 [--example]

The texts are the summaries of ../shared/data (998,980 of them), else (or with --example) the
summaries of examples/packages.jsonl.gz over and over. They are written as shards of 20,000 lines,
and then

    veclab embed SHARDS -m MODEL -o VECTORS/     killed (SIGKILL) after a third of the shards, and
                                                 after two thirds; given again each time
    veclab index VECTORS/ --store STORE
    200 searches of sentences from the passages

Memory is the largest resident set of each process. At the end the SHA-256 of every file of vectors
is compared with the manifest, and their rows with the texts. Figures go to results/million.json.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import veclab
from benchmarks.facts import machine
from benchmarks.processes import ENVIRONMENT
from veclab.store.tuning import sentence_of

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data" / "packages" / "summaries.tsv.gz"
EXAMPLE = ROOT / "examples" / "packages.jsonl.gz"
RESULTS = Path(__file__).parent / "results" / "million.json"
SHARD, QUERIES, KILLS = 20_000, 200, 2


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--texts", type=int, default=10**9, help="take the first N")
    parser.add_argument("--shard", type=int, default=SHARD, help="texts of a shard")
    parser.add_argument("--example", action="store_true", help="texts of examples/ in any case")
    parser.add_argument("--ray", action="store_true", help="embed on Ray, started here")
    parser.add_argument("--work", type=Path, help="where shards, vectors and store are left")
    parser.add_argument("--name", help="under which the figures are kept; else the model's")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        figures = measure(options, work)
    print(json.dumps(figures, indent=1))
    kept = json.loads(options.output.read_text()) if options.output.exists() else {}
    kept[options.name or options.model] = figures
    options.output.write_text(json.dumps(kept, indent=1) + "\n")


def measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Go the whole way in a folder."""
    facts = machine()
    shards = write_shards(work / "texts", options.texts, options.shard, options.example)
    vectors, store = work / "vectors", work / "store"
    command = ["embed", str(work / "texts"), "-m", options.model, "-o", f"{vectors}/", "--json"]
    if options.ray:
        command.append("--ray")
    embed = killed_and_resumed(command, vectors, shards)
    manifest = json.loads((vectors / "_veclab.json").read_text())
    verify(vectors, manifest)
    indexed = run(["index", f"{vectors}/", "--store", str(store), "--json"])
    passages = indexed.pop("told")["passages"]
    assert passages == manifest["totals"]["rows"], "the store has not all vectors"
    return {
        "texts": manifest["totals"]["texts"],
        "tokens": manifest["totals"]["tokens"],
        "shards": shards,
        "shard_texts": options.shard,
        "workers": "Ray" if options.ray else "one process",
        "embed": embed | rates(manifest, embed["seconds"]),
        "index": {**indexed, "passages": passages},
        "search": searches(store),
        "machine": facts,
    }


def write_shards(folder: Path, most: int, size: int, example: bool = False) -> int:
    """Write texts as JSON Lines, `size` a file; return how many files."""
    folder.mkdir(exist_ok=True)
    texts = itertools.islice(enumerate(summaries(most, example), 1), most)
    count = 0
    while part := list(itertools.islice(texts, size)):
        lines = (json.dumps({"id": number, "text": text}) for number, text in part)
        (folder / f"part-{count:05d}.jsonl").write_text("\n".join(lines) + "\n")
        count += 1
    return count


def summaries(most: int, example: bool = False) -> Iterator[str]:
    """Summaries of packages, all that there are or as many as asked for."""
    if SHARED.exists() and not example:
        with gzip.open(SHARED, "rt", encoding="utf-8") as file:
            yield from (line.rstrip("\n").partition("\t")[2] for line in file)
        return
    with gzip.open(EXAMPLE, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["summary"] for line in file]
    for number in range(min(most, 1_000_000)):
        turn, place = divmod(number, len(texts))
        yield f"{texts[place]} ({turn})" if turn else texts[place]


def killed_and_resumed(command: list[str], vectors: Path, shards: int) -> dict[str, Any]:
    """Run a command, killing it whenever a further part of the shards is there."""
    runs = []
    for kill in range(1, KILLS + 1):
        done = shards * kill // (KILLS + 1)
        runs.append(run(command, until=lambda done=done: len(outputs(vectors)) >= done))
        runs[-1]["killed_with"] = len(outputs(vectors))
    last = run(command)
    told = last.pop("told")
    assert told["state"] == "complete" and not told["failed"], told["failed"]
    assert told["done"] == shards, "a shard is missing"
    runs.append(last)
    return {
        "seconds": round(sum(one["seconds"] for one in runs), 1),
        "peak_mb": max(one["peak_mb"] for one in runs),
        "killed": KILLS,
        "runs": runs,
    }


def outputs(vectors: Path) -> list[Path]:
    """Return the files of vectors that are there."""
    return list(vectors.glob("*.parquet"))


def run(arguments: list[str], until: Any = None) -> dict[str, Any]:
    """Run veclab to its end, or kill it as soon as something has happened."""
    command = [sys.executable, "-m", "veclab", *arguments]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stdout=said)
        while until is not None and child.poll() is None and not until():
            time.sleep(0.01)
        if until is not None:
            child.send_signal(signal.SIGKILL)
        status, used = os.wait4(child.pid, 0)[1:] if child.returncode is None else (0, None)
        child.returncode = os.waitstatus_to_exitcode(status)
        figures: dict[str, Any] = {
            "exit": child.returncode,
            "seconds": round(time.perf_counter() - start, 2),
            "peak_mb": 0 if used is None else used.ru_maxrss // 1024,
        }
        if until is None:
            if child.returncode:
                raise SystemExit(f"{' '.join(command)} failed")
            said.seek(0)
            figures["told"] = json.load(said)
    return figures


def verify(vectors: Path, manifest: dict[str, Any]) -> None:
    """Compare every file with what the manifest says of it."""
    for name, facts in manifest["shards"].items():
        with (vectors / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        assert digest == facts["sha256"], f"{name} is not what was written"


def rates(manifest: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return rates over the wall time of all runs, and over the time of shards alone."""
    timed = [facts for facts in manifest["shards"].values() if facts["seconds"] > 0]
    alone = sum(facts["seconds"] for facts in timed)
    return {
        "texts_per_s": round(manifest["totals"]["texts"] / seconds),
        "tokens_per_s": round(manifest["totals"]["tokens"] / seconds),
        "tokens_per_s_of_shards": round(sum(f["tokens"] for f in timed) / alone),
        "shard_seconds": [facts["seconds"] for facts in timed],
        "bytes": manifest["totals"]["bytes"],
    }


def searches(path: Path) -> dict[str, Any]:
    """Search with sentences of passages."""
    with veclab.Store.open(path) as store:
        texts = [sentence_of(text, i) for i, text in enumerate(sample_texts(store))]
        queries = [text for text in texts if text.strip()][:QUERIES]
        embedded = store.model.embed(queries, role=store.role("query"), on_empty="skip")
        times = []
        for text, vector in zip(embedded.texts or [], embedded.array, strict=True):
            start = time.perf_counter()
            found = store.search(text, top=10, mode="vector", vector=vector)
            times.append(time.perf_counter() - start)
            assert found, text
        tuning = store.state.live.tuning
    return {
        "queries": len(times),
        "median_ms": round(float(np.median(times)) * 1e3, 2),
        "p99_ms": round(float(np.quantile(times, 0.99)) * 1e3, 2),
        "tuning": tuning,
    }


def sample_texts(store: veclab.Store) -> list[str]:
    """Return texts from all over a store."""
    _, table = store.table.sample(2 * QUERIES, ["text"])
    return [text for text in table["text"].to_pylist() if text]


if __name__ == "__main__":
    main()
