"""The stores that a process has open: one a directory, and none that nobody uses."""

import gc
from contextlib import suppress
from pathlib import Path

import pytest

from veclab.cache import Cache, registry


def opened_in(folder):
    """The files in a folder that this process has open."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own, closed by now
            names.append(str(link.readlink()))
    return [name for name in names if name.startswith(str(folder))]


def test_caches_of_one_directory_share_a_store_that_the_last_one_closes(tmp_path):
    one, two = Cache.open(tmp_path), Cache.open(tmp_path)
    store = one.store
    assert two.store is store
    one.close()
    one.close()
    assert not store.closed
    two.close()
    assert store.closed


def test_a_cache_that_nobody_closed_is_closed_when_the_next_is_opened(tmp_path):
    stores = [Cache.open(tmp_path / str(n)).store for n in range(3)]
    gc.collect()
    with Cache.open(tmp_path / "3") as last:
        assert [store.closed for store in stores] == [True] * 3
        assert not last.store.closed


def test_a_forgotten_cache_closes_nothing_that_another_uses(tmp_path):
    kept = Cache.open(tmp_path)
    for _ in range(3):
        Cache.open(tmp_path)
        gc.collect()
    with Cache.open(tmp_path / "other"):
        assert not kept.store.closed
        assert kept.store.references == 1
    kept.close()
    assert not [path for path in registry._stores if path.is_relative_to(tmp_path)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_file_stays_open(tmp_path):
    for n in range(3):
        Cache.open(tmp_path / str(n))
    gc.collect()
    Cache.open(tmp_path / "last").close()
    assert opened_in(tmp_path) == []
