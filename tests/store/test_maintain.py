"""Looking after a store: inspect, compact, export, check."""

from __future__ import annotations

from datetime import timedelta

import pytest

import veclab
from veclab.store.maintain import check, compact, export, inspect
from veclab.store.store import Store


@pytest.fixture
def full(store):
    for name in ("a", "b", "c"):
        store.add([f"text {name}"], ids=[name], fields={"odd name": [name]})
    store.delete("b")
    return store


def test_inspect_shows_what_is_in_it(full):
    facts = inspect(full)
    assert (facts["passages"], facts["documents"]) == (2, 2)
    assert facts["fields"] == {"odd name": "text"}
    assert facts["vector_search"] == "exact"


def test_compact_keeps_what_is_there_and_an_open_reader_goes_on(full, model, address):
    with Store.open(address, model) as reader:
        reader.search("text a")
        compact(full, keep=timedelta(0))
        assert {hit.passage.id for hit in reader.search("text")} == {"a", "c"}
    assert inspect(full)["versions_kept"] == 1


def test_an_export_has_the_space_and_the_fields(full, tmp_path):
    assert export(full, tmp_path / "out.parquet") == 2
    vectors = veclab.read(tmp_path / "out.parquet")
    assert vectors.space == full.space
    assert dict(zip(vectors.ids, vectors.columns["odd name"].to_pylist(), strict=True)) == {
        "a": "a",
        "c": "c",
    }
    assert vectors.columns["document"].to_pylist() == list(vectors.ids)


def test_a_sound_store_is_found_sound(full):
    assert all(finding.good for finding in check(full))


def test_check_finds_a_file_that_was_cut_short(folder_store):
    folder_store.add(["text"], ids=["a"])
    for file in folder_store.place.path.rglob("data/*.lance"):
        file.write_bytes(file.read_bytes()[:40])
    with Store.open(folder_store.place.path) as again:
        assert not all(finding.good for finding in check(again))
