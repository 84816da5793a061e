"""MPNet: BERT with positions counted from padding and a bias by distance in every attention."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.layers import Encoder
from veclab.models.local.openvino.graphs.parts import Node, Parts

# Fixed in transformers' code, whatever the configuration says.
_PADDING, _BUCKETS, _FARTHEST = 1, 32, 128


def mpnet(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build MPNet."""
    parts.weights.inside("mpnet.")
    config.get("max_position_embeddings")
    config.get("relative_attention_num_buckets")  # only the size of a table, which the weights have
    config.get("intermediate_size")
    ops, epsilon = parts.ops, config.get("layer_norm_eps", 1e-12)
    encoder = Encoder(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        out="attention.attn.o",
        attention_norm="attention.LayerNorm",
        widen="intermediate.dense",
        narrow="output.dense",
        norm="output.LayerNorm",
        width=config.need("hidden_size"),
        heads=config.need("num_attention_heads"),
        activation=parts.activation(config.get("hidden_act", "gelu")),
        epsilon=epsilon,
    )
    words = parts.embed(parts.weights["embeddings.word_embeddings.weight"], inputs.ids)
    table = parts.weights["embeddings.position_embeddings.weight"]
    x = ops.add(words, inputs.counted(table, _PADDING))
    x = parts.layer_norm(x, "embeddings.LayerNorm", epsilon)
    mask = ops.add(_bias(parts, inputs, len(table)), inputs.padding())
    for number in range(config.need("num_hidden_layers")):
        x = encoder.layer(parts, f"encoder.layer.{number}", x, mask)
    return x


def _bias(parts: Parts, inputs: Inputs, longest: int) -> Node:
    """Return each head's bias by distance: (1, heads, tokens, tokens)."""
    ops = parts.ops
    buckets = distance_buckets(np.arange(1 - longest, longest))
    table = parts.weights["encoder.relative_attention_bias.weight"][buckets]
    at = ops.add(inputs.distances(), ops.constant(np.int32(longest - 1)))
    bias = ops.gather(parts.array(table.T), at, parts.integers(1))
    return ops.unsqueeze(bias, parts.integers(0))


def distance_buckets(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each distance of a key from its query, as T5 has them.

    One bucket each up to a quarter of them on either side, then ever wider ones.
    """
    side = _BUCKETS // 2
    exact, far = side // 2, np.abs(distances)
    with np.errstate(divide="ignore"):
        logs = np.log(far.astype(np.float32) / exact) / np.float32(np.log(_FARTHEST / exact))
    wide = exact + np.nan_to_num(logs * (side - exact), neginf=0).astype(np.int64)
    within = np.where(far < exact, far, np.minimum(wide, side - 1))
    return within + np.where(distances > 0, side, 0)
