"""A model's vectors truncated or quantized: rows of their own, from the same vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from veclab.unit_length import normalize
from veclab.vectorfiles.quantized import (
    Quantization,
    int8_decode,
    int8_encode,
    int8_steps,
    signs,
)
from veclab.vectors import Vectors

_SPEC = re.compile(r"(?P<model>.+?)(?:@(?P<cut>\d+))?(?:\+(?P<quantized>int8|binary))?")


@dataclass(frozen=True, slots=True)
class Variant:
    """What is done to a model's vectors before they are compared.

    Attributes:
        cut: keep this many dimensions (Matryoshka), None for all.
        quantized: `int8`, a byte a dimension; `binary`, a bit a dimension; None for floats.
    """

    cut: int | None = None
    quantized: Quantization | None = None

    @classmethod
    def parse(cls, spec: str) -> tuple[str, Self]:
        """Parse `name`, `name@128`, `name+int8` or `name@128+binary`."""
        match = _SPEC.fullmatch(spec)
        if match is None:  # an empty name: let loading it say so
            return spec, cls()
        cut = match["cut"]
        quantized = cast("Quantization | None", match["quantized"])
        return match["model"], cls(None if cut is None else int(cut), quantized)

    def __str__(self) -> str:
        cut = "" if self.cut is None else f"@{self.cut}"
        return cut + ("" if self.quantized is None else f"+{self.quantized}")

    def bytes_per_vector(self, dimensions: int) -> int:
        """Return the size of one stored vector whose model has that many dimensions."""
        kept = self.cut or dimensions
        return {"int8": kept, "binary": -(-kept // 8), None: 4 * kept}[self.quantized]

    def apply(
        self, sides: Sequence[Vectors], stored: int | None = None
    ) -> list[NDArray[np.float32]]:
        """Cut and quantize, and decode again: float32 (n, dim) of unit length for each side.

        Quantization is what sentence-transformers' `quantize_embeddings` does. int8 takes 256
        steps from the smallest to the largest value of each dimension (beyond them, the nearest
        step); binary keeps the signs. Decoded, cosine is what a search that decodes would see;
        for binary it orders as Hamming distance does.

        Args:
            sides: what is compared with each other (queries and documents, say).
            stored: the side whose values set the steps; None for all sides together.

        Raises:
            InputError: the cut is longer than the vectors.
        """
        cut = [side if self.cut is None else side.truncate(self.cut) for side in sides]
        arrays = [s.array if s.space.normalized else normalize(s.array) for s in cut]
        if self.quantized is None:
            return arrays
        if self.quantized == "binary":
            return [signs(array) for array in arrays]
        source = np.concatenate(arrays) if stored is None else arrays[stored]
        low, step = int8_steps(source)
        return [
            normalize(int8_decode(int8_encode(array, low, step), low, step)) for array in arrays
        ]
