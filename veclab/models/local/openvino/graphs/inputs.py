"""What goes into a graph, and what follows from it: positions, and who may attend to whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.models.local.openvino.graphs.parts import FAR, Node, Parts


class Inputs:
    """Token ids and the mask of a batch: int32 (n, tokens), padded on the right.

    Attributes:
        ids, mask: the two parameters of the graph.
        inside: the mask in f32.
        positions: the longest text that there are positions for, None while there is no limit.
    """

    positions: int | None = None

    def __init__(self, parts: Parts) -> None:
        self._parts, ops = parts, parts.ops
        self.ids, self.mask = (self._parameter(name) for name in ("input_ids", "attention_mask"))
        self.inside = ops.convert(self.mask, "f32")
        shape = ops.shape_of(self.ids, "i32")
        self._length = ops.gather(shape, parts.integers(1), parts.integers(0))  # (1,)

    def _parameter(self, name: str) -> Node:
        parameter = self._parts.ops.parameter([-1, -1], np.int32, name=name)
        parameter.output(0).get_tensor().set_names({name})
        return parameter

    @property
    def parameters(self) -> list[Any]:
        """The parameters in order."""
        return [self.ids, self.mask]

    def first(self, table: NDArray[np.float32]) -> Node:
        """Return as many rows of a table as there are tokens.

        With more tokens than rows there are too few, which no operation accepts: nothing is made
        up for positions that the model has not.
        """
        self.positions = len(table)
        ops, parts = self._parts.ops, self._parts
        zero, one = parts.integers(0), parts.integers(1)
        return ops.slice(parts.array(table), zero, self._length, one, zero)

    def padding(self) -> Node:
        """Return what keeps padding from being attended to: (n, 1, 1, tokens)."""
        ops, parts = self._parts.ops, self._parts
        outside = ops.multiply(ops.subtract(parts.number(1), self.inside), parts.number(FAR))
        return ops.unsqueeze(outside, parts.integers(1, 2))

    def near(self, *, back: int | None, ahead: int | None) -> Node:
        """Return what keeps tokens further away, and padding, from being attended to.

        Args:
            back: how many tokens before itself a token attends to; None for all.
            ahead: and how many after itself.

        Returns:
            (n, 1, tokens, tokens).
        """
        return self._parts.ops.minimum(self.padding(), self._far(back, ahead))

    def before(self, back: int | None = None) -> Node:
        """Return what keeps later tokens from being attended to: (1, 1, tokens, tokens).

        Padding is on the right, so it is among those.
        """
        return self._far(back, 0)

    def distances(self) -> Node:
        """Return how far the column is behind the row: (tokens, tokens)."""
        ops, parts = self._parts.ops, self._parts
        at = self._positions()
        return ops.subtract(
            ops.unsqueeze(at, parts.integers(0)), ops.unsqueeze(at, parts.integers(1))
        )

    def _positions(self) -> Node:
        ops, parts = self._parts.ops, self._parts
        length = ops.squeeze(self._length, parts.integers(0))
        zero, one = (ops.constant(np.int32(n)) for n in (0, 1))
        return ops.range(zero, length, one, "i32")

    def _far(self, back: int | None, ahead: int | None) -> Node:
        ops, parts = self._parts.ops, self._parts
        distance = self.distances()
        far = None
        if back is not None:
            far = ops.less(distance, ops.constant(np.int32(-back)))
        if ahead is not None:
            later = ops.greater(distance, ops.constant(np.int32(ahead)))
            far = later if far is None else ops.logical_or(far, later)
        assert far is not None
        added = ops.select(far, parts.number(FAR), parts.number(0))
        return ops.unsqueeze(added, parts.integers(0, 1))

    def counted(self, table: NDArray[np.float32], padding: int) -> Node:
        """Return rows of a table, counted from the id of padding on, as RoBERTa has its positions.

        Returns:
            (n, tokens, width of the table).
        """
        self.positions = len(table) - padding - 1
        ops, parts = self._parts.ops, self._parts
        token = ops.convert(ops.not_equal(self.ids, ops.constant(np.int32(padding))), "i32")
        token = ops.multiply(token, self.mask)
        counted = ops.cumsum(token, ops.constant(np.int32(1)))
        at = ops.add(ops.multiply(counted, token), ops.constant(np.int32(padding)))
        return parts.embed(table, at)

    def count(self) -> Node:
        """Return how many tokens each text has: f32 (n, 1)."""
        return self._parts.ops.reduce_sum(self.inside, self._parts.integers(1), True)
