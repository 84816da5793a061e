"""The weights of a model folder as f32 arrays, whatever types and how many files hold them."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.models.local.modules import read_json
from veclab.models.local.openvino.graphs.unknown import NotKnown
from veclab.models.local.tensors import Stored, stored_tensors

Array = NDArray[np.float32]

# What numpy reads a stored type as. It has no bf16: those are the upper halves of f32 numbers.
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
# What checkpoints from before transformers 1.0 call the two parts of a layer norm.
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


class Weights:
    """Tensors by name, from the safetensors file of a folder or the several that it is cut into."""

    def __init__(self, folder: Path) -> None:
        """Read the headers; the numbers stay in the files until they are asked for.

        Raises:
            ModelUnavailable: a file is damaged.
        """
        self._stored: dict[str, Stored] = {}
        whole = folder / "model.safetensors"
        parts = read_json(folder / "model.safetensors.index.json").get("weight_map") or {}
        for file in [whole.name] if whole.exists() else sorted(set(parts.values())):
            self._stored |= stored_tensors(folder / file)
        # OpenVINO takes only arrays that it might write to; nothing written reaches the file.
        self._maps: dict[Path, mmap.mmap] = {}
        self._prefix = ""

    def inside(self, *prefixes: str) -> None:
        """Find names without the prefix that checkpoints with a head give to the model below it."""
        for prefix in prefixes:
            if any(name.startswith(prefix) for name in self._stored):
                self._prefix = prefix
                return

    def rename(self, names: Mapping[str, str]) -> None:
        """Take parts of names for others, which later versions of a library give them."""
        for old, new in names.items():
            self._stored = {name.replace(old, new): at for name, at in self._stored.items()}

    def __contains__(self, name: str) -> bool:
        return self._found(name) is not None

    def __getitem__(self, name: str) -> Array:
        """Return a tensor as f32; a view of the file where that holds f32 already.

        Raises:
            NotKnown: there is none of that name, or its number type has no place here.
        """
        stored = self._found(name)
        if stored is None:
            raise NotKnown(f"its weights hold no {self._prefix}{name}")
        if stored.type not in _TYPES:
            raise NotKnown(f"its weights are of type {stored.type}")
        flat = np.frombuffer(
            self._mapped(stored.file),
            _TYPES[stored.type],
            count=int(np.prod(stored.shape)),
            offset=stored.start,
        )
        if stored.type == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.astype(np.float32, copy=False).reshape(stored.shape)

    def _found(self, name: str) -> Stored | None:
        known = self._stored.get(self._prefix + name)
        if known is None:
            for new, old in _OLD_NAMES.items():
                if name.endswith(new):
                    return self._stored.get(self._prefix + name.removesuffix(new) + old)
        return known

    def _mapped(self, file: Path) -> Any:
        if file not in self._maps:
            with file.open("rb") as opened:
                self._maps[file] = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        return self._maps[file]
