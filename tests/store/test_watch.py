"""A folder that is watched."""

from __future__ import annotations

from threading import Event

import pytest

from veclab.errors import InputError, StoreError
from veclab.store import watch as watching
from veclab.store.watch import watch

pytest.importorskip("watchfiles", reason="needs veclab[store]")


def test_changes_are_taken_in_until_it_is_stopped(store, tmp_path):
    folder, stop, runs = tmp_path / "notes", Event(), []
    folder.mkdir()
    (folder / "a.txt").write_text("first")

    def on_indexed(done):
        runs.append(done)
        if len(runs) == 1:
            (folder / "b.txt").write_text("second")
        elif len(runs) == 2:
            (folder / "a.txt").unlink()
        else:
            stop.set()

    watch(store, folder, on_indexed=on_indexed, stop=stop, settle=50)
    assert [(r.added, r.removed) for r in runs] == [(1, 0), (1, 0), (0, 1)]
    assert store.count() == 1


def test_a_run_that_fails_is_told_and_the_watch_goes_on(store, tmp_path, monkeypatch):
    folder, stop, told = tmp_path / "notes", Event(), []
    folder.mkdir()
    (folder / "a.txt").write_text("first")

    def fail(*args, **options):
        raise StoreError("the disk is full")

    def on_indexed(done):
        monkeypatch.setattr(watching, "index", fail)
        (folder / "b.txt").write_text("second")

    def on_error(error):
        told.append(str(error))
        stop.set()

    watch(store, folder, on_indexed=on_indexed, on_error=on_error, stop=stop, settle=50)
    assert told == ["the disk is full"]


def test_only_folders_are_watched(store, tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        watch(store, tmp_path / "nothing")
