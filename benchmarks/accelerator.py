"""What an accelerator makes of it: tokens a second beside sentence-transformers on the same device.

    python -m benchmarks.accelerator [--device cuda] [--rounds 5] [--corpus TEXTS.txt]

The texts are those of `make bench`, more of them. Engines take turns, medians count. Cosines are
against sentence-transformers in f32 on the same device. Then the memory of the device is made so
small that the batches that were planned do not fit, and the vectors are compared with those of
before. `--corpus` embeds the lines of a file in one call. The figures are kept in
benchmarks/results/accelerator.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

import veclab
from benchmarks.engines import draw_texts
from benchmarks.facts import machine

RESULT = Path(__file__).with_name("results") / "accelerator.json"
MODEL = os.environ.get(
    "MODEL", "sentence-transformers/all-MiniLM-L6-v2"
)  # a folder, where no package is
Encode = Callable[[list[str]], np.ndarray]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long", type=int, default=20_000)
    parser.add_argument("--short", type=int, default=100_000)
    parser.add_argument("--corpus", type=Path, help="a text on each line")
    options = parser.parse_args()
    model = veclab.load(MODEL, engine="torch", device=options.device, cache=False)
    sets = draw_texts(options.long, options.short, 0)
    engines = _engines(model, str(model.provider.folder.path), options.device)
    figures: dict[str, Any] = {"machine": machine(), "device": _device(options.device)}
    figures["notes"] = model.embed(["warm"]).report.notes
    for kind in ("long", "short"):
        figures[kind] = _side_by_side(engines, sets[kind], model, options.rounds)
        print(json.dumps(figures[kind], indent=1), flush=True)
    if options.device == "cuda":
        figures["small_memory"] = _small_memory(model, sets["long"])
    if options.corpus:
        figures["corpus"] = _corpus(model, options.corpus.read_text("utf-8").splitlines())
    figures["versions"] = {"torch": torch.__version__, "veclab": veclab.__version__}
    print(json.dumps(figures, indent=1))
    RESULT.write_text(json.dumps(figures, indent=1) + "\n")


def _engines(model: veclab.Model, folder: str, device: str) -> dict[str, Encode]:
    def peer(dtype: torch.dtype, batch_size: int) -> Encode:
        original: Any = SentenceTransformer(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": dtype}
        )

        def encode(texts: list[str]) -> np.ndarray:
            torch.backends.cuda.enable_cudnn_sdp(True)  # torch as it comes; veclab leaves it out
            vectors = original.encode(texts, batch_size=batch_size, show_progress_bar=False)
            torch.backends.cuda.enable_cudnn_sdp(False)
            return np.asarray(vectors, np.float32)

        return encode

    return {
        "sentence-transformers, f32, batches of 32": peer(torch.float32, 32),
        "sentence-transformers, bf16, batches of 32": peer(torch.bfloat16, 32),
        "sentence-transformers, bf16, batches of 512": peer(torch.bfloat16, 512),
        "veclab": lambda texts: model.embed(texts).array,
    }


def _side_by_side(
    engines: dict[str, Encode], texts: list[str], model: veclab.Model, rounds: int
) -> dict[str, Any]:
    """Tokens a second of each engine (medians of interleaved rounds) and its least cosine."""
    tokens = sum(model.count_tokens(texts))
    vectors = {name: encode(texts) for name, encode in engines.items()}
    reference = next(iter(vectors.values()))
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, encode in engines.items():
            start = time.perf_counter()
            encode(texts)
            seconds[name].append(time.perf_counter() - start)
    return {
        "texts": len(texts),
        "tokens": tokens,
        "engines": {
            name: {
                "tokens_per_s": round(tokens / statistics.median(seconds[name])),
                "seconds": [round(value, 3) for value in seconds[name]],
                "lowest_cosine": round(float(_cosines(vectors[name], reference).min()), 6),
            }
            for name in engines
        },
    }


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(1) / norms)


def _small_memory(model: veclab.Model, texts: list[str]) -> dict[str, Any]:
    """Embed again with a device whose memory the planned batches overrun: halved, and the same."""
    longest = sorted(texts, key=len)[-4000:]
    before = model.embed(longest).array
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model.embed(longest)
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(peak * 0.6 / total)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vectors = model.embed(longest)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    said = [*vectors.report.notes, *(str(warning.message) for warning in caught)]
    return {
        "peak_mb": round(peak / 1e6),
        "allowed_mb": round(peak * 0.6 / 1e6),
        "said": sorted({text for text in said if "memory" in text}),
        "lowest_cosine": round(float(_cosines(vectors.array, before).min()), 6),
    }


def _corpus(model: veclab.Model, texts: list[str]) -> dict[str, Any]:
    """Embed all texts in one call, tokenizing and deduplication included."""
    start = time.perf_counter()
    report = model.embed(texts).report
    seconds = time.perf_counter() - start
    return {
        "texts": len(texts),
        "tokens": report.tokens_embedded,
        "seconds": round(seconds, 1),
        "texts_per_s": round(len(texts) / seconds),
        "tokens_per_s": round(report.tokens_embedded / seconds),
    }


def _device(name: str) -> str:
    return torch.cuda.get_device_name(0) if name == "cuda" else name


if __name__ == "__main__":
    main()
