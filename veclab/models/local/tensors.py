"""Reading a safetensors file into numpy; errors say which file is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from veclab.errors import ModelUnavailable

# What numpy has as well; bf16 and the 8-bit floats it lacks.
_TYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL")


class Stored(NamedTuple):
    """Where a tensor lies."""

    file: Path
    type: str  # as safetensors names it: F32, BF16, ...
    shape: tuple[int, ...]
    start: int  # its first byte


def stored_tensors(path: Path) -> dict[str, Stored]:
    """Tells where the tensors of a file lie, for types that numpy lacks; only the header is read.

    Raises:
        ModelUnavailable: the file is cut short or damaged.
    """
    with _opened(path), path.open("rb") as file:  # the library checks the header and the size
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return {
        name: Stored(
            path, said["dtype"], tuple(said["shape"]), 8 + length + said["data_offsets"][0]
        )
        for name, said in header.items()
        if name != "__metadata__"
    }


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in a file; only the header is read."""
    with _opened(path) as (file, names):
        return {name: tuple(file.get_slice(name).get_shape()) for name in names}


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """All tensors of a file, by name, as they are stored.

    Raises:
        ModelUnavailable: the file is cut short, damaged, or of a number type numpy lacks (bf16).
    """
    with _opened(path) as (file, names):
        for name in names:
            if (kind := file.get_slice(name).get_dtype()) not in _TYPES:
                raise ModelUnavailable(
                    f"the tensor {name} in {path} is of type {kind}; "
                    f"supported are {', '.join(_TYPES)}"
                )
        return {name: file.get_tensor(name) for name in names}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, list[str]]]:
    """The file and the names of its tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            yield file, list(file.keys())
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"the model file {path} is damaged or cannot be read: {error}"
        ) from None
