"""ALBERT: small word vectors widened once, and groups of layers used again and again."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.layers import Encoder
from veclab.models.local.openvino.graphs.parts import Node, Parts

# Facts that are seen from the weights, or that are said and read by nothing.
_SEEN = (
    "max_position_embeddings", "embedding_size", "intermediate_size",
    "down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks",
)  # fmt: skip


def albert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build ALBERT."""
    parts.weights.inside("albert.")
    for name in _SEEN:
        config.get(name)
    ops, epsilon = parts.ops, config.get("layer_norm_eps", 1e-12)
    encoder = Encoder(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        out="attention.dense",
        attention_norm="attention.LayerNorm",
        widen="ffn",
        narrow="ffn_output",
        norm="full_layer_layer_norm",
        width=config.need("hidden_size"),
        heads=config.need("num_attention_heads"),
        activation=parts.activation(config.get("hidden_act", "gelu_new")),
        epsilon=epsilon,
    )
    words = parts.embed(parts.weights["embeddings.word_embeddings.weight"], inputs.ids)
    table = parts.weights["embeddings.position_embeddings.weight"]
    table = table + parts.weights["embeddings.token_type_embeddings.weight"][0]
    x = parts.layer_norm(ops.add(words, inputs.first(table)), "embeddings.LayerNorm", epsilon)
    x = parts.linear(x, "encoder.embedding_hidden_mapping_in")
    mask = inputs.padding()
    layers, groups = config.need("num_hidden_layers"), config.get("num_hidden_groups", 1)
    inner = config.get("inner_group_num", 1)
    for number in range(layers):
        group = int(number / (layers / groups))
        for part in range(inner):
            layer = f"encoder.albert_layer_groups.{group}.albert_layers.{part}"
            x = encoder.layer(parts, layer, x, mask)
    return x
