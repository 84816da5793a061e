"""DistilBERT: BERT without token types, under other names."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts

_EPSILON = 1e-12  # fixed in transformers' code


def distilbert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build DistilBERT."""
    parts.weights.inside("distilbert.")
    # The weights have the positions, however they came about.
    for name in ("max_position_embeddings", "sinusoidal_pos_embds", "hidden_dim", "tie_weights_"):
        config.get(name)
    ops, width, heads = parts.ops, config.need("dim"), config.need("n_heads")
    act = parts.activation(config.get("activation", "gelu"))
    words = parts.embed(parts.weights["embeddings.word_embeddings.weight"], inputs.ids)
    positions = inputs.first(parts.weights["embeddings.position_embeddings.weight"])
    x = parts.layer_norm(ops.add(words, positions), "embeddings.LayerNorm", _EPSILON)
    mask = inputs.padding()
    for number in range(config.need("n_layers")):
        layer = f"transformer.layer.{number}"
        query, key, value = (
            parts.heads(parts.linear(x, f"{layer}.attention.{name}_lin"), heads)
            for name in ("q", "k", "v")
        )
        seen = parts.joined(parts.attend(query, key, value, mask), width)
        seen = parts.linear(seen, f"{layer}.attention.out_lin")
        x = parts.layer_norm(ops.add(seen, x), f"{layer}.sa_layer_norm", _EPSILON)
        inner = parts.linear(act(parts.linear(x, f"{layer}.ffn.lin1")), f"{layer}.ffn.lin2")
        x = parts.layer_norm(ops.add(inner, x), f"{layer}.output_layer_norm", _EPSILON)
    return x
