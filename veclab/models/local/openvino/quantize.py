"""Quantize a converted model to int8, in a process of its own: `find_or_quantize` runs it.

NNCF's post-training quantization turns weights and activations into 8-bit integers whose ranges
fit the texts it is calibrated on. Then the loss against f32 is measured on those texts, and the
layers whose integers hurt most get their floating-point inputs back, until no text's cosine is
below MIN_COSINE.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Before anything can import it. OpenVINO and NNCF then use stubs of their own.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # blocks the import
    os.environ |= {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from veclab.models.local.openvino.engine import (
    BATCH_COST,
    BATCH_TOKENS,
    Engine,
    Ids,
    Vectors,
    shared_core,
)
from veclab.pipeline.batching import cut_batches
from veclab.provider import Limits

MIN_COSINE = 0.98
# How far SmoothQuant (Xiao et al. 2022, arXiv:2211.10438) moves the range of activations, a few of
# which are far larger than the rest, into the weights: from 0, not at all, to 1; -1 leaves it out.
# all-MiniLM-L6-v2 wholly in int8 has a lowest cosine of 0.964 without it, 0.965 at 0.3, 0.973 at
# 0.45, 0.986 at 0.6 and 0.8, 0.979 at 0.9. The second is tried where the first costs layers: it
# can make weights so uneven that they lose more than the activations gain.
_SMOOTHING = (0.8, -1.0)
# Texts on which the layers are compared: those that lost most, so that the comparison is quick.
_WORST = 24
_QUANTIZER = "FakeQuantize"


class Measure:
    """The loss of a model against f32, on fixed texts."""

    def __init__(self, rows: Sequence[Ids], pad_id: int, reference: Vectors | None = None) -> None:
        # Long texts first, so that batches waste little; the order itself does not matter here.
        self.rows = sorted(rows, key=len, reverse=True) if reference is None else list(rows)
        self._pad_id = pad_id
        self._reference = reference

    def against(self, model: Any) -> None:
        """Take this model's vectors in f32 for the truth."""
        self._reference = self._vectors(model, "f32")

    def cosines(self, model: Any) -> NDArray[np.float64]:
        """Return each text's cosine (n,) to its true vector, as this processor computes it."""
        found, truth = self._vectors(model, None), self._reference
        assert truth is not None
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(truth, axis=1)
        cosines = np.einsum("ij,ij->i", found, truth) / np.maximum(norms, 1e-12)
        found_cosines: NDArray[np.float64] = np.nan_to_num(cosines.astype(np.float64), nan=-1.0)
        return found_cosines

    def part(self, texts: NDArray[np.intp]) -> Measure:
        """Return the same measure for some of the texts."""
        assert self._reference is not None
        return Measure([self.rows[i] for i in texts], self._pad_id, self._reference[texts])

    def _vectors(self, model: Any, arithmetic: str | None) -> Vectors:
        engine = Engine(model, pad_id=self._pad_id, arithmetic=arithmetic)
        limits = Limits(None, BATCH_TOKENS, batch_cost=BATCH_COST)
        parts = cut_batches([len(row) for row in self.rows], limits)
        return np.concatenate([engine.run(self.rows[part]) for part in parts])


def activation_quantizers(model: Any) -> list[str]:
    """Return the names of the nodes that turn activations (not weights) into integers."""
    quantizers = [op for op in model.get_ops() if op.get_type_name() == _QUANTIZER]
    activations = [
        op for op in quantizers if op.input_value(0).get_node().get_type_name() != "Constant"
    ]
    return [op.get_friendly_name() for op in activations]


def without(model: Any, names: Iterable[str]) -> Any:
    """Copy the model so that these activations stay floating-point numbers."""
    copy, wanted = model.clone(), set(names)
    for op in copy.get_ops():
        if op.get_friendly_name() in wanted:
            for target in op.output(0).get_target_inputs():
                target.replace_source_output(op.input_value(0))
    return copy


