"""The vectors of a .safetensors file: a tensor of two dimensions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.vectorfiles.blocks import choose_column

_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "U8": "u1"}
_MOST_HEADER = 100_000_000


def tensor_matrix(path: Path, column: str | None) -> tuple[str, str, NDArray[Any]]:
    """Return the name and type of the tensor of vectors, and the tensor, mapped into memory.

    (bfloat16 has no type in numpy: its bits come as whole numbers, for `as_floats`.)

    Raises:
        InputError: the file is damaged, or has none or several such tensors.
    """
    name = path.name
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size, _MOST_HEADER):
                raise ValueError("its header is longer than it is")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        shapes = {
            key: (one["dtype"], tuple(map(int, one["shape"])), tuple(map(int, one["data_offsets"])))
            for key, one in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{name} is damaged or no safetensors file: {error}") from None
    fitting = [
        key for key, (kind, shape, _) in shapes.items() if len(shape) == 2 and kind in _KINDS
    ]
    chosen = choose_column(name, fitting, list(shapes), column)
    kind, shape, (start, end) = shapes[chosen]
    if kind not in _KINDS or len(shape) != 2 or min(shape) < 0:
        raise InputError(f"{name}: the tensor {chosen!r} is {kind} {list(shape)}, not vectors")
    dtype = np.dtype(_KINDS[kind])
    if end - start != dtype.itemsize * shape[0] * shape[1] or 8 + length + end > size:
        raise InputError(f"{name} is damaged: the tensor {chosen!r} is not where it should be")
    if not shape[0] * shape[1]:
        return chosen, kind, np.zeros(shape, dtype)
    array: NDArray[Any] = np.memmap(path, dtype, "r", 8 + length + start, shape)
    return chosen, kind, array


def as_floats(array: NDArray[Any], kind: str) -> NDArray[np.float32]:
    """Return rows of a tensor as float32."""
    if kind != "BF16":
        return np.asarray(array, np.float32)
    return (array.astype(np.uint32) << 16).view(np.float32)
