"""What only a store in a folder has: files that others can damage, lock up or lose."""

from __future__ import annotations

import json
import os

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
    file.write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        Store.open(full.place.path, model)


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
