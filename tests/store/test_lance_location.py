"""What only a store in a folder has: files that others can damage, lock up or lose."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from veclab.errors import StoreError
from veclab.store.store import Store


@pytest.fixture
def full(folder_store):
    folder_store.add(["the cat sits", "a dog runs"], ids=["cat", "dog"])
    return folder_store


def test_a_users_folder_is_not_made_a_store(tmp_path, model):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="other things in it"):
        Store.open(tmp_path, model, create=True)


def test_a_newer_or_damaged_state_is_told(full, model):
    file = full.place.path / "store.json"
    state = json.loads(file.read_text())
    file.write_text(json.dumps(state | {"version": 99}))
    with pytest.raises(StoreError, match="newer veclab"):
        Store.open(full.place.path, model)
    whole = json.dumps(state)
    for half in ("", "{", whole[: len(whole) // 2], "[]", "null", '{"version": "x"}', "\0" * 99):
        file.write_text(half)
        with pytest.raises(StoreError, match=r"damaged.*index its input again"):
            Store.open(full.place.path, model)


@pytest.mark.parametrize("lost", ["_versions", "data", "_versions/*", "data/*"])
def test_lost_and_half_written_files_are_told_with_the_way_out(full, model, lost):
    (table,) = full.place.path.glob("*.lance")
    for path in list(table.glob(lost)):
        shutil.rmtree(path) if path.is_dir() else os.truncate(path, 10)
    with (
        pytest.raises(StoreError, match=r"cannot be used.*index its input again"),
        Store.open(full.place.path, model) as store,
    ):
        store.search("cat", mode="vector")
    for path in full.place.path.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with Store.open(full.place.path, model, create=True) as store:
        assert store.add(["the cat sits"], ids=["cat"]).added == 1


def _newer_space(state):
    state["live"]["space"]["version"] = 99


def _more_of_the_space(state):
    state["live"]["space"]["colour"] = "red"


def _more_of_the_table(state):
    state["live"]["colour"] = "red"


def _more_of_the_store(state):
    state["colour"] = "red"


@pytest.mark.parametrize(
    "change", [_newer_space, _more_of_the_space, _more_of_the_table, _more_of_the_store]
)
def test_what_a_newer_veclab_wrote_is_not_taken_for_damage(full, model, change):
    file = full.place.path / "store.json"
    state = json.loads(file.read_text())
    change(state)
    file.write_text(json.dumps(state))
    with pytest.raises(StoreError, match=r"written by a newer veclab.*pip install -U veclab") as e:
        Store.open(full.place.path, model)
    assert "damaged" not in str(e.value)


def test_a_lost_table_is_told(full, model):
    (table,) = full.place.path.glob("*.lance")
    table.rename(table.with_name("away"))
    with pytest.raises(StoreError, match="veclab store check"):
        Store.open(full.place.path, model).search("cat")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_store_can_be_searched(full, model):
    full.place.path.chmod(0o500)
    try:
        with Store.open(full.place.path, model) as reader:
            assert reader.search("dog")
            with pytest.raises(StoreError, match="cannot be written"):
                reader.add(["x"], ids=["x"])
    finally:
        full.place.path.chmod(0o700)
