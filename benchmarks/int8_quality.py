"""What int8 costs in quality, and gains or loses in speed: STS Benchmark, f32 beside int8.

    python -m benchmarks.int8_quality ../shared/data/stsb/stsb-en-test.csv

Three times the default model: in f32; in int8 as this processor computes it; and in int8 with exact
sums (OpenVINO's LP_TRANSFORMS_MODE: NO computes the integers as floats), which lose as much as
those of processors with VNNI or AMX. Without these, pairs of products are added in 16 bits and the
largest sums are cut.
Needs the extra `int8`; the first run quantizes the model, which takes some minutes.
"""

from __future__ import annotations

import csv
import json
import queue
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import veclab
from benchmarks import facts
from benchmarks.engines import draw_texts
from veclab.model import Model
from veclab.models.catalog import find_model
from veclab.models.local.openvino.engine import shared_core
from veclab.models.local.openvino.int8 import find_or_quantize

RESULT = Path(__file__).with_name("results") / "int8_quality.json"


def with_exact_sums() -> Model:
    """The int8 model, its integers computed as floats."""
    model = veclab.load(engine="openvino", precision="int8", cache=False)
    core = shared_core()
    engine = model.provider.engine
    options = {"NUM_STREAMS": engine.streams, "LP_TRANSFORMS_MODE": "NO"}
    file = find_or_quantize(find_model("all-MiniLM-L6-v2")).model
    compiled = core.compile_model(core.read_model(file), "CPU", options)
    engine._idle = queue.SimpleQueue()
    for _ in range(engine.streams):
        engine._idle.put(compiled.create_infer_request())
    return model


def stsb(model: Model, rows: list[list[str]]) -> float:
    """Spearman's rank correlation x 100."""
    one, other = (model.embed([row[i] for row in rows]).array for i in (0, 1))
    return float(100 * spearmanr((one * other).sum(1), [float(row[2]) for row in rows]).statistic)


def main() -> None:
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    f32 = veclab.load(engine="openvino", precision="f32", cache=False)
    int8 = veclab.load(engine="openvino", precision="int8", cache=False)
    long = draw_texts(192, 8, 8)["long"]
    ratios = []
    for _ in range(5):
        seconds, arrays = [], []
        for model in (f32, int8):
            start = time.perf_counter()
            arrays.append(model.embed(long).array)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    cosines = np.einsum("ij,ij->i", *arrays)
    result = {
        "machine": facts.machine(),
        "loss told": [note for note in int8.notes if note.startswith("int8")],
        "stsb": {
            "f32": round(stsb(f32, rows), 2),
            "int8": round(stsb(int8, rows), 2),
            "int8, exact sums": round(stsb(with_exact_sums(), rows), 2),
        },
        "long texts": {
            "lowest cosine to f32": round(float(cosines.min()), 4),
            "speed x f32": round(statistics.median(ratios), 2),
        },
    }
    print(json.dumps(result, indent=1))
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
