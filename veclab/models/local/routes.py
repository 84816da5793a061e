"""Routes behind a shared transformer: what sets queries apart from documents is a matrix or two.

A Router as the last part of a model, whose routes hold nothing but linear Dense and Normalize,
leaves all that is slow to what comes before it. So the engine computes that once for both, and
the routes are a product with a matrix afterwards, here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, ModelUnavailable
from veclab.models.local.modules import Module, read_modules, router_settings
from veclab.models.local.tensors import read_tensors
from veclab.space import Role

Floats = NDArray[np.float32]
Step = Callable[[Floats], Floats]

LINEAR = "torch.nn.modules.linear.Identity"
_VECTOR = "sentence_embedding"
# Other settings of a Dense or a Normalize would compute something else than is done here.
_DENSE = {"in_features", "out_features", "bias", "activation_function", "module_input_name",
          "module_output_name", "use_residual"}  # fmt: skip
_PARTS = ("Dense", "Normalize")


@dataclass(frozen=True, slots=True)
class Routes:
    """What follows the shared part, by role.

    Attributes:
        name: of the model, for messages.
        steps: route -> what its parts do to vectors, in order.
        default: the route of texts without a role; None where they have none.
        dimensions: of the vectors that come out.
    """

    name: str
    steps: dict[str, tuple[Step, ...]]
    default: str | None
    dimensions: int

    def __call__(self, vectors: Floats, role: Role | None) -> Floats:
        """Send float32 (n, dim) along the route of a role: float32 (n, dimensions).

        Raises:
            InputError: there is no role, and no route for texts without one.
        """
        route = role or self.default
        if route is None:
            raise no_default(self.name)
        for step in self.steps[route]:
            vectors = step(vectors)
        return vectors


def no_default(name: str) -> InputError:
    """Return what to raise for a text without a role where each role has its route."""
    return InputError(
        f"{name} has one route for queries and one for documents, but none for texts without a "
        "role: give role='query' or role='document' (--role)"
    )


def shared_part(modules: Sequence[Module]) -> tuple[Module, ...]:
    """Return the modules before such a Router; all of them where there is none."""
    return tuple(modules[:-1]) if _is_simple(modules) else tuple(modules)


def has_simple_routes(path: Path) -> bool:
    """Return whether a model folder ends in routes that `read_routes` knows."""
    return _is_simple(read_modules(path))


def read_routes(path: Path, name: str, dimensions: int) -> Routes | None:
    """Read the routes at the end of a model; None where it has none, or others than these.

    Args:
        path: of the model's folder.
        name: of the model, for messages.
        dimensions: of the vectors that the shared part gives.

    Raises:
        ModelUnavailable: a matrix is missing, damaged, or does not fit.
    """
    modules = read_modules(path)
    if not _is_simple(modules):
        return None
    steps: dict[str, tuple[Step, ...]] = {}
    widths = set()
    for route, parts in modules[-1].routes:
        width, made = dimensions, []
        for part in parts:
            step, width = _step(part, width, name)
            made.append(step)
        steps[route] = tuple(made)
        widths.add(width)
    if len(widths) > 1:
        raise ModelUnavailable(f"the routes of {name} give vectors of different lengths")
    default = router_settings(modules[-1].folder).get("default_route")
    return Routes(name, steps, default, widths.pop())


def _is_simple(modules: Sequence[Module]) -> bool:
    *before, last = modules
    if not last.routes or any(part.routes for part in before) or not before:
        return False
    routes = dict(last.routes)
    said = router_settings(last.folder)
    # Where nothing is said, sentence-transformers takes the first route that is written down.
    default = said.get("default_route")
    clear = default in routes if default is not None else said.get("allow_empty_key") is False
    linear = all(_is_linear(part) for parts in routes.values() for part in parts)
    return (
        set(routes) == {"query", "document"} and clear and linear and not said.get("route_mappings")
    )


def _is_linear(part: Module) -> bool:
    said = part.settings
    names = {said.get(key) or _VECTOR for key in ("module_input_name", "module_output_name")}
    if part.kind == "Normalize":
        return names == {_VECTOR}
    return (
        part.kind == "Dense"
        and names == {_VECTOR}
        and said.get("activation_function") == LINEAR
        and not said.get("use_residual")
        and set(said) <= _DENSE
    )


def _step(part: Module, width: int, name: str) -> tuple[Step, int]:
    """Return what a part does to vectors of a width, and the width that it gives."""
    if part.kind == "Normalize":
        return _unit, width
    file = part.folder / "model.safetensors"
    tensors = {key: value.astype(np.float32) for key, value in read_tensors(file).items()}
    weight = tensors.get("linear.weight")
    if weight is None or weight.ndim != 2 or weight.shape[1] != width:
        raise ModelUnavailable(f"the matrix in {file} of {name} is not one for {width} dimensions")
    bias = tensors.get("linear.bias", np.zeros(len(weight), np.float32))
    return lambda vectors: vectors @ weight.T + bias, len(weight)


def _unit(vectors: Floats) -> Floats:
    """Scale rows to unit length; one of zeros stays, as upstream leaves it."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(lengths, 1e-12)
    return unit
