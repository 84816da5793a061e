"""What a bridge keeps, and whether a small network would keep more than the maps that are tried.

    python -m benchmarks.bridge VECTORS.parquet all-mpnet-base-v2 [--rows 20000] [--sample 2000]

VECTORS.parquet is a file that `veclab embed` wrote; as many of its rows as are asked for, from all
over it, make the store. The network is a layer of 512 with a residual path around it, on top of the
best ridge regression, trained by torch on the very pairs that the maps were fitted on, until the
cosines of a tenth of them, set aside, no longer rise. All are measured on the same held-out texts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import veclab
from benchmarks.facts import machine
from veclab.store import bridge
from veclab.store.bridge_map import fit, kept
from veclab.unit_length import normalize

RESULTS = Path(__file__).parent / "results" / "bridge.json"


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=2000)
    options = parser.parse_args()
    facts, new = machine(), veclab.load(options.model)
    read = veclab.read(options.vectors)
    rows = np.linspace(0, len(read) - 1, min(options.rows, len(read))).astype(int)
    with (
        tempfile.TemporaryDirectory() as folder,
        veclab.Store.open(f"{folder}/store", create=True) as store,
    ):
        store.add_vectors(read[rows.tolist()])
        built = bridge.build_bridge(store, new, min_recall=0, sample=options.sample)
        both = bridge._embed_sample(store.table, store.model, new, options.sample, None)
    result = {
        "texts": len(rows),
        "bridge": built.to_dict(),
        "share of the old model's own top 10 among the sample": compare(both),
        "machine": facts,
    }
    print(json.dumps(result, indent=1))
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[f"{options.model}, {len(rows):,} texts, sample of {built.passages:,}"] = result
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def compare(both: Any) -> dict[str, float]:
    """Each map, and the network, on the texts that a bridge is measured on."""
    n = len(both.old)
    order = np.random.default_rng(0).permutation(n)
    size = min(bridge._QUESTIONS, n // 4)
    held, fitting = order[:size], order[size:]
    x, y = bridge._pairs(both, fitting)

    def share(asked: Any) -> float:
        own = both.old_queries[held]
        return round(float(kept(asked, both.old, own, both.old).mean()), 4)

    found = {m.kind: share(m(both.new_queries[held])) for m in fit(x, y)}
    ridge = max((m for m in fit(x, y) if m.kind.startswith("ridge")), key=lambda m: found[m.kind])
    start = time.perf_counter()
    found["ridge and residual network"] = share(network(ridge, x, y)(both.new_queries[held]))
    print(f"network: {time.perf_counter() - start:.1f} s")
    return found


def network(ridge: Any, x: Any, y: Any) -> Any:
    """The best ridge regression with a small residual network on top."""
    import torch

    torch.manual_seed(0)
    base, given, wanted = (torch.from_numpy(a.copy()) for a in (ridge(x), x, y))
    layers = torch.nn.Sequential(
        torch.nn.Linear(x.shape[1], 512), torch.nn.GELU(), torch.nn.Linear(512, y.shape[1])
    )
    torch.nn.init.zeros_(layers[2].weight)
    torch.nn.init.zeros_(layers[2].bias)
    aside = torch.rand(len(x)) < 0.1
    steps = torch.optim.AdamW(layers.parameters(), lr=1e-3, weight_decay=0.01)
    best, kept_weights, waited = -1.0, None, 0
    while waited < 10:
        for part in torch.randperm(len(x)).split(256):
            part = part[~aside[part]]
            near = torch.nn.functional.cosine_similarity(
                base[part] + layers(given[part]), wanted[part]
            )
            steps.zero_grad()
            (1 - near).mean().backward()
            steps.step()
        with torch.no_grad():
            near = torch.nn.functional.cosine_similarity(
                base[aside] + layers(given[aside]), wanted[aside]
            )
        waited += 1
        if float(near.mean()) > best + 1e-5:
            best, waited = float(near.mean()), 0
            kept_weights = {name: w.clone() for name, w in layers.state_dict().items()}
    assert kept_weights is not None
    layers.load_state_dict(kept_weights)

    def mapped(queries: Any) -> Any:
        with torch.no_grad():
            return normalize(ridge(queries) + layers(torch.from_numpy(queries)).numpy())

    return mapped


if __name__ == "__main__":
    main()
