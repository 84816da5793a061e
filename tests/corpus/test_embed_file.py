"""From a file of texts to a file of vectors."""

import gzip
import json

import numpy as np
import pytest

import veclab
from tests.fakes import FakeProvider
from veclab import InputError, OutputError, read
from veclab.corpus import open_source
from veclab.corpus.embed_file import embed_file
from veclab.model import Model


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl.gz"
    rows = [{"id": f"r{i}", "body": f"text {i % 50}", "n": i, "tags": ["x"]} for i in range(120)]
    rows[7]["body"] = ""
    rows[9]["body"] = "half a pair \ud83d here"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_rows_ids_and_own_columns_stay_together(corpus, tmp_path, model, provider):
    report = embed_file(model, open_source(corpus, column="body"), tmp_path / "v.parquet")
    vectors = read(tmp_path / "v.parquet")
    assert len(vectors) == 119
    assert vectors.columns["n"].to_pylist() == [i for i in range(120) if i != 7]
    assert vectors.columns["tags"].to_pylist() == [["x"]] * 119
    for row in vectors:
        expected = provider.vector(row.text)
        np.testing.assert_allclose(row.embedding, expected / np.linalg.norm(expected), atol=1e-6)
    assert vectors.ids[9] == "r10"
    assert vectors.texts[8] == "half a pair \ufffd here"
    assert report.empty_ids == ["r7"]
    assert report.distinct == 51
    assert vectors.report == report


def test_a_second_run_takes_every_vector_from_the_cache(corpus, tmp_path, model, provider):
    source = open_source(corpus, column="body")
    embed_file(model, source, tmp_path / "a.parquet")
    provider.batches.clear()
    report = embed_file(model, source, tmp_path / "b.parquet")
    assert provider.batches == []
    assert report.cached == report.distinct == 51
    first, second = read(tmp_path / "a.parquet"), read(tmp_path / "b.parquet")
    np.testing.assert_array_equal(first.array, second.array)


def test_a_failure_leaves_no_file_and_keeps_what_was_computed(corpus, tmp_path, cache):
    class Failing(FakeProvider):
        def embed_batch(self, batch, role):
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().embed_batch(batch, role)

    failing, rest = Failing(), FakeProvider()
    source = open_source(corpus, column="body")
    with pytest.raises(KeyboardInterrupt):
        embed_file(Model(failing, cache), source, tmp_path / "v.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus.jsonl.gz", "home"]
    embed_file(Model(rest, cache), source, tmp_path / "v.parquet")
    assert sorted(failing.embedded + rest.embedded) == sorted(set(failing.embedded + rest.embedded))
    assert len(read(tmp_path / "v.parquet")) == 119


def test_a_file_of_vectors_can_be_embedded_again_with_another_model(corpus, tmp_path, model):
    embed_file(model, open_source(corpus, column="body"), tmp_path / "a.parquet")
    other = Model(FakeProvider(name="other"), None)
    report = embed_file(other, open_source(tmp_path / "a.parquet"), tmp_path / "b.parquet")
    again = read(tmp_path / "b.parquet")
    assert again.space == other.space
    assert again.columns.column_names == ["n", "tags"]
    assert any("left out" in note for note in report.notes)


def test_the_output_must_be_a_file_of_vectors_in_a_folder_that_is_there(corpus, tmp_path, model):
    source = open_source(corpus, column="body")
    with pytest.raises(InputError, match=r"must end in \.parquet"):
        embed_file(model, source, tmp_path / "v.xlsx")
    with pytest.raises(OutputError, match="mkdir -p"):
        embed_file(model, source, tmp_path / "none" / "v.parquet")


def test_without_a_cache_it_is_said(corpus, tmp_path):
    report = embed_file(
        Model(FakeProvider(), None), open_source(corpus, column="body"), tmp_path / "v.parquet"
    )
    assert any("no cache" in note for note in report.notes)


def test_a_path_is_opened_with_the_columns_that_are_named(model, tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"key": "x", "body": "a cat"}\n{"key": "y", "body": "a dog"}\n')
    veclab.embed_file(model, path, tmp_path / "v.parquet", column="body", id_column="key")
    vectors = read(tmp_path / "v.parquet")
    assert (list(vectors.ids), list(vectors.texts)) == (["x", "y"], ["a cat", "a dog"])
    assert veclab.plan_file(model, str(path), column="body").texts == 2
    with pytest.raises(InputError, match="go with a path"):
        veclab.embed_file(
            model, veclab.open_source(path, column="key"), tmp_path / "w.parquet", column="body"
        )
