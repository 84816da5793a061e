"""Formats without a place for the Space: the same bits and the same Space come back, or nothing."""

import csv
import json

import numpy as np
import pyarrow as pa
import pytest

from tests.test_vectors import make
from veclab import InputError, audit, read
from veclab.corpus import open_source
from veclab.corpus.embed_file import embed_file
from veclab.similarities.nearest_in_file import nearest_in_file
from veclab.vectorfiles.foreign import foreign_vectors
from veclab.vectorfiles.sidecar import SUFFIXES, beside
from veclab.vectorfiles.source import open_own
from veclab.vectorfiles.summary import summarize

TEXTS = ["", "a", "é\n", 'q "x", y', "x" * 1000, "😀", "z"]
OWN = pa.table({"n": [1, None, 3, 4, 5, 6, 7], "tags": [["a"], [], None, ["b"], [], [], []]})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_bits_and_the_same_space(tmp_path, suffix):
    vectors = make(7, columns=OWN, texts=TEXTS)
    vectors.array[0, :3] = [np.float32(1 / 3), np.float32(1e-30), np.nextafter(np.float32(1), 2)]
    again = read(vectors.save(tmp_path / f"v{suffix}"))
    np.testing.assert_array_equal(again.array, vectors.array)
    assert again.space == vectors.space and list(again.ids) == list(vectors.ids)
    assert list(again.texts) == TEXTS and again.columns.equals(OWN)
    np.testing.assert_array_equal(again.tokens, vectors.tokens)
    np.testing.assert_array_equal(again.truncated, vectors.truncated)


def test_other_tools_read_them(tmp_path):
    vectors = make(7, columns=OWN, texts=TEXTS)
    for suffix in SUFFIXES:
        vectors.save(tmp_path / f"v{suffix}")
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), vectors.array)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy", mmap_mode="r"), vectors.array)
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").open(encoding="utf-8")]
    assert lines[3]["text"] == TEXTS[3] and lines[0]["tags"] == ["a"]
    np.testing.assert_array_equal(np.float32([one["embedding"] for one in lines]), vectors.array)
    with (tmp_path / "v.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[3]["text"] == TEXTS[3] and rows[0]["tags"] == '["a"]'
    np.testing.assert_array_equal(
        np.float32([json.loads(row["embedding"]) for row in rows]), vectors.array
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_does_not_belong_together_is_refused(tmp_path, suffix):
    path = make(3).save(tmp_path / f"v{suffix}")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="one of the two was changed"):
        read(path)
    other = make(4).save(tmp_path / f"w{suffix}")
    beside(other).replace(beside(path))
    with pytest.raises(InputError, match="one of the two was changed"):
        read(path)
    beside(path).unlink()
    with pytest.raises(InputError):
        read(path)
    assert (foreign_vectors(path) is not None) == (suffix == ".npy")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npz", ".parquet"])
def test_every_way_that_files_of_vectors_are_used(tmp_path, model, suffix):
    (tmp_path / "a.txt").write_text("one\ntwo\n\nthree\n" + "more\n" * 3)
    out = tmp_path / f"v{suffix}"
    report = embed_file(model, tmp_path / "a.txt", out)
    vectors = read(out)
    expected = model.embed(["one", "two", "three", "more", "more", "more"])
    np.testing.assert_array_equal(vectors.array, expected.array)
    assert report.empty == 1 and vectors.space == model.space
    assert summarize(out).rows == 6
    assert audit(out, prove=False)["space"].severity == "ok"
    found = nearest_in_file(model.embed(["three"]), open_own(out), 1)
    assert found.ids[int(found.positions[0, 0])] == "4"


def test_no_vectors_at_all(tmp_path, model):
    (tmp_path / "a.txt").write_text("\n\n")
    for suffix in (*SUFFIXES, ".npz"):
        embed_file(model, tmp_path / "a.txt", tmp_path / f"v{suffix}")
        assert read(tmp_path / f"v{suffix}").array.shape == (0, model.space.dimensions)


def test_an_archive_refuses_columns_before_anything_is_embedded(tmp_path, model, provider):
    (tmp_path / "a.csv").write_text("text,section\none,x\n")
    with pytest.raises(InputError, match="section"):
        embed_file(model, tmp_path / "a.csv", tmp_path / "v.npz")
    with pytest.raises(InputError, match="must end in"):
        embed_file(model, tmp_path / "a.csv", tmp_path / "v.xlsx")
    assert not provider.batches
    source = open_source(tmp_path / "a.csv", drop=["section"])
    embed_file(model, source, tmp_path / "v.npz")
