"""Reading a safetensors file into numpy: a JSON header and raw numbers, nothing that could run.

The layout: 8 bytes with the header's length (little endian), the header, the numbers
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import ModelUnavailable

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1"}


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a file; only the header is read."""
    header, _ = _header(path)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """All tensors of a file, by name, as they are stored.

    Raises:
        ModelUnavailable: the file is cut short, damaged, or of a number type numpy lacks (bf16).
    """
    header, start = _header(path)
    raw = np.memmap(path, np.uint8, mode="r")
    tensors = {}
    for name, entry in header.items():
        first, last = (start + int(offset) for offset in entry["data_offsets"])
        kind = _TYPES.get(entry["dtype"])
        if kind is None:
            raise ModelUnavailable(
                f"the tensor {name} in {path} is of type {entry['dtype']}; "
                f"there are {', '.join(_TYPES)}"
            )
        size = math.prod(entry["shape"]) * np.dtype(kind).itemsize
        if first < start or last > len(raw) or last - first != size:
            raise ModelUnavailable(f"the model file {path} is damaged or cut short")
        tensors[name] = np.frombuffer(raw[first:last].tobytes(), kind).reshape(entry["shape"])
    return tensors


def _header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """The entries by tensor, and where the numbers begin."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size - 8:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        for entry in header.values():
            entry["dtype"], entry["shape"], entry["data_offsets"][1]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelUnavailable(f"the model file {path} is damaged: {error}") from None
    return header, 8 + length
