"""Vectors as a byte or a bit a dimension: what is stored, and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.report import Report
from veclab.space import Recipe, Space
from veclab.unit_length import normalize
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

Quantization = Literal["int8", "binary"]
QUANTIZED_KEY = b"veclab.quantized"


def int8_steps(array: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the lowest value and width of a step, for each dimension: float32 (dim,) each."""
    low, high = array.min(axis=0), array.max(axis=0)
    return low, (high - low) / np.float32(255)


def int8_encode(
    array: NDArray[np.float32], low: NDArray[np.float32], step: NDArray[np.float32]
) -> NDArray[np.int8]:
    """Encode as codes from -128 to 127: int8 (n, dim)."""
    steps = np.floor((array - low) / np.where(step > 0, step, 1))
    return (np.clip(steps, 0, 255) - 128).astype(np.int8)


def int8_decode(
    codes: NDArray[np.int8], low: NDArray[np.float32], step: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Decode to the values in the middle of their steps: float32 (n, dim)."""
    return (codes.astype(np.float32) + np.float32(128.5)) * step + low


def signs(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what binary codes stand for: float32 (n, dim) of unit length, of one size each."""
    return np.where(array > 0, 1, -1).astype(np.float32) / np.float32(np.sqrt(array.shape[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """How the vectors of a file are quantized.

    Attributes:
        kind: `int8`: 256 steps from the smallest to the largest value of each dimension; `binary`:
            the signs, eight to a byte.
        dimensions: of the vectors.
        low, step: of int8, float32 (dim,) each.
    """

    kind: Quantization
    dimensions: int
    low: NDArray[np.float32]
    step: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Numbers that are stored for a vector."""
        return self.dimensions if self.kind == "int8" else -(-self.dimensions // 8)

    def encode(self, array: NDArray[np.float32]) -> NDArray[Any]:
        """Encode vectors of unit length: int8 (n, dim), or uint8 (n, dim / 8)."""
        if self.kind == "int8":
            return int8_encode(array, self.low, self.step)
        return np.packbits(array > 0, axis=1)

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """Decode to float32 (n, dim) of unit length."""
        if self.kind == "int8":
            return normalize(int8_decode(codes, self.low, self.step))
        bits = np.unpackbits(codes.astype(np.uint8), axis=1, count=self.dimensions)
        return signs(bits.astype(np.float32))

    def like(self, vectors: Vectors, space: Space) -> Vectors:
        """Return other vectors of the model as they would be read from the file of that Space."""
        unit = vectors.array if vectors.space.normalized else normalize(vectors.array)
        return replace(vectors, array=self.decode(self.encode(unit)), space=space)

    def to_json(self) -> str:
        """Return what `read` reads."""
        facts = {"kind": self.kind, "dimensions": self.dimensions}
        steps = {"low": self.low.tolist(), "step": self.step.tolist()}
        return json.dumps(facts | (steps if self.kind == "int8" else {}))

    @classmethod
    def read(cls, metadata: Mapping[bytes, bytes] | None, name: str) -> Self | None:
        """Read a file's metadata; None where its vectors are not quantized."""
        text = (metadata or {}).get(QUANTIZED_KEY)
        if text is None:
            return None
        try:
            facts = json.loads(text)
            dim = facts["dimensions"]
            low, step = (np.array(facts.get(n, []), np.float32) for n in ("low", "step"))
            if facts["kind"] not in ("int8", "binary") or not isinstance(dim, int) or dim < 1:
                raise ValueError("its kind is not known")
            if facts["kind"] == "int8" and not low.shape == step.shape == (dim,):
                raise ValueError("its steps are not one a dimension")
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{name}: how its vectors are quantized is damaged: {error}") from None
        return cls(facts["kind"], dim, low, step)


class QuantizedSink:
    """Writes vectors as codes into one Parquet file; they wait as floats in a file beside it.

    int8 needs the smallest and largest value of each dimension, which all vectors tell.
    """

    def __init__(self, path: Path, space: Space, recipe: Recipe | None, kind: Quantization) -> None:
        from veclab.vectorfiles.files import ParquetSink

        self._path, self._kind = path, kind
        self._waiting = path.with_name(f"{path.name}.floats")
        self._sink = ParquetSink(self._waiting, space, recipe)
        self._low = np.full(space.dimensions, np.inf, np.float32)
        self._high = np.full(space.dimensions, -np.inf, np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._sink.__exit__(*exc)
        self._waiting.unlink(missing_ok=True)

    def write(self, vectors: Vectors) -> None:
        """Append one block."""
        if len(vectors):
            unit = vectors.array if vectors.space.normalized else normalize(vectors.array)
            self._low = np.minimum(self._low, unit.min(axis=0))
            self._high = np.maximum(self._high, unit.max(axis=0))
            space = replace(vectors.space, normalized=True)
            vectors = replace(vectors, array=unit, space=space)
        self._sink.write(vectors)

    def finish(self, report: Report | None, facts: Mapping[str, str] | None = None) -> None:
        """Write the codes, with the report and other facts in the file's metadata."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from veclab.vectorfiles.files import open_parquet, space_of, vector_blocks
        from veclab.vectorfiles.schema import SPACE_KEY

        self._sink.finish(report, facts)
        with open_parquet(self._waiting) as file:
            space = space_of(file, self._waiting)
            none = not file.metadata.num_rows
            low = np.zeros_like(self._low) if none else self._low
            step = (np.zeros_like(low) if none else self._high - low) / np.float32(255)
            codes = Codes(self._kind, space.dimensions, low, step)
            names = file.schema_arrow.names
            others = [name for name in names if name != "embedding"]
            schema = _schema(file.schema_arrow, codes)
            told = {**(file.metadata.metadata or {}), **(file.schema_arrow.metadata or {})}
            told |= {
                SPACE_KEY: replace(space, quantization=self._kind).to_json().encode(),
                QUANTIZED_KEY: codes.to_json().encode(),
            }
            told = {key: value for key, value in told.items() if key.startswith(b"veclab.")}
            with pq.ParquetWriter(self._path, schema.with_metadata(told), compression="zstd") as to:
                blocks = vector_blocks(file, self._waiting, space.dimensions, others)
                for array, batch in blocks:
                    flat = pa.array(codes.encode(array).reshape(-1))
                    columns = {name: batch[name] for name in others}
                    columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, codes.width)
                    to.write_table(pa.table([columns[name] for name in names], schema=to.schema))


def _schema(schema: pa.Schema, codes: Codes) -> pa.Schema:
    import pyarrow as pa

    kind = pa.list_(pa.int8() if codes.kind == "int8" else pa.uint8(), codes.width)
    return schema.set(schema.get_field_index("embedding"), pa.field("embedding", kind))
