"""What is sound in a damaged file is found, past LMDB, and nothing else is."""

import json
import random
import struct

import lmdb
import numpy as np
import pytest
from click.testing import CliRunner

from tests.cache.test_cache import (
    DIM,
    OTHER,
    RECIPE,
    digests,
    get,
    hits,
    put,
    set_aside,
    vectors,
    write_at,
)
from veclab.cache import Cache, salvage
from veclab.errors import CacheError

BRANCH, LEAF = 0x01, 0x02


def pages(file, flag):
    """Numbers of the pages of a kind."""
    content = file.read_bytes()
    for number in range(2, len(content) // 4096):
        own, _, flags, _, _ = struct.unpack_from("=QHHHH", content, number * 4096)
        if own == number and flags & 0xF == flag:
            yield number


def free_bytes(file, number):
    _, _, _, lower, upper = struct.unpack_from("=QHHHH", file.read_bytes(), number * 4096)
    return upper - lower


@pytest.mark.parametrize("content", [bytes(4096), random.Random(0).randbytes(4096)])
def test_a_damaged_branch_page_costs_no_vector(tmp_path, content):
    with Cache.open(tmp_path) as cache:
        put(cache, range(4000))
        cache.describe(RECIPE, '{"model": "mine"}')
    file = tmp_path / "v2/data.mdb"
    for number in pages(file, BRANCH):
        write_at(file, number * 4096, content)
    # As a look at what a process was doing that died of it would find.
    with Cache.open(tmp_path) as cache:
        cache.store._replace(lmdb.CorruptedError("a branch page"))
        assert hits(cache, range(4000)) == 4000
        assert "with the 4,000 vectors that could still be read" in cache.notes[0]
        assert [recipe.description for recipe in cache.stats().recipes] == ['{"model": "mine"}']
        put(cache, range(4000, 4010))
        assert hits(cache, range(4010)) == 4010
    assert len(set_aside(tmp_path)) == 1


@pytest.mark.parametrize("dim", [4, 384, 1024])
def test_a_damaged_leaf_costs_what_was_on_it(tmp_path, dim):
    """With 1,024 numbers a record lies in pages of its own, and its leaf tells where."""
    with Cache.open(tmp_path / "cache") as cache:
        put(cache, range(600), dim=dim)
        cache.store.compact()  # without it, pages that are free by now hold every record again
    file = tmp_path / "cache/v2/data.mdb"
    full = [n for n in pages(file, LEAF) if free_bytes(file, n) < 1000]
    write_at(file, full[len(full) // 2] * 4096 + 2000, random.Random(1).randbytes(2000))
    with Cache.open(tmp_path / "other") as cache:
        found = cache.repair(tmp_path / "cache/v2")
        kept = hits(cache, range(600), dim=dim)  # compares every vector
    assert found.read >= kept == found.added
    a_page = 4096 // (34 + (8 if dim == 1024 else 20 + 4 * dim)) + 1
    assert 600 - a_page <= kept < 600


def test_repair_adds_what_was_not_there_and_leaves_the_rest(tmp_path, home):
    with Cache.open() as cache:
        put(cache, range(100))
        cache.store._replace(lmdb.CorruptedError("as if"))
        cache.clear()
        put(cache, range(50, 120))
    [aside] = set_aside(home / "cache")
    from veclab.cli.app import app

    result = CliRunner().invoke(app, ["cache", "repair", str(aside), "--json"])
    assert json.loads(result.stdout) == {"read": 100, "damaged": 0, "added": 50}
    with Cache.open() as cache:
        assert hits(cache, range(120)) == 120
    result = CliRunner().invoke(app, ["cache", "repair", str(aside)])
    assert "100 vectors could be read, 0 of them were not in the cache" in result.stdout
    assert aside.exists()


def test_repair_of_what_is_no_cache_is_refused(tmp_path):
    with Cache.open(tmp_path / "cache") as cache:
        with pytest.raises(CacheError, match=r"no file data\.mdb"):
            cache.repair(tmp_path)
        with pytest.raises(CacheError, match="the cache in use"):
            cache.repair(cache.path)


def test_a_record_that_fails_its_checksum_is_left_and_counted(tmp_path):
    with Cache.open(tmp_path / "cache") as cache:
        put(cache, range(100), dim=8)
    file = tmp_path / "cache/v2/data.mdb"
    content = file.read_bytes()
    for at in (i for i in range(len(content) - 32) if content[i : i + 8] == RECIPE):
        write_at(file, at + 24 + 30, b"\xff")  # in the vector
    with Cache.open(tmp_path / "other") as cache:
        found = cache.repair(tmp_path / "cache/v2")
        assert found.added == 0
        assert found.read == 0
        assert found.damaged > 90


def test_bytes_of_any_kind_are_gone_through(tmp_path):
    chance = random.Random(3)
    for size in (0, 1, 100, 4096, 3 * 4096 + 7, 1 << 20):
        file = tmp_path / "data.mdb"
        header = struct.pack("=QHHHH", 2, 0, LEAF, 4000, 4096)
        file.write_bytes(chance.randbytes(min(size, 8192)) + header + chance.randbytes(size))
        found = salvage.Salvaged()
        assert not any(sound.records for sound in salvage.sound_records(file, found))


def make_format_1(folder, numbers, dim=DIM):
    """An environment as the first version wrote it, its sums computed here anew."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), max_dbs=4, map_size=1 << 28) as env:
        with env.begin(write=True) as txn:
            txn.put(b"format", b"veclab vectors 1")
        env.open_db(b"recipes")
        with env.begin(db=env.open_db(b"records"), write=True) as txn:
            for i, digest, vector in zip(
                numbers, digests(numbers), vectors(numbers, dim), strict=True
            ):
                key = RECIPE + digest
                rest = struct.pack("<3I", 1000, i, i % 2) + vector.astype("<f4").tobytes()
                words = np.frombuffer(key + rest, "<u4").astype(object)
                total = 0x76656331 + sum(
                    ((n * 0x9E3779B2) % 2**32 | 1) * int(word) for n, word in enumerate(words)
                )
                txn.put(key, struct.pack("<I", total % 2**32) + rest)


@pytest.mark.parametrize("dim", [2, 384])
def test_vectors_of_format_1_are_taken_over_once_and_said(tmp_path, dim):
    make_format_1(tmp_path / "v1", list(range(300)), dim)
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(300), dim=dim) == 300
        assert "new format" in cache.notes[0] and "the 300 vectors" in cache.notes[0]
        assert str(tmp_path / "v1") in cache.notes[0]
        assert {recipe.oldest for recipe in cache.stats().recipes} == {1000}
        put(cache, range(300, 310), dim=dim)
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(310), dim=dim) == 310
        assert cache.notes == []
    assert (tmp_path / "v1/data.mdb").exists()


def test_a_takeover_that_was_killed_begins_again(tmp_path):
    make_format_1(tmp_path / "v1", list(range(300)))
    (tmp_path / "v2.compact").mkdir()
    (tmp_path / "v2.compact/data.mdb").write_bytes(b"half")
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(300)) == 300


def test_both_recipes_and_sizes_are_found_in_one_file(tmp_path):
    with Cache.open(tmp_path / "cache") as cache:
        put(cache, range(50), dim=8)
        put(cache, range(30), recipe=OTHER, dim=1024)
    with Cache.open(tmp_path / "other") as cache:
        assert cache.repair(tmp_path / "cache/v2").added == 80
        assert get(cache, range(50), dim=8).hit.all()
        assert get(cache, range(30), recipe=OTHER, dim=1024).hit.all()
