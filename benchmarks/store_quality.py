"""How well a store finds: vectors, words and both, on a data set in BEIR's layout.

    python -m benchmarks.store_quality ../shared/data/cranfield

Every query is asked once through `Store.search`; nDCG@10 is of trec_eval's definition.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import veclab
from benchmarks.facts import machine
from veclab.evaluation.beir import read_beir

RESULTS = Path(__file__).parent / "results" / "store_quality.json"
ROUTES: dict[str, dict[str, Any]] = {
    "vector": {"mode": "vector"},
    "keyword": {"mode": "keyword"},
    "hybrid, min-max": {"mode": "hybrid"},
    "hybrid, reciprocal ranks": {"mode": "hybrid", "fusion": "rrf"},
}


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--store", help="postgresql://... instead of a folder")
    options = parser.parse_args()
    data = read_beir(options.data)
    model = veclab.load()
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or f"{folder}/store"
        with veclab.Store.open(path, model, create=True) as store:
            store.add(data.documents, ids=data.document_ids)
            vectors = [store.embed_query(query) for query in data.queries]
            figures = {name: round(_ndcg(store, data, vectors, o), 4) for name, o in ROUTES.items()}
    kind = "PostgreSQL" if options.store else "LanceDB"
    print(kind, json.dumps(figures, indent=1))
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept[kind] = {"data": options.data.name, "ndcg@10": figures, "machine": machine()}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def _ndcg(store: Any, data: Any, vectors: list[Any], options: dict[str, Any]) -> float:
    """Mean nDCG@10 over the queries."""
    values = []
    for name, query, vector in zip(data.query_ids, data.queries, vectors, strict=True):
        relevant = data.relevant[name]
        hits = store.search(query, top=10, vector=vector, **options)
        gains = [relevant.get(hit.passage.id, 0) for hit in hits]
        ideal = sorted(relevant.values(), reverse=True)[:10]
        values.append(_dcg(gains) / _dcg(ideal))
    return float(np.mean(values))


def _dcg(gains: list[int]) -> float:
    return sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains))


if __name__ == "__main__":
    main()
