"""A home on a network file system: the cache lies elsewhere, and that is said."""

import numpy as np
import pytest

from tests.fakes import FakeProvider
from veclab.cache import Cache, location
from veclab.errors import CacheError
from veclab.model import Model, open_cache


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    """A function that says what is mounted where: the table of this system's mounts."""
    table = tmp_path / "mounts"
    monkeypatch.setattr(location, "_MOUNTS", table)

    def write(*rows):
        lines = [f"source {where} {kind} rw,relatime 0 0" for where, kind in [("/", "ext4"), *rows]]
        table.write_text("\n".join(lines) + "\n")

    return write


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("nfs", True), ("nfs4", True), ("cifs", True), ("smb3", True), ("9p", True),
        ("fuse.sshfs", True), ("fuse.rclone", True), ("lustre", True), ("virtiofs", True),
        ("ext4", False), ("xfs", False), ("btrfs", False), ("tmpfs", False), ("overlay", False),
        ("zfs", False), ("fuseblk", False), ("fuse.fuse-overlayfs", False), ("apfs", False),
    ],
)  # fmt: skip
def test_kinds_of_file_systems(mounts, tmp_path, kind, remote):
    mounts((tmp_path, kind))
    assert location.remote_kind(tmp_path / "deep/er") == (kind if remote else None)


def test_the_deepest_mount_counts_and_the_last_of_equals(mounts, tmp_path):
    mounts((tmp_path, "nfs"), (tmp_path / "local disk", "ext4"))
    assert location.remote_kind(tmp_path / "x") == "nfs"
    # The kernel writes blanks in octal.
    mounts((tmp_path, "nfs"), (f"{tmp_path}/local\\040disk", "ext4"))
    assert location.remote_kind(tmp_path / "local disk" / "cache") is None
    mounts((tmp_path, "autofs"), (tmp_path, "nfs4"))
    assert location.remote_kind(tmp_path) == "nfs4"
    mounts((f"{tmp_path}/a", "nfs"))
    assert location.remote_kind(tmp_path / "ab") is None


def test_a_link_is_followed(mounts, tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "net")
    mounts((tmp_path / "net", "nfs"))
    assert location.remote_kind(tmp_path / "home/cache") == "nfs"


def test_where_the_table_cannot_be_read_nothing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(location, "_MOUNTS", tmp_path / "missing")
    assert location.remote_kind(tmp_path) is None


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A folder of this machine where everybody may make folders."""
    folder = tmp_path / "var"
    folder.mkdir()
    monkeypatch.setattr(location.tempfile, "gettempdir", lambda: str(folder))
    return folder


def test_a_home_on_nfs_has_its_cache_on_a_local_disk(mounts, local, home, provider):
    mounts((home, "nfs4"), ("/var/tmp", "nfs4"))
    with Cache.open() as cache:
        assert cache.path.parent.parent == local
        assert cache.path.parent.stat().st_mode & 0o777 == 0o700
        model = Model(provider, cache)
        first = model.embed(["a", "b"])
    assert not (home / "cache").exists()
    [note] = [note for note in first.report.notes if "network file system" in note]
    assert "(nfs4)" in note and str(local) in note and "VECLAB_HOME" in note
    with Cache.open() as cache, Cache.open() as again:
        assert again.notes == cache.notes == [note]  # said once
        second = Model(FakeProvider(), cache).embed(["a", "b"])
    assert second.report.cached == 2
    np.testing.assert_array_equal(first.array, second.array)


def test_what_the_network_home_had_can_be_taken_over(mounts, local, home, provider):
    with Cache.open() as cache:
        Model(provider, cache).embed(["a", "b"])
    mounts((home, "nfs4"), ("/var/tmp", "nfs4"))
    with Cache.open() as cache:
        assert f"veclab cache repair {home}/cache/v2" in cache.notes[0]
        assert cache.repair(home / "cache" / "v2").added == 2


def test_a_folder_that_others_could_have_put_there_is_not_used(mounts, local, home):
    mounts((home, "nfs4"), ("/var/tmp", "nfs4"))
    with Cache.open() as cache:
        root = cache.path.parent
    root.chmod(0o777)
    with pytest.raises(CacheError, match="Set VECLAB_HOME to a folder on a local disk"):
        Cache.open()


def test_a_cache_that_the_user_put_on_nfs_is_refused_and_the_run_goes_on(mounts, tmp_path):
    mounts((tmp_path / "net", "cifs"))
    with pytest.raises(CacheError, match=r"network file system \(cifs\).*Name a folder on a local"):
        Cache.open(tmp_path / "net")
    with pytest.warns(UserWarning, match="running without a cache"):
        cache, [note] = open_cache(tmp_path / "net")
    assert cache is None and "network file system" in note
