"""What a run of the CPU engine spends its time on: tokenizer, the model by kind of operation, rest.

    python -m benchmarks.where_time_goes [MODEL]

Embeds the long and the short texts of `benchmarks.engines` with a model compiled to count the time
of every operation, on one stream, and writes the shares to benchmarks/results/profile.json. Beside
them: what a short text costs a static model (wordllama, from its package), its words known already.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import veclab
from benchmarks import facts
from benchmarks.engines import draw_texts
from veclab.models.catalog import find_model
from veclab.models.local.openvino.converted_models import find_or_convert
from veclab.models.local.openvino.engine import pad_rows, shared_core
from veclab.pipeline.batch_planning import CHUNK
from veclab.pipeline.batching import cut_batches

RESULT = Path(__file__).with_name("results") / "profile.json"
# What the kinds of nodes in a compiled graph are for.
KINDS = {
    "FullyConnected": "matrix products, with what is fused to them",
    "ScaledDotProductAttention": "attention",
    "Subgraph": "attention",  # where its steps are compiled into one kernel
    "MVN": "layer norm",
    "Gather": "embedding lookup",
} | dict.fromkeys(("Transpose", "Reorder", "Reshape"), "copies")


def profile(name: str, texts: list[str]) -> dict[str, float]:
    """Shares of the time of one core, in percent."""
    model = veclab.load(name, engine="openvino", threads=1, cache=False)
    made = find_or_convert(find_model(name))
    core = shared_core()
    options = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "PERF_COUNT": True}
    compiled = core.compile_model(core.read_model(made.model), "CPU", options)
    request = compiled.create_infer_request()
    start = time.perf_counter()
    tokenized = sorted(model.provider.tokenize(texts, None), key=lambda p: -len(p.ids))
    tokenizer = time.perf_counter() - start
    spent: Counter[str] = Counter()
    spent["tokenizer"] = tokenizer
    sizes = [len(piece.ids) for piece in tokenized]
    for part in cut_batches(sizes, model.provider.limits):
        ids, mask = pad_rows([piece.ids for piece in tokenized[part]], made.pad_id)
        inputs = {"input_ids": ids, "attention_mask": mask}
        if len(compiled.inputs) > 2:
            inputs["token_type_ids"] = ids * 0
        request.infer(inputs, share_inputs=True)
        for node in request.profiling_info:
            seconds = node.real_time.total_seconds()
            spent[KINDS.get(node.node_type, "element-wise and other")] += seconds
    start = time.perf_counter()
    model.embed(texts)
    whole = time.perf_counter() - start
    total = sum(spent.values())
    shares = {kind: round(100 * seconds / total, 1) for kind, seconds in spent.most_common()}
    return shares | {"seconds counted": round(total, 2), "seconds of `embed`": round(whole, 2)}


def static_profile(texts: list[str]) -> dict[str, float]:
    """Microseconds of a text: its tokens, the sum of their vectors, and all of `embed`."""
    model = veclab.load("wordllama", cache=False)
    texts = sorted(texts, key=len, reverse=True)  # as `embed` has them
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    batches = [model.provider.tokenize(chunk, None) for chunk in chunks]
    steps = {
        "tokens": lambda: [model.provider.tokenize(chunk, None) for chunk in chunks],
        "sums": lambda: [model.provider.embed_batch(batch, None) for batch in batches],
        "embed, all": lambda: model.embed(texts),
    }
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(7):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            found[name].append(1e6 * (time.perf_counter() - start) / len(texts))
    return {name: round(statistics.median(seconds), 1) for name, seconds in found.items()}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "all-MiniLM-L6-v2"
    texts = draw_texts(192, 960, 20_000)
    result = {kind: profile(name, texts[kind]) for kind in ("long", "short")}
    for kind, shares in result.items():
        print(kind, *(f"{share:8} {what}" for what, share in shares.items()), sep="\n  ")
    static = static_profile(texts["many"])
    print("static, microseconds a text", *(f"{v:8} {k}" for k, v in static.items()), sep="\n  ")
    found = {"model": find_model(name).name, "machine": facts.machine(), "percent": result}
    found["static, microseconds a text"] = static
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
