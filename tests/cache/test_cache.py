"""The cache under what happens to files: kills, full disks, rot, other processes, forks."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import lmdb
import numpy as np
import platformdirs
import pytest
import xxhash

import veclab
from veclab.cache import Cache, environment, journal, record
from veclab.cache.results import Found
from veclab.errors import CacheError
from veclab.home import home

RECIPE = b"recipe-A"
OTHER = b"recipe-B"
DIM = 384


# -- what is kept: everything follows from a number, so that every process can check it ------------


def digests(numbers: Iterable[int]) -> list[bytes]:
    return [hashlib.blake2b(b"%d" % i, digest_size=16).digest() for i in numbers]


def vectors(numbers: Iterable[int], dim: int = DIM) -> np.ndarray:
    column = np.fromiter(numbers, np.float32).reshape(-1, 1)
    return column + np.arange(dim, dtype=np.float32) / np.float32(dim)


def put(cache: Cache, numbers: Iterable[int], recipe: bytes = RECIPE, dim: int = DIM) -> None:
    numbers = list(numbers)
    tokens = np.array(numbers, np.int32)
    cache.put_many(recipe, digests(numbers), vectors(numbers, dim), tokens, tokens % 2 == 1)


def get(cache: Cache, numbers: Iterable[int], recipe: bytes = RECIPE, dim: int = DIM) -> Found:
    """Look up, and hold every hit against what was put."""
    numbers = np.array(list(numbers), np.int32)
    found = cache.get_many(recipe, digests(numbers), dim)
    hits = numbers[found.hit]
    np.testing.assert_array_equal(found.vectors[found.hit], vectors(hits, dim))
    np.testing.assert_array_equal(found.tokens[found.hit], hits)
    np.testing.assert_array_equal(found.truncated[found.hit], hits % 2 == 1)
    return found


def hits(cache: Cache, numbers: Iterable[int], **how) -> int:
    return int(get(cache, numbers, **how).hit.sum())


# -- other processes -------------------------------------------------------------------------------

PRELUDE = """
import os, sys, time, threading
from pathlib import Path
from veclab.cache import environment
from veclab.cache import Cache
from test_cache import *
root = Path(sys.argv[1])
"""
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        [str(Path(veclab.__file__).parents[1]), str(Path(__file__).parent)]
    ),
}


def start(code: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Another process that runs `code`; `before` is the command it is run under."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", PRELUDE + textwrap.dedent(code), *map(str, arguments)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What the process printed; it must have ended well."""
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def run(code: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
    return finish(start(code, *arguments, before=before))


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.strip() == word, line + process.communicate()[1]


def can_unshare() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    )


def lmdb_files(root: Path, name: str = "v2") -> lmdb.Environment:
    """The environment itself, past all of our own code."""
    return lmdb.open(str(root / name), max_dbs=4, map_size=1 << 30)


def set_aside(root: Path, word: str = "damaged") -> list[Path]:
    return sorted(root.glob(f"v2.{word}-*"))


# -- keeping and finding ---------------------------------------------------------------------------


def test_what_is_put_is_found_in_the_order_asked(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(5000))
        found = get(cache, [4999, 7, 123_456, 0])
        assert found.hit.tolist() == [True, True, False, True]
        assert found.vectors.dtype == np.float32 and found.tokens.dtype == np.int32
        assert hits(cache, range(5000)) == 5000
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(5000)) == 5000
        assert cache.notes == []


def test_repeated_digests_and_none_at_all(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, [3, 3, 1])
        assert get(cache, [1, 3, 1, 1, 9]).hit.tolist() == [True, True, True, True, False]
        put(cache, [])
        assert get(cache, []).vectors.shape == (0, DIM)


def test_recipes_do_not_see_each_other(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(10), dim=8)
        put(cache, range(5), recipe=OTHER, dim=1024)
        assert hits(cache, range(10), dim=8) == 10
        assert hits(cache, range(10), recipe=OTHER, dim=1024) == 5


def test_digests_may_end_in_zero_bytes(tmp_path):
    keys = [b"x" * 15 + b"\0", b"x" * 14 + b"\0\0", bytes(16)]
    values = vectors(range(3), 4)
    with Cache.open(tmp_path) as cache:
        cache.put_many(RECIPE, keys, values, np.arange(3, dtype=np.int32), np.zeros(3, np.bool_))
        found = cache.get_many(RECIPE, keys[::-1], 4)
    assert found.hit.all()
    np.testing.assert_array_equal(found.vectors, values[::-1])


