"""Passages that `veclab embed --chunks` wrote: in a store they keep their documents and places."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from veclab.corpus.embed_file import embed_file
from veclab.errors import InputError
from veclab.store.index import index
from veclab.vectors import Vectors

LONG = " ".join(f"word{n}" for n in range(100)) + " the zebra is at the end"


@pytest.fixture
def passages(tmp_path, model):
    """A function that embeds texts as passages, and gives the file."""

    def write(**texts):
        rows = [{"id": name, "text": text, "year": 2020} for name, text in texts.items()]
        (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        embed_file(model, tmp_path / "texts.jsonl", tmp_path / "passages.parquet", chunks=True)
        return tmp_path / "passages.parquet"

    return write


def test_a_passage_says_of_which_document_it_is_and_where_it_stands(store, passages, provider):
    file = passages(long=LONG, short="a dog")
    provider.batches.clear()
    done = index(store, file)
    assert (done.added, done.passages > 2, provider.batches) == (2, True, [])
    found = store.search("zebra", mode="keyword")[0].passage
    assert (found.document, found.fields) == ("long", {"year": 2020})
    assert LONG[found.start : found.end] == found.text
    assert index(store, file).unchanged == 2


def test_a_document_changes_and_goes_with_all_its_passages(store, passages):
    index(store, passages(long=LONG, short="a dog"))
    done = index(store, passages(long=LONG.replace("zebra", "okapi"), other="a cat"))
    assert (done.added, done.changed, done.removed, done.unchanged) == (1, 1, 1, 0)
    assert not store.search("zebra", mode="keyword")
    assert store.search("okapi", mode="keyword")[0].passage.document == "long"


def test_passages_from_memory(store, model):
    texts = ["one two", "three four", "five"]
    columns = pa.table({"document": ["a", "b", "a"], "start": [0, 0, 8], "end": [7, 10, 12]})
    vectors = Vectors(model.embed(texts).array, store.model.space, ids=["x", "y", "z"],
                      texts=texts, columns=columns)  # fmt: skip
    with pytest.raises(InputError, match="the passages of 'a' do not stand together"):
        store.add_vectors(vectors)
    assert store.add_vectors(vectors[:2]).added == 2
    assert store.search("three", mode="keyword")[0].passage.document == "b"


def test_columns_of_these_names_that_are_something_else_are_told(store, model):
    columns = pa.table({"document": ["a"], "start": ["monday"], "end": ["friday"]})
    array = np.ones((1, 8), np.float32)
    with pytest.raises(InputError, match="'document' is the store's own; rename yours"):
        store.add_vectors(Vectors(array, model.space, ids=["x"], texts=["t"], columns=columns))
