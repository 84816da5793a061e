"""The graph that veclab builds beside the one that torch traces: speed and cosine, interleaved.

    python benchmarks/graphs.py [MODEL] [--texts N] [--rounds N]

Descriptions of examples/packages.jsonl.gz, sorted by length and batched as the product does, one
stream a core. Seconds of processor count, so that a busy machine disturbs little. Needs
`veclab[torch]`. Writes benchmarks/results/graphs.json, an entry for each model.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from veclab.models.catalog import find_model
from veclab.models.local.openvino.converted_models import build_into, run_module
from veclab.models.local.openvino.engine import BATCH_COST, BATCH_TOKENS, Engine, Ids
from veclab.models.local.openvino.graphs.tokenizer import read_tokenizer
from veclab.pipeline.batching import cut_batches
from veclab.provider import Limits

ROOT = Path(__file__).parents[1]


def rows(model: str, count: int) -> list[Ids]:
    """Token ids of descriptions, longest first."""
    with gzip.open(ROOT / "examples" / "packages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["description"] for line in file]
    folder = find_model(model)
    tokenizer = read_tokenizer(folder)
    tokenizer.enable_truncation(folder.max_tokens or 512)
    texts = [text for text in texts if text.strip()][:count]
    encoded = [np.array(one.ids, np.int32) for one in tokenizer.encode_batch(texts)]
    return sorted(encoded, key=len, reverse=True)


def embed(engine: Engine, texts: Sequence[Ids], batches: Sequence[slice]) -> np.ndarray:
    with ThreadPoolExecutor(engine.streams) as pool:
        parts = pool.map(lambda batch: engine.run(texts[batch]), batches)
        return np.concatenate(list(parts))


def measure(model: str, count: int, rounds: int) -> dict[str, object]:
    texts = rows(model, count)
    limits = Limits(None, BATCH_TOKENS, batch_cost=BATCH_COST)
    batches = list(cut_batches([len(row) for row in texts], limits))
    tokens = sum(map(len, texts))
    result: dict[str, object] = {"texts": len(texts), "tokens": tokens}
    folder = find_model(model)
    with tempfile.TemporaryDirectory() as work:
        files = {}
        for name in ("built", "traced"):
            (Path(work) / name).mkdir()
            files[name] = Path(work) / name / "model.xml"
        start = time.perf_counter()
        build_into(folder, Path(work) / "built")
        result["seconds to build"] = round(time.perf_counter() - start, 2)
        start = time.perf_counter()
        module = "veclab.models.local.openvino.convert"
        run_module(module, [str(folder.path), str(Path(work) / "traced")])
        result["seconds to trace"] = round(time.perf_counter() - start, 2)
        for arithmetic in ("f32", "bf16"):
            engines = {name: Engine(file, arithmetic=arithmetic) for name, file in files.items()}
            if engines["built"].arithmetic != arithmetic:
                continue
            vectors = {name: embed(engine, texts, batches) for name, engine in engines.items()}
            times: dict[str, list[float]] = {name: [] for name in engines}
            for number in range(rounds):
                for name in sorted(engines, reverse=bool(number % 2)):
                    start = time.process_time()
                    embed(engines[name], texts, batches)
                    times[name].append(time.process_time() - start)
            speeds = {n: tokens / statistics.median(t) for n, t in times.items()}
            norms = [np.linalg.norm(each, axis=1) for each in vectors.values()]
            cosines = (vectors["built"] * vectors["traced"]).sum(axis=1) / (norms[0] * norms[1])
            result[arithmetic] = {
                "tokens per second of processor": {n: round(s) for n, s in speeds.items()},
                "built / traced": round(speeds["built"] / speeds["traced"], 3),
                "lowest cosine": round(float(cosines.min()), 7),
            }
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="all-MiniLM-L6-v2")
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    result = measure(given.model, given.texts, given.rounds)
    result |= {"load_average": round(os.getloadavg()[0], 1), "machine": platform.platform()}
    print(json.dumps(result, indent=1))
    out = Path(__file__).parent / "results" / "graphs.json"
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    out.write_text(json.dumps(known | {given.model: result}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
