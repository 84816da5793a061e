"""OpenVINO and ONNX files that come with a model: run without torch.

Such a file holds the transformer alone; pooling and normalizing are put on top of it here. The
folder of the model says which. Nothing ties it to the weights beside it: they may be those of a
model that was tuned since. So it passes for them only once its vectors were shown to be theirs.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from veclab.errors import MissingExtra
from veclab.models.local.digests import file_digest
from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import wrapper_settings
from veclab.models.local.openvino.converted_models import (
    Converted,
    find_or_make,
    place,
    run_module,
)

# The names that Optimum and sentence-transformers give to exports that are not quantized.
_FILES = ("openvino/openvino_model.xml", "onnx/model.onnx")
_POOLINGS = ("mean", "cls", "max")
_MODULES = {"Transformer", "Pooling", "Normalize", "Dropout"}
_INTEGERS = ("i4", "u4", "i8", "u8")


def find_exported(folder: ModelFolder) -> Path | None:
    """Find the file to run; None where there is none or where it is incomplete."""
    usual = (
        set(folder.modules) <= _MODULES
        and folder.pooling in _POOLINGS
        and (folder.transformer / "tokenizer.json").exists()
        and not wrapper_settings(folder.transformer).get("do_lower_case")
    )
    files = [base / name for base in (folder.transformer, folder.path) for name in _FILES]
    return next((file for file in files if file.exists()), None) if usual else None


def export_digest(file: Path) -> str:
    """Return the SHA-256 over an export: the file and those that hold its weights."""
    beside = [file.with_suffix(".bin"), *sorted(file.parent.glob(f"{file.name}[._]data"))]
    digests = [file_digest(part) for part in (file, *beside) if part.exists()]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def find_or_make_proof(folder: ModelFolder, file: Path) -> Converted | None:
    """Find or make the proof that an export computes what the weights of its folder do.

    Made now where it is not there: torch runs once, in a process of its own, and what is found
    is kept. Without torch there is none.

    Raises:
        CannotConvert: the export computes something else.
    """

    def show(_: Path) -> dict[str, Any]:
        if not (find_spec("torch") and find_spec("sentence_transformers")):
            raise MissingExtra("torch", f"comparing {file.name} with the weights, once,")
        arguments = [str(folder.path), str(file)]
        return run_module("veclab.models.local.openvino.verify_export", arguments)

    try:
        return find_or_make(place(folder, "proof", of=export_digest(file)), show)
    except MissingExtra:
        return None


def read_exported(file: Path, folder: ModelFolder) -> Any:
    """Read the file as an openvino.Model, with pooling and normalizing inside.

    Raises:
        ValueError: it holds no output per token, or weights cut to few bits.
    """
    from veclab.models.local.openvino.engine import load_openvino, shared_core

    model = shared_core().read_model(file)
    for op in model.get_ops():
        constant = op.get_type_name() == "Constant"
        if constant and op.get_element_type().get_type_name() in _INTEGERS and len(op.data) > 1:
            raise ValueError("its weights are quantized")
    wanted = {"last_hidden_state", "token_embeddings"}
    tokens = next((out for out in model.outputs if wanted & out.get_names()), None)
    mask = next((i for i in model.inputs if "attention_mask" in i.get_names()), None)
    if tokens is None or mask is None or len(tokens.partial_shape) != 3:
        raise ValueError("it has no output for each token")
    vectors = _pooled(tokens.get_node().input_value(0), mask, str(folder.pooling))
    if "Normalize" in folder.modules:
        from openvino import opset13 as ops

        vectors = ops.normalize_l2(vectors, [1], 1e-12, "max").output(0)
    return load_openvino().Model([vectors], model.get_parameters(), folder.name)


def _pooled(tokens: Any, mask: Any, pooling: str) -> Any:
    """Pool (n, tokens, dim) to (n, dim), as `sentence_transformers` does."""
    from openvino import opset13 as ops

    if pooling == "cls":
        return ops.squeeze(ops.gather(tokens, [0], 1), [1]).output(0)
    inside = ops.unsqueeze(ops.convert(mask, "f32"), [2])
    nothing, lowest, least = (np.array([value], np.float32) for value in (0, -1e9, 1e-9))
    if pooling == "max":
        chosen = ops.select(ops.greater(inside, nothing), tokens, lowest)
        return ops.reduce_max(chosen, [1]).output(0)
    total = ops.reduce_sum(ops.multiply(tokens, inside), [1])
    return ops.divide(total, ops.maximum(ops.reduce_sum(inside, [1]), least)).output(0)
