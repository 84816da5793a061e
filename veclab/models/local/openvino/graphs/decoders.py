"""Qwen3 and Gemma 3: language models whose token vectors are pooled."""

from __future__ import annotations

import numpy as np

from veclab.models.local.openvino.graphs.configuration import Configuration
from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts
from veclab.models.local.openvino.graphs.rotary import Rotation
from veclab.models.local.openvino.graphs.unknown import NotKnown

_FULL, _NEAR = "full_attention", "sliding_attention"


def qwen3(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build Qwen3: tokens look at those before them."""
    parts.weights.inside("model.")
    ops, epsilon = parts.ops, config.get("rms_norm_eps", 1e-6)
    head = config.get("head_dim", 128)
    act = parts.activation(config.get("hidden_act", "silu"))
    for name in ("intermediate_size", "hidden_size", "attention_bias"):
        config.get(name)
    layers = config.need("num_hidden_layers")
    window = config.get("sliding_window") if config.get("use_sliding_window", False) else None
    first_near = config.get("max_window_layers", 28)
    usual = [_NEAR if window and n >= first_near else _FULL for n in range(layers)]
    kinds = config.get("layer_types", usual)
    masks = {_FULL: inputs.before()}
    if _NEAR in kinds:
        if window is None:
            raise NotKnown("its config.json has a window without a size")
        masks[_NEAR] = inputs.before(window - 1)
    turn = _rotation(parts, config, inputs, head, 10_000.0, _FULL)
    x = parts.embed(parts.weights["embed_tokens.weight"], inputs.ids)
    for number, kind in enumerate(kinds):
        layer = f"layers.{number}"
        before = parts.rms_norm(x, f"{layer}.input_layernorm", epsilon)
        seen = _attention(
            parts, config, before, layer, turn, masks[kind], head=head, epsilon=epsilon
        )
        x = ops.add(x, seen)
        before = parts.rms_norm(x, f"{layer}.post_attention_layernorm", epsilon)
        gate = act(parts.linear(before, f"{layer}.mlp.gate_proj"))
        inner = ops.multiply(gate, parts.linear(before, f"{layer}.mlp.up_proj"))
        x = ops.add(x, parts.linear(inner, f"{layer}.mlp.down_proj"))
    return parts.rms_norm(x, "norm", epsilon)


def gemma3(parts: Parts, config: Configuration, inputs: Inputs) -> Node:
    """Build the text model of Gemma 3: tokens look at those before them, or at all around."""
    parts.weights.inside("model.")
    ops, epsilon = parts.ops, config.get("rms_norm_eps", 1e-6)
    width, head = config.need("hidden_size"), config.get("head_dim", 256)
    act = parts.activation(config.get("hidden_activation", "gelu_pytorch_tanh"))
    for name in ("intermediate_size", "attention_bias", "final_logit_softcapping"):
        config.get(name)
    if config.get("attn_logit_softcapping"):
        raise NotKnown("its config.json says attn_logit_softcapping")
    scale = float(config.get("query_pre_attn_scalar", 256)) ** -0.5
    kinds = _gemma_kinds(config)
    around, window = config.get("use_bidirectional_attention", False), config.need("sliding_window")
    if around:
        near = window // 2  # transformers halves the window and leaves its end out
        masks = {_FULL: inputs.padding(), _NEAR: inputs.near(back=near, ahead=near)}
    else:
        masks = {_FULL: inputs.before(), _NEAR: inputs.before(window - 1)}
    thetas = {_FULL: 1_000_000.0, _NEAR: 10_000.0}
    turns = {k: _rotation(parts, config, inputs, head, thetas[k], k) for k in sorted(set(kinds))}
    x = parts.embed(parts.weights["embed_tokens.weight"], inputs.ids)
    x = ops.multiply(x, parts.number(float(width) ** 0.5))

    def norm(x: Node, name: str) -> Node:
        return parts.rms_norm(x, name, epsilon, offset=1.0)

    for number, kind in enumerate(kinds):
        layer = f"layers.{number}"
        before = norm(x, f"{layer}.input_layernorm")
        seen = _attention(
            parts, config, before, layer, turns[kind], masks[kind],
            head=head, epsilon=epsilon, offset=1.0, scale=scale,
        )  # fmt: skip
        x = ops.add(x, norm(seen, f"{layer}.post_attention_layernorm"))
        before = norm(x, f"{layer}.pre_feedforward_layernorm")
        gate = act(parts.linear(before, f"{layer}.mlp.gate_proj"))
        inner = ops.multiply(gate, parts.linear(before, f"{layer}.mlp.up_proj"))
        inner = parts.linear(inner, f"{layer}.mlp.down_proj")
        x = ops.add(x, norm(inner, f"{layer}.post_feedforward_layernorm"))
    return norm(x, "norm")


def _gemma_kinds(config: Configuration) -> list[str]:
    every = config.get("_sliding_window_pattern") or config.get("sliding_window_pattern") or 6
    layers = config.need("num_hidden_layers")
    usual = [_NEAR if (number + 1) % every else _FULL for number in range(layers)]
    kinds: list[str] = config.get("layer_types", usual)
    return kinds


def _rotation(
    parts: Parts, config: Configuration, inputs: Inputs, head: int, theta: float, kind: str
) -> Rotation:
    positions = config.need("max_position_embeddings")
    theta = config.theta(theta, kind)
    return Rotation(parts, inputs, width=head, theta=theta, positions=positions)


def _attention(
    parts: Parts,
    config: Configuration,
    x: Node,
    layer: str,
    turn: Rotation,
    mask: Node,
    *,
    head: int,
    epsilon: float,
    offset: float = 0.0,
    scale: float | None = None,
) -> Node:
    """Let tokens look at others, with fewer keys and values than queries."""
    heads = config.need("num_attention_heads")
    few = config.need("num_key_value_heads")
    query, key, value = (
        parts.heads(parts.linear(x, f"{layer}.self_attn.{name}_proj"), count)
        for name, count in (("q", heads), ("k", few), ("v", few))
    )
    query, key = (
        turn(parts.rms_norm(each, f"{layer}.self_attn.{name}_norm", epsilon, offset=offset))
        for name, each in (("q", query), ("k", key))
    )
    if few != heads:
        key, value = (_repeated(parts, each, heads // few, head) for each in (key, value))
    seen = parts.attend(query, key, value, mask, scale)
    return parts.linear(parts.joined(seen, heads * head), f"{layer}.self_attn.o_proj")


def _repeated(parts: Parts, x: Node, times: int, head: int) -> Node:
    """Give each of several queries the same key: (n, few, tokens, head) to (n, heads, ...)."""
    ops, few = parts.ops, x.get_output_partial_shape(0)[1].get_length()
    each = ops.unsqueeze(x, parts.integers(2))
    each = ops.tile(each, ops.constant(np.array([1, 1, times, 1, 1], np.int32)))
    length = ops.gather(ops.shape_of(x, "i32"), parts.integers(2), parts.integers(0))
    shape = ops.concat([parts.integers(0, few * times), length, parts.integers(head)], 0)
    return ops.reshape(each, shape, True)
