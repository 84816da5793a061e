"""What architectures are put together from: OpenVINO's operations on the weights of one model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.models.local.openvino.engine import load_openvino
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.openvino.graphs.weights import Weights

# A value in a graph: openvino.Node or one of its outputs, which have no types of their own.
Node = Any

# Added to what must not be attended to: far below every product, and a number in bf16 as well.
FAR = -1e30


def operations() -> Any:
    """Return OpenVINO's operations."""
    load_openvino()
    from openvino import opset13

    return opset13


class Parts:
    """Layers, by the names that their weights have."""

    def __init__(self, weights: Weights) -> None:
        self.ops = operations()
        self.weights = weights

    def array(self, value: NDArray[Any]) -> Node:
        """Put an array into the graph, without a copy."""
        from openvino.op import Constant

        return Constant(np.ascontiguousarray(value), shared_memory=True)

    def number(self, value: float) -> Node:
        """Put a number into the graph."""
        return self.ops.constant(np.float32(value))

    def integers(self, *values: int) -> Node:
        """Put a list of integers into the graph: axes, shapes."""
        return self.ops.constant(np.array(values, np.int32))

    def embed(self, table: NDArray[np.float32], ids: Node) -> Node:
        """Look rows of a table up."""
        return self.ops.gather(self.array(table), ids, self.integers(0))

    def linear(self, x: Node, name: str) -> Node:
        """Multiply by a weight, and add its bias if it has one."""
        bias = f"{name}.bias"
        product = self.product(x, self.weights[f"{name}.weight"])
        return self.plus(product, self.weights[bias]) if bias in self.weights else product

    def linears(self, x: Node, name: str, count: int) -> list[Node]:
        """Multiply by each of the equal parts that one weight holds, and add their biases."""
        bias = f"{name}.bias"
        weights = np.split(self.weights[f"{name}.weight"], count)
        products = [self.product(x, part) for part in weights]
        if bias not in self.weights:
            return products
        biases = np.split(self.weights[bias], count)
        return [self.plus(each, part) for each, part in zip(products, biases, strict=True)]

    def product(self, x: Node, weight: NDArray[np.float32]) -> Node:
        """Multiply by a weight of (out, in)."""
        return self.ops.matmul(x, self.array(weight), False, True)

    def plus(self, x: Node, bias: NDArray[np.float32]) -> Node:
        """Add a vector of weights."""
        return self.ops.add(x, self.array(bias))

    def layer_norm(self, x: Node, name: str, epsilon: float) -> Node:
        """Scale the last axis to mean 0 and variance 1, then by weights."""
        ops, bias = self.ops, f"{name}.bias"
        x = ops.mvn(x, self.integers(-1), True, epsilon, "INSIDE_SQRT")
        x = ops.multiply(x, self.array(self.weights[f"{name}.weight"]))
        return self.plus(x, self.weights[bias]) if bias in self.weights else x

    def rms_norm(self, x: Node, name: str, epsilon: float, *, offset: float = 0.0) -> Node:
        """Scale the last axis to a mean square of 1, then by weights (and the offset on them)."""
        ops = self.ops
        mean = ops.reduce_mean(ops.power(x, self.number(2)), self.integers(-1), True)
        root = ops.sqrt(ops.add(mean, self.number(epsilon)))
        scaled = ops.multiply(x, ops.divide(self.number(1), root))
        return ops.multiply(scaled, self.array(self.weights[f"{name}.weight"] + np.float32(offset)))

    def activation(self, name: str) -> Callable[[Node], Node]:
        """Return the function of that name, as transformers calls it.

        Raises:
            NotKnown: there is none.
        """
        ops = self.ops
        known: dict[str, Callable[[Node], Node]] = {
            "gelu": lambda x: ops.gelu(x, "erf"),
            "gelu_tanh": lambda x: ops.gelu(x, "tanh"),
            "quick_gelu": lambda x: ops.swish(x, self.number(1.702)),
            "relu": ops.relu,
            "relu2": lambda x: ops.power(ops.relu(x), self.number(2)),
            "relu6": lambda x: ops.clamp(x, 0.0, 6.0),
            "leaky_relu": lambda x: ops.prelu(x, self.number(0.01)),
            "elu": lambda x: ops.elu(x, 1.0),
            "selu": lambda x: ops.selu(x, self.number(_SELU[0]), self.number(_SELU[1])),
            "silu": ops.swish,
            "mish": ops.mish,
            "sigmoid": ops.sigmoid,
            "softplus": ops.softplus,
            "hardswish": ops.hswish,
            "tanh": ops.tanh,
            "linear": lambda x: x,
        }
        function = known.get(_SAME.get(name, name))
        if function is None:
            raise NotKnown(f"it has the activation {name}")
        return function

    def heads(self, x: Node, count: int) -> Node:
        """Turn (n, tokens, width) into (n, heads, tokens, width of a head)."""
        width, rest = divmod(x.get_output_partial_shape(0)[2].get_length(), count)
        if rest:
            raise NotKnown(f"its weights do not fall into {count} heads")
        split = self.ops.reshape(x, self.integers(0, 0, count, width), True)
        return self.ops.transpose(split, self.integers(0, 2, 1, 3))

    def joined(self, x: Node, width: int) -> Node:
        """Turn (n, heads, tokens, width of a head) into (n, tokens, width)."""
        back = self.ops.transpose(x, self.integers(0, 2, 1, 3))
        return self.ops.reshape(back, self.integers(0, 0, width), True)

    def attend(
        self, query: Node, key: Node, value: Node, mask: Node, scale: float | None = None
    ) -> Node:
        """Let every token look at those that the mask leaves it.

        Args:
            query, key, value: (n, heads, tokens, width of a head).
            mask: what is added to the products; broadcasts to (n, heads, tokens, tokens).
            scale: of the products; by default one over the root of a head's width.
        """
        if scale is None:
            return self.ops.scaled_dot_product_attention(query, key, value, mask)
        return self.ops.scaled_dot_product_attention(query, key, value, mask, self.number(scale))


# The two constants of SELU (Klambauer et al. 2017, arXiv:1706.02515).
_SELU = (1.6732632423543772, 1.0507009873554805)
# Names that differ in nothing but rounding.
_SAME = {
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "swish": "silu",
    "identity": "linear",
}
