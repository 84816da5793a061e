"""The bytes of the cache: keys, records and their checksums, all of them in numpy.

Key: recipe (8 bytes), digest of the prepared text (16 bytes). Record, little-endian and without
gaps: checksum (uint64), created (seconds since the epoch), tokens, flags (uint32 each), `dim`
float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from veclab.cache.journal import KEY_SIZE

RECIPE_SIZE = 8
DIGEST_SIZE = KEY_SIZE - RECIPE_SIZE
HEADER_SIZE = 20
TRUNCATED = 1  # bit of a record's flags; those above it count the tokens that were unknown
UNKNOWN_SHIFT = 1

# All-zero pages, the commonest damage, must not have a checksum of zero.
CHECKSUM_SEED = np.uint64(0x7665632D76656332)


@lru_cache
def record_dtype(dim: int) -> np.dtype[Any]:
    """Return the layout of a record, little-endian and without gaps."""
    words = [(name, "<u4") for name in ("created", "tokens", "flags")]
    return np.dtype([("checksum", "<u8"), *words, ("vector", "<f4", (dim,))])


def checksums(keys: NDArray[np.void], records: NDArray[np.void]) -> NDArray[np.uint64]:
    """Return (n,) XXH3 of each record, its checksum left out, seeded with its key.

    The key is in it because a damaged page number can lead to another text's sound record.
    """
    parts = keys.view("<u8").reshape(-1, KEY_SIZE // 8)
    # Turned, so that no two bits of the key cancel each other.
    seeds = parts[:, 0] ^ _turn(parts[:, 1], 21) ^ _turn(parts[:, 2], 42) ^ CHECKSUM_SEED
    size = records.dtype.itemsize
    content = np.ascontiguousarray(records).view(np.uint8).data
    sums = [
        xxh3_64_intdigest(content[end - size + 8 : end], seed)
        for end, seed in zip(range(size, len(content) + 1, size), seeds.tolist(), strict=True)
    ]
    return np.array(sums, np.uint64)


def _turn(words: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    turned: NDArray[np.uint64] = words << np.uint64(bits) | words >> np.uint64(64 - bits)
    return turned


def sorted_keys(
    recipe: bytes, digests: Sequence[bytes]
) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """Return (n,) keys in LMDB's order, so that neighboring pages are read together, and rows."""
    if len(recipe) != RECIPE_SIZE or set(map(len, digests)) - {DIGEST_SIZE}:
        raise ValueError(f"a recipe has {RECIPE_SIZE} bytes, a digest {DIGEST_SIZE}")
    joined = np.frombuffer(b"".join(digests), f"V{DIGEST_SIZE}")
    # Numbers sort ten times as fast as strings, and the first half of a digest is as good as all.
    order = np.argsort(joined.view(">u8")[::2].astype(np.uint64), kind="stable")
    keys = np.empty(len(joined), [("recipe", f"V{RECIPE_SIZE}"), ("digest", f"V{DIGEST_SIZE}")])
    keys["recipe"] = np.void(recipe)
    keys["digest"] = joined[order]
    return keys.view(f"V{KEY_SIZE}"), order


def disk_bytes(sizes: NDArray[np.int64], page: int) -> NDArray[np.int64]:
    """Return the disk space of records of these `sizes`, each in a compacted file, rounded up.

    LMDB keeps a record in a page together with others where at least two fit into one, else in
    pages of its own.
    """
    header, node = 16, sizes + KEY_SIZE + 10
    per_page = (page - header) // node
    shared = -(-page // np.maximum(per_page, 1))
    own = -(-(header + sizes) // page) * page + 64
    branches = 101 / 100  # the pages above the leaves
    return (np.where(per_page >= 2, shared, own) * branches).astype(np.int64)


def begins(cursor: lmdb.Cursor[bytes], prefix: bytes) -> bool:
    """Return whether some key begins with `prefix`."""
    return cursor.set_range(prefix) and cursor.key().startswith(prefix)
