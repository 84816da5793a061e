"""Indexing a folder again after one document in a hundred has changed.

    python -m benchmarks.reindex PACKAGES.jsonl.gz [DOCUMENTS]

The folder holds text files of ten package descriptions each (examples/packages.jsonl.gz will do).
No cache of vectors is used, so the first run pays for every passage. Both runs are whole, from
opening the store to its commit; the model is loaded before.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import veclab
from benchmarks.facts import machine
from veclab.store.index import Indexed, index

RESULTS = Path(__file__).parent / "results" / "reindex.json"
TEXTS = 10  # descriptions of a document


def write(folder: Path, source: Path, count: int) -> list[Path]:
    """Documents of real text."""
    files: list[Path] = []
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        texts = (json.loads(line) for line in lines)
        for number in range(count):
            parts = [str(next(texts)["description"]) for _ in range(TEXTS)]
            files.append(folder / f"{number:05d}.txt")
            files[-1].write_text("\n\n".join(parts), encoding="utf-8")
    return files


def main() -> None:
    """Measure, print, and keep the figures."""
    facts = machine()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    model = veclab.load(cache=False)
    model.embed(["the model is ready"])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "documents")
        folder.mkdir()
        files = write(folder, Path(sys.argv[1]), count)
        with veclab.Store.open(f"{scratch}/store", model, create=True) as store:
            first = timed(store, folder)
            for file in files[::100]:
                file.write_text(file.read_text() + "\n\nOne more paragraph.", encoding="utf-8")
            again = timed(store, folder)
            nothing = timed(store, folder)
    result = {
        "documents": count,
        "first": first,
        "one in a hundred changed": again,
        "nothing changed": nothing,
        "share of the first run's time": round(again["seconds"] / first["seconds"], 4),
        "machine": facts,
    }
    print(json.dumps(result, indent=1))
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def timed(store: veclab.Store, folder: Path) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    done: Indexed = index(store, folder)
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "changed": done.changed or done.added,
        "passages": done.passages,
        "embedded": 0 if done.report is None else done.report.embedded,
    }


if __name__ == "__main__":
    main()