@pytest.mark.parametrize("recipe, digest", [(b"short", b"x" * 16), (RECIPE, b"x" * 15)])
def test_keys_of_another_length_are_refused(tmp_path, recipe, digest):
    with Cache.open(tmp_path) as cache, pytest.raises(ValueError, match="8 bytes, a digest 16"):
        cache.get_many(recipe, [digest], DIM)


def test_rows_must_match_digests(tmp_path):
    with Cache.open(tmp_path) as cache, pytest.raises(ValueError, match="one row is needed"):
        cache.put_many(RECIPE, digests([1, 2]), vectors([1]), np.zeros(2, int), np.zeros(2, bool))


def test_the_bytes_on_disk_are_those_documented(tmp_path):
    """Format 2; whoever changes this must raise the version."""
    before = int(time.time())
    with Cache.open(tmp_path) as cache:
        put(cache, [7], dim=2)
    with lmdb_files(tmp_path) as env:
        with env.begin() as txn:
            assert txn.get(b"format") == b"veclab vectors 2"
        with env.begin(db=env.open_db(b"records", create=False)) as txn:
            [(key, value)] = list(txn.cursor())
    assert key == RECIPE + digests([7])[0]
    checksum, created, tokens, flags, a, b = struct.unpack("<Q3I2f", value)
    assert (tokens, flags, a, b) == (7, 1, 7.0, 7.5)
    assert before <= created <= time.time()
    first, second, third = struct.unpack("<3Q", key)
    seed = first ^ turned(second, 21) ^ turned(third, 42) ^ 0x7665632D76656332
    assert checksum == xxhash.xxh3_64_intdigest(value[8:], seed)


def turned(word: int, bits: int) -> int:
    return (word << bits | word >> 64 - bits) % 2**64


def test_home_is_veclab_home_or_the_platforms_place(monkeypatch, tmp_path):
    monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    assert not home().exists()
    with Cache.open() as cache:
        assert cache.path == tmp_path / "elsewhere" / "cache" / "v2"
    monkeypatch.setenv("VECLAB_HOME", "")
    assert home() == platformdirs.user_data_path("veclab")


# -- one process: sharing, threads, memory ---------------------------------------------------------


