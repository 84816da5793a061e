"""Positions that turn queries and keys instead of being added to words (Su et al. 2021)."""

from __future__ import annotations

import numpy as np

from veclab.models.local.openvino.graphs.inputs import Inputs
from veclab.models.local.openvino.graphs.parts import Node, Parts


class Rotation:
    """Turns heads (n, heads, tokens, width) by angles that grow with the position.

    Sines and cosines come from a table: computed in the graph, they would be computed in bf16
    where products are, which has no room for a position above 256.
    """

    def __init__(
        self, parts: Parts, inputs: Inputs, *, width: int, theta: float, positions: int
    ) -> None:
        self._parts, self._width = parts, width
        pace = 1.0 / (np.float32(theta) ** (np.arange(0, width, 2, dtype=np.float32) / width))
        angles = np.arange(positions, dtype=np.float32)[:, None] * pace.astype(np.float32)
        angles = np.concatenate([angles, angles], axis=1)
        self._cos, self._sin = (
            parts.ops.unsqueeze(inputs.first(table), parts.integers(0, 1))
            for table in (np.cos(angles), np.sin(angles))
        )

    def __call__(self, x: Node) -> Node:
        """Turn queries or keys."""
        ops, parts = self._parts.ops, self._parts
        half = self._width // 2
        lower, upper = ops.variadic_split(
            x, parts.integers(-1), parts.integers(half, half)
        ).outputs()
        turned = ops.concat([ops.multiply(upper, parts.number(-1)), lower], -1)
        return ops.add(ops.multiply(x, self._cos), ops.multiply(turned, self._sin))
