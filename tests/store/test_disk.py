"""Disks that are full or read-only, on a file system of the test's own."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess

import pytest

from veclab.errors import StoreError
from veclab.store.maintain import check
from veclab.store.store import Store


@pytest.fixture
def disk(tmp_path):
    """An empty disk of 2 MB."""
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root mounts a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = [mount, "-t", "tmpfs", "-o", "size=2m", "none", folder]
    if subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def full(disk, model):
    with Store.open(disk / "store", model, create=True) as store:
        store.add(["the cat sits", "a dog runs"], ids=["cat", "dog"])
        yield store


def fill(disk):
    """Write until nothing more has room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return filler


def test_a_full_disk_is_told_and_leaves_the_old_state(full, disk, model):
    filler = fill(disk)
    with pytest.raises(StoreError, match=r"(?i)no space left"):
        full.add(["the cat sleeps", "a horse"] * 20, ids=["cat", *(f"n{i}" for i in range(39))])
    with Store.open(disk / "store", model) as reader:
        assert reader.count() == 2
        assert reader.search("cat", mode="keyword")[0].passage.text == "the cat sits"
        assert all(finding.good for finding in check(reader))
    filler.unlink()
    full.add(["the cat sleeps", "a horse"], ids=["cat", "horse"])
    assert full.count() == 3
    assert full.search("sleeps", mode="keyword")[0].passage.id == "cat"


def test_a_new_store_on_a_full_disk_is_told(disk, model):
    filler = fill(disk)
    with (
        pytest.raises(StoreError, match=r"(?i)no space left"),
        Store.open(disk / "store", model, create=True) as store,
    ):
        store.add(["x"], ids=["x"])
    filler.unlink()
    with Store.open(disk / "store", model, create=True) as store:
        store.add(["x"], ids=["x"])
        assert store.count() == 1


def test_a_store_on_a_read_only_disk_is_searched_and_not_written(full, disk, model):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with Store.open(disk / "store", model) as reader:
        assert reader.search("dog")[0].passage.id == "dog"
        assert all(finding.good for finding in check(reader))
        with pytest.raises(StoreError, match=r"cannot be written: Read-only"):
            reader.add(["x"], ids=["x"])
