"""Vectors are found in files of any origin; what is no vector file is refused with a reason."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veclab
from tests.fakes import FakeProvider
from veclab import InputError, Space, Vectors
from veclab.model import Model
from veclab.vectorfiles.source import ArrayVectors, open_vectors

ARRAY = np.arange(24, dtype=np.float32).reshape(6, 4) + 0.5


def whole(source):
    return np.concatenate([block.array for block in source.blocks()])


@pytest.fixture
def ours(tmp_path):
    vectors = Model(FakeProvider(max_tokens=4), None).embed(
        ["one", "two", "three four five six"], ids=["a", "b", "c"]
    )
    return vectors, tmp_path


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_our_own_files_come_with_all_they_say(ours, suffix):
    vectors, folder = ours
    source = open_vectors(vectors.save(folder / f"v{suffix}"))
    np.testing.assert_array_equal(whole(source), vectors.array)
    assert source.about.space == vectors.space
    assert source.names([2, 0]) == ["c", "a"]
    assert source.texts([1]) == ["two"]
    assert [t for part in source.all_texts() for t in part] == vectors.texts
    assert np.concatenate([b.truncated for b in source.blocks()]).tolist() == [False, False, True]
    assert np.concatenate([b.tokens for b in source.blocks()]).tolist() == [3, 3, 6]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float16()),
        pa.list_(pa.float32(), 4),
    ],
    ids=str,
)
def test_other_tools_parquet_files_are_read(tmp_path, kind):
    rows = pa.array([None if i == 2 else ARRAY[i].tolist() for i in range(6)], kind)
    table = pa.table({"key": list(range(6)), "emb": rows, "content": list("abcdef")})
    pq.write_table(table, tmp_path / "v.parquet")
    source = open_vectors(tmp_path / "v.parquet")
    assert (source.about.column, source.about.rows, source.about.dimensions) == ("emb", 6, 4)
    assert source.about.space is None
    block = next(source.blocks())
    assert block.missing.tolist() == [False, False, True, False, False, False]
    assert np.isnan(block.array[2]).all()
    np.testing.assert_array_equal(block.array[[0, 1, 3, 4, 5]], ARRAY[[0, 1, 3, 4, 5]])
    assert source.texts([5, 0]) == ["f", "a"]
    assert source.names([5]) == ["row 6"]


def test_files_of_several_batches_are_read_in_order(tmp_path):
    array = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), 3)
    pq.write_table(pa.table({"id": range(20_000), "v": rows}), tmp_path / "v.parquet")
    source = open_vectors(tmp_path / "v.parquet")
    np.testing.assert_array_equal(whole(source), array)
    assert source.names([19_999, 0, 8192, 8192]) == ["19999", "0", "8192", "8192"]


def test_numpy_files_are_read(tmp_path):
    np.save(tmp_path / "v.npy", ARRAY.astype(np.float64))
    np.savez(tmp_path / "v.npz", vectors=ARRAY, labels=np.arange(6))
    for name in ("v.npy", "v.npz"):
        source = open_vectors(tmp_path / name)
        np.testing.assert_array_equal(whole(source), ARRAY)
        assert source.about.space is None
        assert source.texts([1]) == [None]
        assert list(source.all_texts()) == []


def test_the_column_is_asked_for_where_several_would_do(tmp_path):
    table = pa.table({"title": ARRAY.tolist(), "body": ARRAY.tolist()})
    pq.write_table(table, tmp_path / "v.parquet")
    with pytest.raises(InputError, match="several columns of vectors: title, body"):
        open_vectors(tmp_path / "v.parquet")
    assert open_vectors(tmp_path / "v.parquet", column="body").about.column == "body"
    with pytest.raises(InputError, match="no column 'bdy'; its columns are title, body"):
        open_vectors(tmp_path / "v.parquet", column="bdy")


def test_a_column_of_a_usual_name_goes_first(tmp_path):
    table = pa.table({"embedding": ARRAY.tolist(), "boxes": ARRAY.tolist(), "n": [[1]] * 6})
    pq.write_table(table, tmp_path / "v.parquet")
    assert open_vectors(tmp_path / "v.parquet").about.column == "embedding"


def test_vectors_of_two_lengths_are_refused_with_the_row(tmp_path):
    rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0, 7.0]]
    pq.write_table(pa.table({"v": rows}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match="row 3: a vector of 3 dimensions"):
        whole(open_vectors(tmp_path / "v.parquet"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.parquet", None, "there is no file"),
        ("v.csv", b"1,2", "vectors are read from .parquet"),
        ("v.parquet", b"PAR1 not really", "not a complete Parquet file"),
        ("v.npy", b"not numpy", "not a complete numpy file"),
        ("v.npz", b"not a zip", "not a complete numpy file"),
    ],
)
def test_what_is_no_vector_file_is_refused(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        open_vectors(tmp_path / name)


def test_pickled_and_flat_arrays_are_refused(tmp_path):
    np.save(tmp_path / "p.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "f.npy", np.arange(5.0))
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="not a complete numpy file"):
        open_vectors(tmp_path / "p.npy")
    with pytest.raises(InputError, match="a two-dimensional array"):
        open_vectors(tmp_path / "f.npy")
    with pytest.raises(InputError, match="no column of vectors"):
        open_vectors(tmp_path / "t.parquet")


def test_vectors_in_memory_are_a_source_too():
    space = Space("test", "x", 4)
    source = ArrayVectors.of(Vectors(ARRAY, space, ids=list("abcdef")))
    np.testing.assert_array_equal(whole(source), ARRAY)
    assert source.names([5]) == ["f"]
    assert not source.about.has_texts
    assert veclab.audit(Vectors(ARRAY, space, ids=list("abcdef"))).about.rows == 6