def test_a_process_opens_one_environment_however_often_and_by_whatever_name(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    first, second = Cache.open(tmp_path / "real"), Cache.open(tmp_path / "link")
    put(first, range(10))
    first.close()
    first.close()
    assert hits(second, range(10)) == 10
    with pytest.raises(CacheError, match="closed"):
        get(first, [1])
    second.close()
    assert not list((tmp_path / "real").glob("v2.running-*"))
    with lmdb_files(tmp_path / "real"):  # refused while it is open in this process
        pass


def test_threads_put_and_get_while_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "MAP_SIZE", 1 << 20)
    failures: list[BaseException] = []

    def work(cache: Cache, first: int) -> None:
        try:
            for at in range(first, first + 1000, 100):
                put(cache, range(at, at + 100))
                assert hits(cache, range(first, at + 100)) == at + 100 - first
                cache.release()
        except BaseException as error:
            failures.append(error)

    with Cache.open(tmp_path) as cache:
        threads = [threading.Thread(target=work, args=(cache, 1000 * n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert hits(cache, range(4000)) == 4000
    assert (tmp_path / "v2/data.mdb").stat().st_size > 1 << 20


def resident_bytes(of: Path) -> int:
    """How much of the mapped file counts as this process's memory."""
    total, mine = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            mine = line.endswith(str(of))
        elif mine and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which pages are resident")
def test_release_gives_resident_memory_back_where_it_is_much(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(10_000))
        get(cache, range(10_000))
        assert resident_bytes(tmp_path / "v2/data.mdb") > 15 << 20
        cache.release(keep=1 << 30)
        assert resident_bytes(tmp_path / "v2/data.mdb") > 15 << 20
        cache.release()
        assert resident_bytes(tmp_path / "v2/data.mdb") < 1 << 20
        assert hits(cache, range(10_000)) == 10_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_opens_its_own(tmp_path):
    """Also while another thread of the parent is writing at the moment of the fork."""
    said = run(
        """
        cache, stop = Cache.open(root), threading.Event()
        put(cache, range(100))
        def write():
            n = 1000
            while not stop.is_set():
                put(cache, range(n, n + 10)); n += 10
        writer = threading.Thread(target=write); writer.start()
        for attempt in range(10):
            child = os.fork()
            if not child:
                assert hits(cache, range(100)) == 100
                put(cache, [200 + attempt])
                cache.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set(); writer.join()
        assert hits(cache, range(200, 210)) == 10
        put(cache, [300])
        journals = list(root.glob("v2.running-*"))
        assert len(journals) == 1, journals
        print(cache.prune(older_than=-10).note, cache.notes)
        """,
        tmp_path,
    )
    assert said.strip() == "None []"


# -- several processes -----------------------------------------------------------------------------


def test_processes_write_read_and_grow_the_map_together(tmp_path):
    """The map starts at 1 MB and ends well above; each process must follow the others' growth."""
    code = """
        environment.MAP_SIZE = 1 << 20
        first = int(sys.argv[2])
        with Cache.open(root) as cache:
            for at in range(first, first + 1500, 50):
                put(cache, range(at, at + 50))
                assert hits(cache, range(first, at + 50)) == at + 50 - first
                get(cache, range(0, 6000, 7))
            assert cache.notes == [], cache.notes
        """
    for process in [start(code, tmp_path, 1500 * n) for n in range(4)]:
        finish(process)
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(6000)) == 6000
        assert cache.notes == []
    assert (tmp_path / "v2/data.mdb").stat().st_size > 8 << 20


def test_killed_at_any_moment_it_opens_and_every_record_is_sound(tmp_path):
    code = """
        environment.MAP_SIZE = 1 << 20
        cache = Cache.open(root)
        assert cache.notes == [], cache.notes
        n = sum(r.entries for r in cache.stats().recipes if r.recipe == b"recipe-A")
        print("ready", flush=True)
        while True:
            put(cache, range(n, n + 40))
            print(n + 40, flush=True)
            n += 40
            if n % 400 == 0:
                cache.prune(recipes=[b"recipe-B"])
                put(cache, range(50), recipe=b"recipe-B")
        """
    rng, promised = random.Random(1), 0
    for _ in range(6):
        process = start(code, tmp_path)
        wait_for(process, "ready")
        committed = [int(process.stdout.readline()) for _ in range(rng.randint(1, 30))]
        time.sleep(rng.uniform(0, 0.01))  # it may be killed anywhere, of which nothing depends
        process.send_signal(signal.SIGKILL)
        committed += [int(line) for line in process.communicate()[0].split()]
        promised = max([promised, *committed])
    with Cache.open(tmp_path) as cache:
        assert hits(cache, range(promised)) == promised
        entries = cache.stats().entries
        assert hits(cache, range(entries)) + hits(cache, range(50), recipe=OTHER) == entries
        assert cache.notes == []
    assert set_aside(tmp_path) == []


# -- disks that are full or take no writes ---------------------------------------------------------

FILL_UP = """
    environment.MAP_SIZE = 1 << 20
    cache, n = Cache.open(root), 0
    try:
        while True:
            put(cache, range(n, n + 100)); n += 100
    except CacheError as error:
        said = str(error)
    assert n >= 300, said
    assert "the disk is full" in said and f"{n:,} vectors are kept at {root}" in said, said
    assert "VECLAB_HOME" in said and "without the cache" in said
    assert hits(cache, range(n + 100)) == n
    cache.close()
    with Cache.open(root) as cache:
        assert hits(cache, range(n + 100)) == n
        assert set(map(type, cache.notes)) <= {str}
    """


def test_a_full_disk_is_said_and_what_was_kept_stays(tmp_path):
    if can_unshare():
        mounted = (
            "unshare",
            "-rm",
            "sh",
            "-c",
            'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"',
        )
        code = (
            FILL_UP
            + """
    with Cache.open(root) as cache:
        print(hits(cache, range(n)) == n, cache.clear().kept)
        put(cache, range(100))
    """
        )
        assert run(code, tmp_path, before=(*mounted, str(tmp_path))).split() == ["True", "0"]
    run(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))\n"
        + textwrap.dedent(FILL_UP),
        tmp_path / "limited",
    )


def test_where_no_directory_can_be_made_the_way_out_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match=r"no cache can be kept at .*file.*VECLAB_HOME"):
        Cache.open(tmp_path / "file" / "cache")


