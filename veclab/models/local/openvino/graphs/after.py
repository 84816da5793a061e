"""What follows the transformer in a Sentence Transformers model: pooling, Dense, norms."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from veclab.models.local.modules import Module, pooling_modes
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.openvino.graphs.weights import Weights

_TOKENS, _TEXT = "token_embeddings", "sentence_embedding"
_TORCH = "torch.nn.modules.activation."
# What torch calls the activations that a Dense may have.
_ACTIVATIONS = {
    "torch.nn.modules.linear.Identity": "identity",
    f"{_TORCH}Tanh": "tanh",
    f"{_TORCH}ReLU": "relu",
    f"{_TORCH}ReLU6": "relu6",
    f"{_TORCH}LeakyReLU": "leaky_relu",
    f"{_TORCH}ELU": "elu",
    f"{_TORCH}SELU": "selu",
    f"{_TORCH}GELU": "gelu",
    f"{_TORCH}SiLU": "silu",
    f"{_TORCH}Mish": "mish",
    f"{_TORCH}Sigmoid": "sigmoid",
    f"{_TORCH}Softplus": "softplus",
    f"{_TORCH}Hardswish": "hardswish",
}


def after(modules: Iterable[Module], parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    """Send token vectors (n, tokens, dim) through the modules: sentence vectors (n, dim).

    Raises:
        NotKnown: there is a module, or a setting of one, that has no place here.
    """
    features = {_TOKENS: tokens}
    for module in modules:
        step = _STEPS.get(module.kind)
        if step is None:
            raise NotKnown(f"it has the module {module.kind}")
        step(module, parts, inputs, features)
    if _TEXT not in features:
        raise NotKnown("it has no pooling")
    return features[_TEXT]


def _pool(module: Module, parts: Parts, inputs: Inputs, features: dict[str, Node]) -> None:
    pooled = []
    for mode in pooling_modes(module.settings):
        if mode not in _POOLINGS:
            raise NotKnown(f"it has the pooling {mode}")
        pooled.append(_POOLINGS[mode](parts, inputs, features[_TOKENS]))
    features[_TEXT] = pooled[0] if len(pooled) == 1 else parts.ops.concat(pooled, -1)


def _cls(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    return parts.ops.gather(tokens, parts.ops.constant(np.int32(0)), parts.integers(1))


def _max(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    ops = parts.ops
    inside = ops.unsqueeze(ops.greater(inputs.inside, parts.number(0)), parts.integers(2))
    return ops.reduce_max(ops.select(inside, tokens, parts.number(-np.inf)), parts.integers(1))


def _mean(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    least = parts.ops.maximum(inputs.count(), parts.number(1e-9))
    return parts.ops.divide(_sum(parts, inputs.inside, tokens), least)


def _mean_by_root(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    least = parts.ops.maximum(inputs.count(), parts.number(1e-9))
    return parts.ops.divide(_sum(parts, inputs.inside, tokens), parts.ops.sqrt(least))


def _weighted(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    ops, one = parts.ops, parts.integers(1)
    # The first token has the weight 1, the second 2, ...
    weights = ops.multiply(ops.cumsum(inputs.inside, ops.constant(np.int32(1))), inputs.inside)
    total = ops.maximum(ops.reduce_sum(weights, one, True), parts.number(1e-9))
    return ops.divide(_sum(parts, weights, tokens), total)


def _last(parts: Parts, inputs: Inputs, tokens: Node) -> Node:
    ops = parts.ops
    count = ops.convert(ops.squeeze(inputs.count(), parts.integers(1)), "i32")
    zero, one = (ops.constant(np.int32(n)) for n in (0, 1))
    at = ops.maximum(ops.subtract(count, one), zero)
    last = ops.gather(tokens, ops.unsqueeze(at, parts.integers(1)), parts.integers(1), 1)
    some = ops.minimum(inputs.count(), parts.number(1))  # a text without tokens has no last one
    return ops.multiply(ops.squeeze(last, parts.integers(1)), some)


def _sum(parts: Parts, weights: Node, tokens: Node) -> Node:
    weighted = parts.ops.multiply(tokens, parts.ops.unsqueeze(weights, parts.integers(2)))
    return parts.ops.reduce_sum(weighted, parts.integers(1))


def _dense(module: Module, parts: Parts, inputs: Inputs, features: dict[str, Node]) -> None:
    said, own = module.settings, Parts(Weights(module.folder))
    source = said.get("module_input_name") or _TEXT
    name = said.get("activation_function", f"{_TORCH}Tanh")
    if source not in features:
        raise NotKnown(f"its Dense reads {source}")
    if name not in _ACTIVATIONS:
        raise NotKnown(f"its Dense has the activation {name}")
    x = features[source]
    out = own.activation(_ACTIVATIONS[name])(own.linear(x, "linear"))
    if said.get("use_residual"):
        same = said["in_features"] == said["out_features"]
        out = parts.ops.add(out, x if same else own.linear(x, "residual"))
    features[said.get("module_output_name") or source] = out


def _layer_norm(module: Module, parts: Parts, inputs: Inputs, features: dict[str, Node]) -> None:
    own = Parts(Weights(module.folder))
    features[_TEXT] = own.layer_norm(features[_TEXT], "norm", 1e-5)


def _normalize(module: Module, parts: Parts, inputs: Inputs, features: dict[str, Node]) -> None:
    # An older Normalize has no settings; its folder may be that of the whole model.
    said = {} if "model_type" in module.settings else module.settings
    source = said.get("module_input_name") or _TEXT
    if source in features:
        scaled = parts.ops.normalize_l2(features[source], parts.integers(-1), 1e-24, "max")
        features[said.get("module_output_name") or source] = scaled


def _nothing(module: Module, parts: Parts, inputs: Inputs, features: dict[str, Node]) -> None:
    """A Dropout does nothing once a model is trained."""


_POOLINGS: dict[str, Callable[[Parts, Inputs, Node], Node]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean": _weighted,
    "lasttoken": _last,
}
_STEPS: dict[str, Callable[[Module, Parts, Inputs, dict[str, Node]], None]] = {
    "Pooling": _pool,
    "Dense": _dense,
    "LayerNorm": _layer_norm,
    "Normalize": _normalize,
    "Dropout": _nothing,
}
