"""NomicBERT and GTE: BERT with rotary positions and a gate in the feed-forward part."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.rotary import Rotation


def nomic_bert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build NomicBERT, as transformers saves it or as its authors do."""
    parts.weights.inside("nomic_bert.")
    parts.weights.rename(
        {
            "emb_ln": "embeddings.LayerNorm",
            "encoder.layers": "layers",
            "attn.Wqkv": "self_attn.qkv_proj",
            "attn.out_proj": "self_attn.o_proj",
            "mlp.fc11": "mlp.up_proj",
            "mlp.fc12": "mlp.gate_proj",
            "mlp.fc2": "mlp.down_proj",
            "norm1": "post_attention_layernorm",
            "norm2": "post_mlp_layernorm",
        }
    )
    return _rotary_bert(parts, config, inputs, theta=1000.0, act="silu")


def gte(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build GTE, as transformers saves it or as its authors do."""
    parts.weights.inside("gte.", "new.")
    parts.weights.rename(
        {
            "encoder.layer.": "layers.",
            "attention.o_proj": "self_attn.o_proj",
            "attention.qkv_proj": "self_attn.qkv_proj",
            "attn_ln": "post_attention_layernorm",
            "mlp_ln": "post_mlp_layernorm",
        }
    )
    return _rotary_bert(parts, config, inputs, theta=160_000.0, act="gelu")


def _rotary_bert(
    parts: Parts, config: Configuration, inputs: Inputs, *, theta: float, act: str
) -> Node:
    ops, weights, epsilon = parts.ops, parts.weights, config.get("layer_norm_eps", 1e-12)
    width, heads = config.need("hidden_size"), config.need("num_attention_heads")
    head = config.get("head_dim", width // heads)
    gate = parts.activation(config.get("hidden_act", act))
    config.get("intermediate_size")
    table = weights["embeddings.word_embeddings.weight"]
    if "embeddings.token_type_embeddings.weight" in weights and config.get("type_vocab_size", 1):
        table = table + weights["embeddings.token_type_embeddings.weight"][0]
    x = parts.layer_norm(parts.embed(table, inputs.ids), "embeddings.LayerNorm", epsilon)
    turn = Rotation(
        parts,
        inputs,
        width=head,
        theta=config.theta(theta),
        positions=config.need("max_position_embeddings"),
    )
    mask = inputs.padding()
    for number in range(config.need("num_hidden_layers")):
        layer = f"layers.{number}"
        query, key, value = (
            parts.heads(part, heads) for part in _projected(parts, x, f"{layer}.self_attn")
        )
        seen = parts.joined(parts.attend(turn(query), turn(key), value, mask), heads * head)
        seen = parts.linear(seen, f"{layer}.self_attn.o_proj")
        x = parts.layer_norm(ops.add(x, seen), f"{layer}.post_attention_layernorm", epsilon)
        up, opened = _gated(parts, x, f"{layer}.mlp")
        inner = parts.linear(ops.multiply(gate(opened), up), f"{layer}.mlp.down_proj")
        x = parts.layer_norm(ops.add(x, inner), f"{layer}.post_mlp_layernorm", epsilon)
    return x


def _projected(parts: Parts, x: Node, name: str) -> list[Node]:
    """Return query, key and value, from three weights or from one that holds all."""
    if f"{name}.qkv_proj.weight" in parts.weights:
        return parts.linears(x, f"{name}.qkv_proj", 3)
    return [parts.linear(x, f"{name}.{part}_proj") for part in "qkv"]


def _gated(parts: Parts, x: Node, name: str) -> list[Node]:
    """Return what goes through and what the gate is made of."""
    if f"{name}.up_gate_proj.weight" in parts.weights:
        return parts.linears(x, f"{name}.up_gate_proj", 2)
    return [parts.linear(x, f"{name}.{part}_proj") for part in ("up", "gate")]
