"""BERT, and the models that differ from it in how positions are counted: RoBERTa and its kin."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.layers import Encoder
from veclab.models.local.openvino.graphs.parts import Node, Parts


def bert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build BERT: positions from 0 on."""
    parts.weights.inside("bert.")
    config.get("max_position_embeddings")  # the weights have them
    # Every text is of token type 0, so its vector is part of every position.
    table = parts.weights["embeddings.position_embeddings.weight"]
    positions = inputs.first(table + parts.weights["embeddings.token_type_embeddings.weight"][0])
    return _layers(parts, config, inputs, positions)


def roberta(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build RoBERTa, XLM-RoBERTa or CamemBERT: positions from the id of padding on."""
    parts.weights.inside("roberta.", "camembert.")
    config.get("max_position_embeddings")
    table = parts.weights["embeddings.position_embeddings.weight"]
    table = table + parts.weights["embeddings.token_type_embeddings.weight"][0]
    positions = inputs.counted(table, int(config.get("pad_token_id", 1)))
    return _layers(parts, config, inputs, positions)


def _layers(parts: Parts, config: Configuration, inputs: Inputs, positions: Node) -> Node:
    ops, epsilon = parts.ops, config.get("layer_norm_eps", 1e-12)
    encoder = Encoder(
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        out="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        widen="intermediate.dense",
        narrow="output.dense",
        norm="output.LayerNorm",
        width=config.need("hidden_size"),
        heads=config.need("num_attention_heads"),
        activation=parts.activation(config.get("hidden_act", "gelu")),
        epsilon=epsilon,
    )
    config.get("intermediate_size")
    words = parts.embed(parts.weights["embeddings.word_embeddings.weight"], inputs.ids)
    x = parts.layer_norm(ops.add(words, positions), "embeddings.LayerNorm", epsilon)
    mask = inputs.padding()
    for number in range(config.need("num_hidden_layers")):
        x = encoder.layer(parts, f"encoder.layer.{number}", x, mask)
    return x
