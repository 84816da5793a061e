"""The bytes of a map page: coordinates, columns, neighbors and strings as gzip blobs.

docs/map-format.md describes each of them for whoever reads them.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.maps.columns import Column
from veclab.maps.shorthand import Shorthand

# Rows whose strings are decompressed together, fewer where they would hold more than this.
CHUNK_ROWS = 1000
_CHUNK_CHARACTERS = 2_000_000
# Of a longer text a page holds the beginning: nobody reads further in a tooltip, and one text of a
# hundred megabytes would make the page unusable.
MOST_CHARACTERS = 20_000
_STEPS = 2**32 - 1
# After a string, and for a missing one: bytes that UTF-8 never has.
_END, _MISSING = b"\xff", b"\xfe"

Blob = tuple[str, bytes]
Coordinates = NDArray[np.uint32]


def fixed_point(xy: NDArray[np.float32]) -> tuple[Coordinates, dict[str, float]]:
    """32-bit fixed-point coordinates, uint32 (n, 2), and the square frame they lie in.

    At a magnification of 10,000 a float32 is a third of a pixel off; these are exact.
    """
    exact = xy.astype(np.float64)
    if not len(exact):
        return np.zeros((0, 2), np.uint32), {"x": 0.0, "y": 0.0, "size": 1.0}
    low, high = exact.min(axis=0), exact.max(axis=0)
    size = float((high - low).max()) or 1.0
    corner = (low + high - size) / 2
    steps = np.clip(np.rint((exact - corner) / size * _STEPS), 0, _STEPS)
    frame = {"x": float(corner[0]), "y": float(corner[1]), "size": size}
    return steps.astype(np.uint32), frame


def hilbert_order(points: Coordinates) -> NDArray[np.intp]:
    """Rows along a Hilbert curve of 2^16 x 2^16 cells: near rows are near on the map."""
    x = (points[:, 0] >> np.uint32(16)).astype(np.int64)
    y = (points[:, 1] >> np.uint32(16)).astype(np.int64)
    position = np.zeros(len(points), dtype=np.int64)
    for bit in range(15, -1, -1):
        side = 1 << bit
        right, top = (x & side) > 0, (y & side) > 0
        position += side * side * ((3 * right) ^ top)
        # Turn the quadrant so that its own curve begins where the last one ended.
        flip = right & ~top
        x, y = x & (side - 1), y & (side - 1)
        x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
        x, y = np.where(top, x, y), np.where(top, y, x)
    return np.argsort(position, kind="stable")


def chunk_starts(texts: Sequence[str | None] | None, n: int) -> list[int]:
    """First row of each chunk: every 1,000 rows, sooner where the texts are long."""
    if texts is None:
        return list(range(0, n, CHUNK_ROWS))
    starts: list[int] = []
    size = 0
    for row, text in enumerate(texts):
        length = min(len(text or ""), MOST_CHARACTERS)
        if not starts or row - starts[-1] >= CHUNK_ROWS or size + length > _CHUNK_CHARACTERS:
            starts.append(row)
            size = 0
        size += length
    return starts


def coordinate_blobs(key: str, points: Coordinates) -> Iterator[Blob]:
    """The coordinates of each axis, as byte planes."""
    for axis, name in enumerate("xy"):
        yield f"{key}-{name}", squeeze(planes(points[:, axis]))


def column_blobs(
    column: Column, key: str, chunks: Sequence[int], shorthand: Shorthand
) -> Iterator[Blob]:
    """The values of one column; of a text column, chunk by chunk."""
    if column.strings is not None:
        yield from string_blobs(key, column.strings, chunks, shorthand)
    elif column.values is not None:
        # Categories are bytes, and shares few different numbers: those compress as they are.
        plain = column.kind == "category" or column.format == "share"
        yield key, squeeze(column.values if plain else planes(column.values))


def string_blobs(
    name: str, strings: Sequence[str | None], chunks: Sequence[int], shorthand: Shorthand
) -> Iterator[Blob]:
    """Strings, chunk by chunk: UTF-8 in shorthand, each ended by a byte that UTF-8 never has."""
    for number, (start, end) in enumerate(_ranges(chunks, len(strings))):
        encoded = (
            _MISSING if text is None else text[:MOST_CHARACTERS].encode("utf-8", "replace") + _END
            for text in strings[start:end]
        )
        yield f"{name}-{number}", squeeze(shorthand.write(b"".join(encoded)))


def neighbor_blobs(
    key: str,
    positions: NDArray[np.int32],
    scores: NDArray[np.float32],
    order: NDArray[np.intp],
    bounds: tuple[float, float],
    chunks: Sequence[int],
) -> Iterator[Blob]:
    """Neighbors and their similarity, chunk by chunk.

    Args:
        key: of the map.
        positions: int32 (n, k), neighbors of each row of the file, as rows of the file.
        scores: float32 (n, k), their similarity.
        order: the page's row i is row order[i] of the file.
        bounds: similarities that 0 and 255 stand for.
        chunks: first row of each chunk.
    """
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    low, high = bounds
    for number, (start, end) in enumerate(_ranges(chunks, len(order))):
        rows = order[start:end]
        step = place[positions[rows]] - np.arange(start, end)[:, None]
        zigzag = np.where(step >= 0, 2 * step, -2 * step - 1).astype("<u4")
        share = (scores[rows] - low) / ((high - low) or 1.0)
        level = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
        # The first as it is, of each other by how much it is less: small numbers, k columns.
        less = np.concatenate([level[:, :1], level[:, :-1] - level[:, 1:]], axis=1)
        yield f"near-{key}-{number}", squeeze(planes(zigzag) + less.T.tobytes())


def planes(values: NDArray[np.generic]) -> bytes:
    """All first bytes of numbers, then all second ones, and so on: like compresses with like."""
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return little.reshape(-1).view(np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes()


def squeeze(data: bytes | NDArray[np.generic]) -> bytes:
    """Gzip without a time in it: the same map gives the same file."""
    return gzip.compress(data if isinstance(data, bytes) else data.tobytes(), 9, mtime=0)


def _ranges(chunks: Sequence[int], n: int) -> Iterator[tuple[int, int]]:
    if n:
        yield from zip(chunks, [*chunks[1:], n], strict=True)
