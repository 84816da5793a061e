"""ModernBERT: norms before each part, rotary positions, and most layers look only nearby."""

from __future__ import annotations

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.rotary import Rotation

_FULL, _NEAR = "full_attention", "sliding_attention"


def modernbert(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build ModernBERT."""
    parts.weights.inside("model.")
    # Seen from the weights, or read by nothing (layer_norm_eps; norm_eps is).
    for name in ("intermediate_size", "norm_bias", "mlp_bias", "attention_bias", "layer_norm_eps"):
        config.get(name)
    ops, epsilon = parts.ops, config.get("norm_eps", 1e-5)
    width, heads = config.need("hidden_size"), config.need("num_attention_heads")
    act = parts.activation(config.get("hidden_activation", "gelu"))
    kinds = layer_kinds(config)
    thetas = {_FULL: 160_000.0, _NEAR: 10_000.0}
    turns = {
        kind: Rotation(
            parts,
            inputs,
            width=width // heads,
            theta=config.theta(thetas[kind], kind),
            positions=config.need("max_position_embeddings"),
        )
        for kind in sorted(set(kinds))
    }
    window = config.get("local_attention", 128) // 2
    masks = {_FULL: inputs.padding(), _NEAR: inputs.near(back=window, ahead=window)}
    x = parts.embed(parts.weights["embeddings.tok_embeddings.weight"], inputs.ids)
    x = parts.layer_norm(x, "embeddings.norm", epsilon)
    for number, kind in enumerate(kinds):
        layer, turn = f"layers.{number}", turns[kind]
        before = parts.layer_norm(x, f"{layer}.attn_norm", epsilon) if number else x
        three = parts.linears(before, f"{layer}.attn.Wqkv", 3)
        query, key, value = (parts.heads(each, heads) for each in three)
        seen = parts.attend(turn(query), turn(key), value, masks[kind])
        x = ops.add(x, parts.linear(parts.joined(seen, width), f"{layer}.attn.Wo"))
        before = parts.layer_norm(x, f"{layer}.mlp_norm", epsilon)
        inner, gate = parts.linears(before, f"{layer}.mlp.Wi", 2)
        x = ops.add(x, parts.linear(ops.multiply(act(inner), gate), f"{layer}.mlp.Wo"))
    return parts.layer_norm(x, "final_norm", epsilon)


def layer_kinds(config: Configuration) -> list[str]:
    """Return for each layer whether it looks at all tokens or nearby."""
    layers, every = config.need("num_hidden_layers"), config.get("global_attn_every_n_layers", 3)
    usual = [_NEAR if number % every else _FULL for number in range(layers)]
    kinds: list[str] = config.get("layer_types", usual)
    return kinds
