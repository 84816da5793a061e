"""Going through a file of vectors for an audit: all that has to be read, in flat memory.

What is kept of every row is its norm, a digest of its vector and one of its text: 24 bytes. The
vectors themselves are kept of a random sample only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.geometry import Moments
from veclab.auditing.mixed_models import nearest_rows
from veclab.unit_length import normalize
from veclab.vectorfiles.source import VectorSource

# Neighbors for hubness: the k that Radovanovic et al. (2010) use.
K = 10
# Rows of a block that are compared with the sample at once: 32 MB of scores.
_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass through n rows tells. Positions count from 0.

    Attributes:
        missing, not_finite, zero, constant: positions of rows that cannot be searched, or whose
            numbers are all equal. Only the last are also usable.
        usable: bool (n,).
        norms: float64 (n,), NaN where not finite.
        digests: uint64 (n,), equal for equal vectors; 0 where not usable.
        moments: over the usable rows, each at unit length.
        tokens: of all texts together, None where not known.
        truncated: how many texts were cut, None where not known.
    """

    missing: NDArray[np.intp]
    not_finite: NDArray[np.intp]
    zero: NDArray[np.intp]
    constant: NDArray[np.intp]
    usable: NDArray[np.bool_]
    norms: NDArray[np.float64]
    digests: NDArray[np.uint64]
    moments: Moments
    tokens: int | None
    truncated: int | None


def scan(source: VectorSource) -> Scan:
    """Read every vector once."""
    n = source.about.rows
    masks = {name: np.zeros(n, dtype=np.bool_) for name in ("missing", "nan", "zero", "constant")}
    norms, digests = np.full(n, np.nan), np.zeros(n, dtype=np.uint64)
    moments = Moments.empty(source.about.dimensions)
    tokens: int | None = 0
    truncated: int | None = 0
    start = 0
    for block in source.blocks():
        array = block.array
        part = slice(start, start + len(array))
        start += len(array)
        finite: NDArray[np.bool_] = np.array(np.isfinite(array).all(axis=1))
        clean = np.where(finite[:, None], array, np.float32(0))
        norms[part] = np.sqrt(np.einsum("ij,ij->i", clean, clean, dtype=np.float64))
        good = norms[part] > 0
        masks["missing"][part] = block.missing
        masks["nan"][part] = ~finite & ~block.missing
        masks["zero"][part] = finite & ~good
        masks["constant"][part] = good & (np.ptp(clean, axis=1) == 0) & (array.shape[1] > 1)
        norms[part][~finite] = np.nan
        rows = array[good]
        digests[part][good] = [
            int.from_bytes(blake2b(row.tobytes(), digest_size=8).digest(), "big") for row in rows
        ]
        moments.add(normalize(rows))
        tokens = None if tokens is None or block.tokens is None else tokens + block.tokens.sum()
        cut = block.truncated
        truncated = None if truncated is None or cut is None else truncated + int(cut.sum())
    return Scan(
        missing=np.flatnonzero(masks["missing"]),
        not_finite=np.flatnonzero(masks["nan"]),
        zero=np.flatnonzero(masks["zero"]),
        constant=np.flatnonzero(masks["constant"]),
        usable=norms > 0,  # a comparison with NaN is false
        norms=norms,
        digests=digests,
        moments=moments,
        tokens=None if tokens is None else int(tokens),
        truncated=truncated,
    )


def gather(source: VectorSource, positions: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the vectors of some rows, at unit length: float32 (len(positions), dim)."""
    order = np.argsort(positions, kind="stable")
    found = np.zeros((len(positions), source.about.dimensions), dtype=np.float32)
    start = 0
    for block in source.blocks():
        low, high = np.searchsorted(positions[order], [start, start + len(block.array)])
        wanted = order[low:high]
        found[wanted] = block.array[positions[wanted] - start]
        start += len(block.array)
    return normalize(found) if len(found) else found


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """How rows lie to each other.

    Attributes:
        sample: intp (m,), positions of the sample, ascending, each vector once.
        unit: float32 (m, dim), their vectors at unit length.
        neighbors: intp (m, K), the nearest others of each within the sample, as rows of `unit`.
        rows: intp (d,), positions of all distinct usable vectors.
        nearest: float32 (d,), cosine of each of them to the nearest other vector of the sample.
        best: float32 (m,), cosine of each of the sample to the nearest other vector of all.
    """

    sample: NDArray[np.intp]
    unit: NDArray[np.float32]
    neighbors: NDArray[np.intp]
    rows: NDArray[np.intp]
    nearest: NDArray[np.float32]
    best: NDArray[np.float32]


def neighborhood(source: VectorSource, scanned: Scan, sample_size: int) -> Neighborhood | None:
    """Compare all distinct vectors with a random sample; None for fewer than 20 distinct."""
    _, first = np.unique(scanned.digests, return_index=True)
    rows = np.sort(first[scanned.usable[first]])
    if len(rows) < 2 * K:
        return None
    size = min(sample_size, len(rows))
    sample = np.sort(np.random.default_rng(0).choice(rows, size, replace=False))
    unit = gather(source, sample)
    nearest = np.full(len(rows), -np.inf, dtype=np.float32)
    best = np.full(size, -np.inf, dtype=np.float32)
    for positions, block in _unit_blocks(source, rows):
        scores = block @ unit.T
        at = np.searchsorted(sample, positions)
        own = np.flatnonzero(sample[np.minimum(at, size - 1)] == positions)
        scores[own, at[own]] = -np.inf
        nearest[np.searchsorted(rows, positions)] = scores.max(axis=1)
        np.maximum(best, scores.max(axis=0), out=best)
    return Neighborhood(sample, unit, nearest_rows(unit, K), rows, nearest, best)


def _unit_blocks(
    source: VectorSource, rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield the positions and unit vectors of the rows asked for, a few at a time."""
    start = 0
    for block in source.blocks():
        low, high = np.searchsorted(rows, [start, start + len(block.array)])
        for begin in range(low, high, _ROWS):
            positions = rows[begin : min(begin + _ROWS, high)]
            yield positions, normalize(block.array[positions - start])
        start += len(block.array)


def text_digests(source: VectorSource) -> NDArray[np.uint64]:
    """Return a digest of each row's text: uint64 (n,), 0 where there is none."""
    found = np.zeros(source.about.rows, dtype=np.uint64)
    start = 0
    for texts in source.all_texts():
        found[start : start + len(texts)] = [_text_digest(text) for text in texts]
        start += len(texts)
    return found


def _text_digest(text: str | None) -> int:
    if not text:
        return 0
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def pairs_that_differ(
    keys: NDArray[np.uint64], values: NDArray[np.uint64], usable: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Find, for each key with several values, its first row and the first row of another value."""
    rows = np.flatnonzero(usable & (keys != 0))
    order = rows[np.argsort(keys[rows], kind="stable")]
    pairs: list[tuple[int, int]] = []
    for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        if len(group) < 2:
            continue
        other = np.flatnonzero(values[group] != values[group[0]])
        if len(other):
            pairs.append((int(group[0]), int(group[other[0]])))
    return pairs


def cosines(source: VectorSource, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Return the cosine of each pair of rows: float32 (len(pairs),)."""
    array = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    a, b = gather(source, array[:, 0]), gather(source, array[:, 1])
    product: NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
    return product
