"""DistilBERT: BERT without token types, under other names."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.layers import Encoder
from veclab.models.local.openvino.graphs.parts import Node, Parts

_EPSILON = 1e-12  # fixed in transformers' code


def distilbert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build DistilBERT."""
    parts.weights.inside("distilbert.")
    # The weights have the positions, however they came about.
    for name in ("max_position_embeddings", "sinusoidal_pos_embds", "hidden_dim", "tie_weights_"):
        config.get(name)
    encoder = Encoder(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out="attention.out_lin",
        attention_norm="sa_layer_norm",
        widen="ffn.lin1",
        narrow="ffn.lin2",
        norm="output_layer_norm",
        width=config.need("dim"),
        heads=config.need("n_heads"),
        activation=parts.activation(config.get("activation", "gelu")),
        epsilon=_EPSILON,
    )
    words = parts.embed(parts.weights["embeddings.word_embeddings.weight"], inputs.ids)
    positions = inputs.first(parts.weights["embeddings.position_embeddings.weight"])
    x = parts.layer_norm(parts.ops.add(words, positions), "embeddings.LayerNorm", _EPSILON)
    mask = inputs.padding()
    for number in range(config.need("n_layers")):
        x = encoder.layer(parts, f"transformer.layer.{number}", x, mask)
    return x
