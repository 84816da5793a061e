"""Reading what is sound in the file of an environment, past LMDB.

LMDB finds records by way of branch pages: one that is damaged hides all below it, and can end the
process. So the file is gone through page by page as bytes. Whatever reads as a record and passes
its checksum, which covers the key, is one, wherever it lies: also on a page that is free by now,
for a vector depends on its key alone.

Records of format 1 are read too, and written anew with the checksum of today.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import lmdb
import numpy as np
from numpy.typing import NDArray

from veclab.cache.journal import KEY_SIZE
from veclab.cache.record import HEADER_SIZE, RECIPE_SIZE, checksums, record_dtype

# LMDB's file, of all versions with data format 1 (`mdb.c`: MDB_page, MDB_node, MDB_meta).
_PAGE = struct.Struct("=QHHHH")  # number, padding, flags, end of the pointers, begin of the nodes
_NODE = struct.Struct("=HHHH")  # size (low, high), flags, size of the key
_LEAF, _ELSEWHERE, _PLAIN = 0x02, 0x01, 0x01
_MAGIC, _PAGE_SIZE_AT = 0xBEEFC0DE, 40
_BLOCK = 16 << 20
# Longer than any vector: 4 million numbers.
_LONGEST = 16 << 20

_OLD_HEADER = 16
Records = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Salvaged:
    """What was found in a file.

    Attributes:
        read: records that pass their checksum.
        damaged: records that do not.
        added: those that were not there yet where they went.
    """

    read: int = 0
    damaged: int = 0
    added: int = 0


@dataclass(slots=True)
class Sound:
    """A part of what is sound: records, and the descriptions of recipes."""

    records: Records = field(default_factory=list)
    recipes: Records = field(default_factory=list)


def sound_records(data: Path, found: Salvaged) -> Iterator[Sound]:
    """Yield what is sound in the file `data`, counting in `found`; raises OSError."""
    with data.open("rb") as file:
        size = _page_size(file.read(8192))
        length = os.fstat(file.fileno()).st_size
        for start in range(0, length, _BLOCK):
            block = _read(file.fileno(), start, _BLOCK, size)
            by_size: dict[int, Records] = defaultdict(list)
            sound = Sound()
            for at in range(0, len(block) - size + 1, size):
                page = block[at : at + size]
                for key, value in _nodes(page, (start + at) // size, size, file.fileno()):
                    if len(key) == KEY_SIZE:
                        by_size[len(value)].append((key, value))
                    elif _is_description(value):
                        sound.recipes.append((key, value))
            for nodes in by_size.values():
                whole = _check(nodes)
                found.read += len(whole)
                found.damaged += len(nodes) - len(whole)
                sound.records += whole
            yield sound


def _read(file: int, start: int, length: int, page: int) -> bytes:
    """Read a part of a file; pages that the disk does not give are zeros."""
    try:
        return os.pread(file, length, start)
    except OSError:
        if length <= page:
            return bytes(length)
        half = length // 2 // page * page or page
        return _read(file, start, half, page) + _read(file, start + half, length - half, page)


def _page_size(head: bytes) -> int:
    for at in (0, 4096):
        if head[at + 16 : at + 20] == struct.pack("=I", _MAGIC):
            (size,) = struct.unpack_from("=I", head, at + _PAGE_SIZE_AT)
            if 512 <= size <= 65536 and size & (size - 1) == 0:
                return int(size)
    return mmap.PAGESIZE


def _nodes(page: bytes, number: int, size: int, file: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of what may be our records on a page."""
    own, _, flags, lower, upper = _PAGE.unpack_from(page)
    if own != number or flags & 0xF != _LEAF or not 16 <= lower <= upper <= size:
        return
    for (at,) in struct.iter_unpack("=H", page[16 : lower - lower % 2]):
        if at + 8 > size:
            continue
        low, high, kind, key_size = _NODE.unpack_from(page, at)
        begin, length = at + 8 + key_size, low | high << 16
        if key_size not in (KEY_SIZE, RECIPE_SIZE) or kind & ~_PLAIN or begin > size:
            continue
        if kind & _ELSEWHERE:
            if begin + 8 > size or length > _LONGEST:
                continue
            (first,) = struct.unpack_from("=Q", page, begin)
            try:
                value = os.pread(file, length, first * size + 16)
            except (OSError, OverflowError):
                value = b""
        else:
            value = page[begin : begin + length]
        yield page[at + 8 : begin], value


def _check(nodes: Records) -> Records:
    """Keep records of one size that pass their checksum, in the format of today."""
    size = len(nodes[0][1])
    keys = np.frombuffer(b"".join(key for key, _ in nodes), f"V{KEY_SIZE}")
    content = b"".join(value for _, value in nodes)
    whole: Records = []
    for header, sums in ((HEADER_SIZE, checksums), (_OLD_HEADER, _old_checksums)):
        if size <= header or (size - header) % 4:
            continue
        numbers = (size - header) // 4
        layout = record_dtype(numbers) if header == HEADER_SIZE else _old_dtype(numbers)
        records = np.frombuffer(content, layout)
        for i in np.flatnonzero(records["checksum"] == sums(keys, records)).tolist():
            whole.append((nodes[i][0], _renewed(keys[i : i + 1], records[i : i + 1])))
    return whole


def _renewed(key: NDArray[np.void], record: NDArray[np.void]) -> bytes:
    new = np.empty(1, record_dtype(record["vector"].shape[1]))
    for name in ("created", "tokens", "flags", "vector"):
        new[name] = record[name]
    new["checksum"] = checksums(key, new)
    return new.tobytes()


def _old_dtype(dim: int) -> np.dtype[np.void]:
    words = [(name, "<u4") for name in ("checksum", "created", "tokens", "flags")]
    return np.dtype([*words, ("vector", "<f4", (dim,))])


def _old_checksums(keys: NDArray[np.void], records: NDArray[np.void]) -> NDArray[np.uint32]:
    """Return the sums of format 1: of the words of key and record, each times an odd number."""
    n, key_words = len(keys), KEY_SIZE // 4
    words = records.view("<u4").reshape(n, -1)[:, 1:]
    weights = np.arange(key_words + words.shape[1], dtype=np.uint32) * np.uint32(0x9E3779B2)
    weights |= np.uint32(1)
    sums: NDArray[np.uint32] = np.einsum("ij,j->i", words, weights[key_words:])
    sums += np.einsum("ij,j->i", keys.view("<u4").reshape(n, -1), weights[:key_words])
    return sums + np.uint32(0x76656331)


def _is_description(value: bytes) -> bool:
    try:
        return value[:1] == b"{" and isinstance(json.loads(value), dict)
    except ValueError:
        return False


def salvage_into(data: Path, folder: Path, form: bytes) -> Salvaged:
    """Make a new environment in `folder` of what is sound in the file `data`.

    Raises OSError, lmdb.Error.
    """
    found = Salvaged()
    folder.mkdir(mode=0o700)
    room = 2 * data.stat().st_size + (64 << 20)
    # sync=False: nobody reads it before the one sync at the end.
    with lmdb.open(str(folder), map_size=room, max_dbs=4, sync=False) as env:
        with env.begin(write=True) as txn:
            txn.put(b"format", form)
        records, recipes = env.open_db(b"records"), env.open_db(b"recipes")
        for sound in sound_records(data, found):
            with env.begin(write=True) as txn:
                txn.cursor(recipes).putmulti(sound.recipes, overwrite=False)
                found.added += txn.cursor(records).putmulti(sound.records, overwrite=False)[1]
        env.sync(True)
    return found