def restore(model: Any, measure: Measure) -> tuple[Any, int]:
    """Give floating-point inputs back to as few layers as it takes to reach MIN_COSINE.

    Returns:
        The model, and how many of its layers got them back. When even all of them do not reach
        it, the model is given as it is then.
    """
    cosines = measure.cosines(model)
    if cosines.min() >= MIN_COSINE:
        return model, 0
    names = activation_quantizers(model)
    worst = measure.part(np.argsort(cosines)[:_WORST])
    gain = {name: worst.cosines(without(model, [name])).mean() for name in names}
    names.sort(key=lambda name: -gain[name])
    count, better = 0, model
    while count < len(names):
        count = min(len(names), max(count + 1, count * 5 // 4))
        better = without(model, names[:count])
        if worst.cosines(better).min() < MIN_COSINE:
            continue  # the texts that lost most are measured first: all would take longer
        if measure.cosines(better).min() >= MIN_COSINE:
            break
    return better, count


class _Outcome(NamedTuple):
    """What one way of quantizing has come to."""

    model: Any
    kept: int  # inputs of layers that stay floating-point numbers
    layers: int  # and how many there are
    cosines: NDArray[np.float64]

    @property
    def rank(self) -> tuple[bool, float]:
        """Good enough first, then the more in integers the better."""
        return bool(self.cosines.min() >= MIN_COSINE), -self.kept / max(self.layers, 1)


def in_integers(source: Path, rows: Sequence[Ids], smoothing: float) -> Any:
    """Quantize the model in `source`: weights and activations of all its layers in int8."""
    import nncf

    def inputs(row: Ids) -> dict[str, Ids]:
        return {"input_ids": row[None], "attention_mask": np.ones((1, len(row)), np.int32)}

    return nncf.quantize(
        shared_core().read_model(source / "model.xml"),
        nncf.Dataset(rows, inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(rows),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=smoothing)
        ),
    )


def quantize(source: Path, out: Path, rows: list[Ids], pad_id: int) -> dict[str, Any]:
    """Quantize the model in `source`, write it to `out` and tell what was lost."""
    import openvino as ov

    measure = Measure(rows, pad_id)
    measure.against(source / "model.xml")
    best: _Outcome | None = None
    for smoothing in _SMOOTHING:
        whole = in_integers(source, rows, smoothing)
        model, kept = restore(whole, measure)
        layers = len(activation_quantizers(whole))
        outcome = _Outcome(model, kept, layers, measure.cosines(model))
        if best is None or outcome.rank > best.rank:
            best = outcome
        if best.rank == (True, 0):
            break
    assert best is not None
    cosines = best.cosines
    if cosines.min() < MIN_COSINE:
        return {"refused": f"int8 loses too much: the lowest cosine to f32 is {cosines.min():.3f}"}
    ov.save_model(best.model, out / "model.xml", compress_to_fp16=False)
    shutil.copy(source / "tokenizer.json", out / "tokenizer.json")
    files = [(out / name).read_bytes() for name in ("model.xml", "model.bin")]
    digest = hashlib.sha256(b"".join(files)).hexdigest()[:8]
    return {
        "precision": f"int8-{digest}",
        "min_cosine": float(cosines.min()),
        "loss": f"int8: cosine to f32 over the {len(rows):,} texts it was calibrated on is "
        f"{cosines.min():.4f} at least, {cosines.mean():.4f} on average; "
        f"{best.kept} of {best.layers} inputs of layers stay floating-point numbers",
    }


def main(source: str, out: str, texts: str) -> None:
    """Quantize and print the facts as the last line of output."""
    from tokenizers import Tokenizer

    facts = json.loads((Path(source) / "veclab.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(Path(source) / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(facts["max_tokens"] or 512, 512))
    encoded = tokenizer.encode_batch(json.loads(Path(texts).read_text(encoding="utf-8")))
    rows = [np.array(encoding.ids, np.int32) for encoding in encoded if encoding.ids]
    same = {name: facts.get(name) for name in ("pad_id", "max_tokens", "positions")}
    print("\n" + json.dumps(same | quantize(Path(source), Path(out), rows, facts["pad_id"])))


if __name__ == "__main__":
    main(*sys.argv[1:])
