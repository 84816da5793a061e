"""Looking after a store: inspect, compact, export, check."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

import veclab
from tests.documents.making import make_pdf
from veclab.errors import StoreError
from veclab.store.index import index
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


@pytest.mark.parametrize("how", ["gone", "short"])
def test_a_lost_index_is_found_and_built_again(folder_store, how):
    folder_store.add(["the cat sits", "a dog runs"], ids=["cat", "dog"])
    for file in [p for p in folder_store.place.path.rglob("_indices/*/*") if p.is_file()]:
        file.unlink() if how == "gone" else os.truncate(file, 10)
    with Store.open(folder_store.place.path, folder_store.model) as again:
        with pytest.raises(StoreError, match="veclab store check"):
            again.search("running", mode="keyword")
        (bad,) = [finding for finding in check(again) if not finding.good]
        assert (bad.what, "store compact" in bad.seen) == ("indices", True)
        assert compact(again)["indices_rebuilt"] == ["words"]
        assert again.search("running", mode="keyword")[0].passage.id == "dog"
        assert all(finding.good for finding in check(again))


def test_an_export_is_indexed_again_as_the_store_was(full, model, tmp_path):
    full.add(["a chunk", "another"], ids=["d", "e"])
    export(full, tmp_path / "out.parquet")
    with Store.open(tmp_path / "again", model, create=True) as again:
        index(again, tmp_path / "out.parquet")
        for store in (again, full):
            store.refresh()
        columns = ["id", "document", "digest", "embedded", "text", "file", "start", "embedding"]
        one, two = (
            sorted((row for part in s.table.scan(columns) for row in part.to_pylist()), key=str)
            for s in (again, full)
        )
        assert one == two
        assert index(again, tmp_path / "out.parquet").unchanged == 4
        assert again.search("text a")[0].passage.fields == {"odd name": "a"}


def test_chunks_of_a_document_keep_their_places_in_an_export(folder_store, model, tmp_path):
    (tmp_path / "docs").mkdir()
    page = [f"line {n} of the page" for n in range(40)]
    (tmp_path / "docs" / "a.pdf").write_bytes(make_pdf([page, page], outline=[("One", 0)]))
    index(folder_store, tmp_path / "docs", chunk_size=40)
    export(folder_store, tmp_path / "out.parquet")
    with Store.open(tmp_path / "again", model, create=True) as again:
        done = index(again, tmp_path / "out.parquet")
        assert (done.added, done.report) == (1, None)
        here, there = (
            sorted((hit.passage for hit in s.search("line page", top=100)), key=lambda p: p.id)
            for s in (again, folder_store)
        )
        assert here == there
        assert any(passage.boxes for passage in here)


def test_a_passage_over_a_page_break_names_both_pages(folder_store, tmp_path):
    (tmp_path / "docs").mkdir()
    pages = [["It begins on the first page and goes"], ["on over the break to the second."]]
    (tmp_path / "docs" / "a.pdf").write_bytes(make_pdf(pages))
    index(folder_store, tmp_path / "docs")
    (hit,) = folder_store.search("break")
    assert (hit.passage.page, hit.passage.last_page) == (1, 2)
    assert "pp. 1–2" in hit.passage.place
    assert hit.to_dict()["last_page"] == 2
