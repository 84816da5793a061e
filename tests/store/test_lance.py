"""Exact search over a folder's table: streamed the first time, from memory afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from veclab.store.passage import Passage
from veclab.store.rows import to_rows
from veclab.store.store import Store


def test_the_first_search_and_those_from_memory_find_the_same(folder_store, model, monkeypatch):
    monkeypatch.setattr("veclab.store.lance._BLOCK", 7)
    texts = [f"word{i} word{i % 5} word{i % 3}" for i in range(60)]
    for start in (0, 20, 40):  # a file each
        ids = [f"t{i}" for i in range(start, start + 20)]
        folder_store.add(texts[start : start + 20], ids=ids)
    folder_store.delete([f"t{i}" for i in range(0, 60, 4)])  # rows gone from the middle of files
    folder_store.add(["word3 changed"], ids=["t3"])
    vector = folder_store.embed_query("word3 word4")
    for where in (None, "id != 't8' and id != 't9'"):
        with Store.open(folder_store.place.path, model) as store:
            streamed, kept, again = (
                store.search("-", mode="vector", vector=vector, top=45, where=where)
                for _ in range(3)
            )
            assert store.table._matrix is not None
        assert len(streamed) == (45 if where is None else 44)
        assert [h.passage.id for h in streamed] == [h.passage.id for h in kept]
        np.testing.assert_allclose([h.score for h in streamed], [h.score for h in kept], atol=1e-6)
        assert [h.passage.id for h in again] == [h.passage.id for h in kept]
        own = {text.passage.id: text.passage.text for text in streamed}
        assert "t4" not in own
        assert own["t3"] == "word3 changed"


def test_a_process_that_searches_once_keeps_no_matrix(folder_store, model):
    folder_store.add(["one text", "two text"])
    with Store.open(folder_store.place.path, model) as store:
        store.search("text")
        assert store.table._matrix is None


def test_rows_of_long_texts_are_written_before_they_fill_the_memory(folder_store, monkeypatch):
    folder_store.add(["the cat"], ids=["cat"])
    table, most = folder_store.table, 1_000_000
    monkeypatch.setattr("veclab.store.lance_write._WRITE_BYTES", most)
    made, held = [], [0]
    write_fragments = pytest.importorskip("lance.fragment").write_fragments

    def write(rows, *args, **options):
        held.append(rows.nbytes)
        return write_fragments(rows, *args, **options)

    def rows():
        for number in range(40):
            texts = [Passage(f"{number}-{i}", f"{number}", "long " * 2000) for i in range(20)]
            vectors = np.ones((len(texts), 8), np.float32)
            made.extend(texts)
            yield to_rows(table.schema, texts, vectors, source="", digests=["d"] * len(texts))

    monkeypatch.setattr("lance.fragment.write_fragments", write)
    folder_store.commit((), rows())
    assert max(held) < 1.5 * most < sum(held) / 5
    assert folder_store.count() == 1 + len(made)