def test_a_read_only_cache_is_read_and_refuses_to_keep(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(10))
    code = """
        with Cache.open(root) as cache:
            assert hits(cache, range(12)) == 10 and cache.stats().entries == 10
            assert cache.readonly and "read-only" in cache.notes[0], cache.notes
            try:
                put(cache, [11])
            except CacheError as error:
                print(error)
        try:
            Cache.open(root / "new")
        except CacheError as error:
            print(error)
        """
    if can_unshare():
        mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        said = run(code, tmp_path, before=("unshare", "-rm", "sh", "-c", mounted, str(tmp_path)))
    elif os.geteuid():
        for path in [tmp_path, *tmp_path.rglob("*")]:
            path.chmod(0o500 if path.is_dir() else 0o400)
        said = run(code, tmp_path)
    else:
        pytest.skip("the superuser without namespaces can write anywhere")
    assert "is read-only: nothing can be kept" in said and "no cache can be kept at" in said


# -- rot -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [DIM, 768], ids=["in the leaf", "on pages of its own"])
@pytest.mark.parametrize("harm", ["flip", "zero", "shorten", "swap"])
def test_a_damaged_record_is_a_miss_dropped_and_noted(tmp_path, harm, dim):
    with Cache.open(tmp_path) as cache:
        put(cache, range(20), dim=dim)
    keys = [RECIPE + digest for digest in digests(range(20))]
    with (
        lmdb_files(tmp_path) as env,
        env.begin(db=env.open_db(b"records"), write=True) as txn,
    ):
        value = bytearray(txn.get(keys[3]))
        value[random.Random(harm).randrange(len(value))] ^= 0x80
        harmed = {
            "flip": bytes(value),
            "zero": bytes(len(value)),
            "shorten": txn.get(keys[3])[:-1],
            "swap": txn.get(keys[4]),  # sound, but another text's
        }
        txn.put(keys[3], harmed[harm])
    with Cache.open(tmp_path) as cache:
        assert get(cache, range(20), dim=dim).hit.tolist() == [n != 3 for n in range(20)]
        assert len(cache.notes) == 1 and "1 damaged entries" in cache.notes[0]
        assert cache.stats().entries == 19
        put(cache, [3], dim=dim)
        assert hits(cache, range(20), dim=dim) == 20
        assert len(cache.notes) == 1


def test_a_key_of_another_length_is_damage_of_the_whole(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(20))
    with lmdb_files(tmp_path) as env, env.begin(db=env.open_db(b"records"), write=True) as txn:
        txn.put(b"odd", b"value")
    with Cache.open(tmp_path) as cache:
        assert cache.stats().entries == 20
        assert "key of another length" in cache.notes[0]
        assert hits(cache, range(20)) == 20
    assert len(set_aside(tmp_path)) == 1


