"""The layer that BERT and its kin share: attention, then two products, a norm after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from veclab.models.local.openvino.graphs.parts import Node, Parts


@dataclass(frozen=True)
class Encoder:
    """What a model calls the weights of a layer, after the layer's own name, and its sizes.

    Attributes:
        query, key, value, out: products of the attention.
        attention_norm: after the attention.
        widen, narrow: the two products.
        norm: after them.
        width: of a token's vector.
        heads: of the attention.
        activation: between the two products.
        epsilon: of the norms.
    """

    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    widen: str
    narrow: str
    norm: str
    width: int
    heads: int
    activation: Callable[[Node], Node]
    epsilon: float

    def layer(self, parts: Parts, name: str, x: Node, mask: Node) -> Node:
        """Build the layer of that name."""
        add = parts.ops.add
        query, key, value = (
            parts.heads(parts.linear(x, f"{name}.{part}"), self.heads)
            for part in (self.query, self.key, self.value)
        )
        seen = parts.joined(parts.attend(query, key, value, mask), self.width)
        seen = parts.linear(seen, f"{name}.{self.out}")
        x = parts.layer_norm(add(seen, x), f"{name}.{self.attention_norm}", self.epsilon)
        wide = self.activation(parts.linear(x, f"{name}.{self.widen}"))
        inner = parts.linear(wide, f"{name}.{self.narrow}")
        return parts.layer_norm(add(inner, x), f"{name}.{self.norm}", self.epsilon)
