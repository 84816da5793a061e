"""OpenVINO and ONNX files that come with a model: run without torch.

Such a file holds the transformer alone; pooling and normalizing are put on top of it here. The
folder of the model says which.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from veclab.models.local.folder import ModelFolder
from veclab.models.local.modules import read_json, wrapper_settings

# The names that Optimum and sentence-transformers give to exports that are not quantized.
_FILES = ("openvino/openvino_model.xml", "onnx/model.onnx")
_POOLINGS = ("mean", "cls", "max")
_MODULES = {"Transformer", "Pooling", "Normalize", "Dropout"}
_INTEGERS = ("i4", "u4", "i8", "u8")


def find_exported(folder: ModelFolder) -> Path | None:
    """The file to run, None where there is none or where it is not all that the model needs."""
    usual = (
        set(folder.modules) <= _MODULES
        and folder.pooling in _POOLINGS
        and (folder.transformer / "tokenizer.json").exists()
        and not wrapper_settings(folder.transformer).get("do_lower_case")
    )
    files = [base / name for base in (folder.transformer, folder.path) for name in _FILES]
    return next((file for file in files if file.exists()), None) if usual else None


def pad_id(folder: ModelFolder) -> int:
    """Token id of padding; masked, so that any id in the vocabulary would do."""
    return int(read_json(folder.transformer / "config.json").get("pad_token_id") or 0)


def read_exported(file: Path, folder: ModelFolder) -> Any:
    """The file as an openvino.Model, with pooling and normalizing inside.

    Raises:
        ValueError: it holds no output per token, or weights cut to few bits.
    """
    from veclab.models.local.openvino.engine import load_openvino

    ov = load_openvino()
    model = ov.Core().read_model(file)
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
    return ov.Model([vectors], model.get_parameters(), folder.name)


def _pooled(tokens: Any, mask: Any, pooling: str) -> Any:
    """(n, dim) of (n, tokens, dim), as `sentence_transformers` pools."""
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