def test_every_flipped_bit_changes_the_checksum():
    records = np.zeros(1, record.record_dtype(6))
    keys = np.frombuffer(bytes(range(24)), "V24")
    sound = record.checksums(keys, records)
    for buffer, skip in ((records, 64), (keys.copy(), 0)):
        bits = buffer.view(np.uint8)
        for bit in range(skip, 8 * len(bits)):
            bits[bit // 8] ^= 1 << bit % 8
            one = (keys, records) if buffer is records else (buffer, records)
            assert record.checksums(*one) != sound
            bits[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("dim", [2, 3, 384])
def test_what_sums_do_not_see_changes_the_checksum(dim):
    """Format 1 missed x beside -x in each other's place, and two flipped signs."""
    keys = np.frombuffer(bytes(range(24)), "V24")
    records = np.zeros(1, record.record_dtype(dim))
    records["vector"][0, :2] = 0.25, -0.25
    sound = record.checksums(keys, records)
    records["vector"][0, :2] = -0.25, 0.25
    assert record.checksums(keys, records) != sound


def write_at(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(content)


def ruin(file: Path, how: str) -> None:
    size, rng = file.stat().st_size, random.Random(how)
    if how == "nonsense":
        file.write_bytes(rng.randbytes(size))
    elif how == "one meta page":
        write_at(file, 0, rng.randbytes(4096))
    elif how == "magic":
        for page in (0, 4096):
            write_at(file, page + 16, b"\0\0\0\0")
    elif how == "version":
        for page in (0, 4096):
            write_at(file, page + 20, b"\x63\0\0\0")
    elif how == "absurd length":
        for page in (0, 4096):  # the last page number, behind magic, address, size, two databases
            write_at(file, page + 16 + 24 + 2 * 48, struct.pack("=Q", 1 << 50))
    elif how == "cut in half":
        os.truncate(file, size // 2)
    elif how == "cut to the meta pages":
        os.truncate(file, 8192)
    elif how == "cut within a meta page":
        os.truncate(file, 100)
    elif how == "all but the meta pages zero":
        write_at(file, 8192, bytes(size - 8192))


@pytest.mark.parametrize(
    "how",
    [
        "nonsense",
        "one meta page",
        "magic",
        "version",
        "absurd length",
        "cut in half",
        "cut to the meta pages",
        "cut within a meta page",
        "all but the meta pages zero",
    ],
)
def test_a_ruined_file_is_set_aside_and_said(tmp_path, how):
    with Cache.open(tmp_path) as cache:
        put(cache, range(2000))
    ruin(tmp_path / "v2/data.mdb", how)
    ruined = (tmp_path / "v2/data.mdb").read_bytes()
    # A file cut short must be told before it kills anybody, not after.
    said = run(USE, tmp_path, "get") if "cut" in how else use_until_it_works(tmp_path, "get")
    [aside] = set_aside(tmp_path, "unknown" if how == "version" else "damaged")
    assert str(aside) in said
    if "cut" in how:
        assert len((aside / "data.mdb").read_bytes()) == len(ruined)
    else:
        assert (aside / "data.mdb").read_bytes()[8192:] == ruined[8192:]


USE = """
    with Cache.open(root) as cache:
        for step in sys.argv[2].split():
            if step == "get": get(cache, range(2200))
            if step == "put": put(cache, range(1900, 2200))
            if step == "stats": cache.stats()
        get(cache, range(2200))
        print(*cache.notes)
    """


def use_until_it_works(root: Path, order: str) -> str:
    """Notes of the first process that lives through using the whole cache; damage may kill two.

    Two, because each may come upon another page. None may find a wrong vector: `get` compares.
    """
    for _ in range(3):
        process = start(USE, root, order)
        out, err = process.communicate()
        if process.returncode == 0:
            return out
        assert process.returncode < 0, err
    raise AssertionError(f"three processes died of the same cache: {err}")


@pytest.mark.parametrize("order", ["get stats put", "stats put get"])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_pages_rot_no_vector_is_wrong_and_nobody_dies_for_ever(tmp_path, seed, order):
    rng = random.Random(seed)
    with Cache.open(tmp_path) as cache:
        for at in range(0, 2000, 250):
            put(cache, range(at, at + 250))
            put(cache, range(at // 10, at // 10 + 25), recipe=OTHER, dim=1024)
    file = tmp_path / "v2/data.mdb"
    for _ in range(rng.choice([1, 5, 40])):
        page = rng.randrange(2, file.stat().st_size // 4096)
        content = rng.choice([bytes(4096), rng.randbytes(4096), rng.randbytes(30)])
        write_at(file, page * 4096, content)
    use_until_it_works(tmp_path, order)
    with Cache.open(tmp_path) as cache:
        cache.clear()
        put(cache, range(300))
        assert hits(cache, range(2200)) == 300
        assert cache.notes == []


def test_a_process_that_died_inside_is_followed_by_a_look_at_what_it_did(tmp_path):
    """Killed from outside, it costs nothing; killed by the file, the file is set aside."""
    with Cache.open(tmp_path) as cache:
        put(cache, range(500))
    die = """
        cache = Cache.open(root)
        def work(txn):
            os.kill(os.getpid(), 9)
        keys = b"".join(b"recipe-A" + digest for digest in digests(range(500)))
        cache.store.run(work, Op.{op}, keys, 1552)
        """
    died = "from veclab.cache.journal import Op\n" + textwrap.dedent(die)
    for op in ("GET", "PUT", "DELETE", "WALK", "DESCRIBE", "OPEN"):
        process = start(died.replace("{op}", op), tmp_path)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert len(list(tmp_path.glob("v2.running-*"))) == 1
        with Cache.open(tmp_path) as cache:
            assert hits(cache, range(500)) == 500 and cache.notes == []
    start(died.replace("{op}", "GET"), tmp_path).communicate()
    size = (tmp_path / "v2/data.mdb").stat().st_size
    write_at(tmp_path / "v2/data.mdb", 8192, bytes(size - 8192))
    with Cache.open(tmp_path) as cache:
        assert len(cache.notes) == 1 and "was damaged" in cache.notes[0]
        assert hits(cache, range(500)) == 0
    assert len(set_aside(tmp_path)) == 1


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGABRT", "SIGKILL"])
def test_only_a_crash_of_the_look_itself_counts_as_damage(tmp_path, monkeypatch, name):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nkill -{name[3:]} $$\n")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    damaged, said = journal.replay(tmp_path, None)
    assert damaged == (name != "SIGKILL") and said


def test_a_look_that_runs_out_of_time_is_no_sign_of_damage(tmp_path, monkeypatch):
    """A large cache on a busy machine takes long, and holds good vectors."""
    with Cache.open(tmp_path) as cache:
        put(cache, range(500))
    died = """
        from veclab.cache.journal import Op
        Cache.open(root).store.run(lambda txn: os.kill(os.getpid(), 9), Op.WALK)
        """
    start(died, tmp_path).communicate()
    monkeypatch.setattr(journal, "REPLAY_LIMIT_S", 0.001)
    with Cache.open(tmp_path) as cache:
        assert "could not be checked: a look at it did not end within" in cache.notes[0]
        assert hits(cache, range(500)) == 500
    assert set_aside(tmp_path) == []


def test_damage_is_not_swept_from_under_another_process(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(2000))
    other = start(
        "cache = Cache.open(root); print('open', flush=True); input(); cache.close()", tmp_path
    )
    wait_for(other, "open")
    size = (tmp_path / "v2/data.mdb").stat().st_size
    with Cache.open(tmp_path) as cache:
        write_at(tmp_path / "v2/data.mdb", 8192, random.Random(0).randbytes(size - 8192))
        with pytest.raises(CacheError, match="another process has it open"):
            get(cache, range(2000))
        assert set_aside(tmp_path) == []
        other.communicate("go\n")
        assert hits(cache, range(2000)) == 0
        assert "was damaged" in cache.notes[0]
        put(cache, range(10))
        assert hits(cache, range(2000)) == 10
    assert len(set_aside(tmp_path)) == 1


def test_an_unknown_format_is_never_read_nor_lost(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(10))
    (tmp_path / "v3").mkdir()
    (tmp_path / "v3/data").write_text("of a later version")
    with lmdb_files(tmp_path) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"veclab vectors 99")
    with Cache.open(tmp_path) as cache:
        [aside] = set_aside(tmp_path, "unknown")
        assert "vectors 99" in cache.notes[0] and str(aside) in cache.notes[0]
        assert hits(cache, range(10)) == 0
    with lmdb_files(tmp_path, aside.name) as env:
        records = env.open_db(b"records", create=False)
        with env.begin(db=records) as txn:
            assert txn.stat(records)["entries"] == 10
    assert (tmp_path / "v3/data").read_text() == "of a later version"


def test_two_set_aside_within_one_second_get_two_names(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda _: "20250101-000000")
    for _ in range(3):
        Cache.open(tmp_path).close()
        ruin(tmp_path / "v2/data.mdb", "magic")
    with Cache.open(tmp_path):
        names = [
            path.name.removeprefix("v2.damaged-20250101-000000") for path in set_aside(tmp_path)
        ]
        assert names == ["", "-1", "-2"]


# -- looking and tidying ---------------------------------------------------------------------------


def test_stats_say_what_is_there_and_where_it_came_from(tmp_path, monkeypatch):
    with Cache.open(tmp_path) as cache:
        assert cache.stats().entries == 0 and cache.stats().recipes == ()
        for now, numbers in ((1000, range(10)), (2000, range(10, 30))):
            monkeypatch.setattr(time, "time", lambda now=now: now)
            put(cache, numbers)
        put(cache, range(5), recipe=OTHER, dim=8)
        cache.describe(RECIPE, '{"model": "é"}')
        cache.describe(RECIPE, '{"model": "too late"}')
        stats = cache.stats()
    assert (stats.path, stats.version, stats.entries) == (tmp_path / "v2", 2, 35)
    assert 0 < stats.bytes <= (tmp_path / "v2/data.mdb").stat().st_size + 4096
    first, second = stats.recipes
    assert (first.recipe, first.description, first.entries) == (RECIPE, '{"model": "é"}', 30)
    assert (first.oldest, first.newest, first.bytes) == (1000, 2000, 30 * (24 + 20 + 4 * DIM))
    assert (second.recipe, second.description, second.entries) == (OTHER, None, 5)


@pytest.fixture
def aged(tmp_path, monkeypatch):
    """3,000 entries made at 1000 s, 2000 s and 3000 s, and 100 of another recipe at 500 s."""
    with Cache.open(tmp_path) as cache:
        for age, first in ((1000, 0), (2000, 1000), (3000, 2000)):
            monkeypatch.setattr(time, "time", lambda age=age: age)
            put(cache, range(first, first + 1000))
        monkeypatch.setattr(time, "time", lambda: 500)
        put(cache, range(100), recipe=OTHER, dim=768)
        monkeypatch.setattr(time, "time", lambda: 4000)
        yield cache


def test_prune_by_age_and_recipe_gives_the_space_back(aged):
    result = aged.prune(recipes=[RECIPE], older_than=1500)
    assert (result.removed, result.kept, result.note) == (2000, 1100, None)
    assert result.bytes_after < result.bytes_before / 2
    assert hits(aged, range(3000)) == 1000 and hits(aged, range(2000)) == 0
    assert hits(aged, range(100), recipe=OTHER, dim=768) == 100
    assert aged.stats().bytes == result.bytes_after


@pytest.mark.parametrize("megabytes", [0, 1, 3, 5, 100])
def test_prune_to_a_size_takes_the_oldest_and_keeps_within_it(aged, megabytes):
    result = aged.prune(max_bytes=megabytes << 20)
    assert result.removed + result.kept == 3100
    others, mine = hits(aged, range(100), recipe=OTHER, dim=768), get(aged, range(3000)).hit
    assert others + mine.sum() == result.kept
    if result.removed:
        assert result.bytes_after <= (megabytes << 20) + 65536
        assert others == 0
        for older, newer in ((0, 1000), (1000, 2000)):
            assert not mine[older : older + 1000].any() or mine[newer : newer + 1000].all()
        assert result.bytes_after > 0.8 * (megabytes << 20)
    assert (result.removed == 0) == (megabytes == 100)


def test_prune_to_a_size_within_a_recipe_leaves_the_others(aged):
    result = aged.prune(recipes=[RECIPE], max_bytes=1 << 20)
    assert hits(aged, range(100), recipe=OTHER, dim=768) == 100
    assert 0 < result.kept - 100 < 1000


def test_prune_without_a_limit_removes_nothing(aged):
    assert aged.prune().removed == 0
    assert hits(aged, range(3000)) == 3000


@pytest.mark.parametrize("tidy", ["prune(older_than=-10)", "clear()"])
def test_space_is_not_given_back_under_another_process_and_that_is_said(tmp_path, tidy):
    with Cache.open(tmp_path) as cache:
        put(cache, range(2000))
        other = start(
            """
            cache = Cache.open(root)
            print("open", flush=True); input()
            assert hits(cache, range(2100)) == 0
            put(cache, range(2000, 2100)); assert hits(cache, range(2100)) == 100
            """,
            tmp_path,
        )
        wait_for(other, "open")
        result = eval(f"cache.{tidy}", {"cache": cache})
        assert (result.removed, result.kept) == (2000, 0)
        assert "another process has the cache open" in result.note
        assert result.bytes_after >= result.bytes_before
        _, err = other.communicate("go\n")
        assert other.returncode == 0, err
        assert hits(cache, range(2100)) == 100
        result = eval(f"cache.{tidy}", {"cache": cache})
        assert (result.removed, result.note) == (100, None)
        assert result.bytes_after < 1 << 20 < result.bytes_before


def test_other_caches_of_this_process_go_on_after_compaction(tmp_path):
    with Cache.open(tmp_path) as one, Cache.open(tmp_path) as two:
        put(one, range(1000))
        assert one.prune(recipes=[OTHER]).note is None
        two.clear()
        assert hits(one, range(1000)) == 0
        put(one, range(10))
        assert hits(two, range(1000)) == 10


def test_a_killed_compaction_leaves_the_cache_as_it_was(tmp_path):
    with Cache.open(tmp_path) as cache:
        put(cache, range(3000))
    code = """
        cache = Cache.open(root)
        Path.replace = lambda *_: os.kill(os.getpid(), 9)
        cache.prune(recipes=[b"recipe-A"], max_bytes=1 << 20)
        """
    process = start(code, tmp_path)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "v2.compact").exists()
    with Cache.open(tmp_path) as cache:
        assert 0 < hits(cache, range(3000)) < 1000
        assert cache.notes == []
        assert not (tmp_path / "v2.compact").exists()
