"""Search in a file finds what search in memory finds, and reads no more than it needs."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from veclab import InputError, Space, SpaceMismatch, Vectors, nearest
from veclab.similarities.nearest_in_file import nearest_in_file
from veclab.vectorfiles.files import ParquetSink
from veclab.vectorfiles.parquet import ParquetVectors
from veclab.vectorfiles.source import open_own

SPACE = Space("fake", "model", 8, weights="aa", normalized=False)


def make(n, space=SPACE, seed=0, **changes):
    array = np.random.default_rng(seed).normal(size=(n, space.dimensions)).astype(np.float32)
    array[n // 2 :] = array[: n - n // 2]  # equal scores
    parts = {
        "array": array,
        "space": space,
        "ids": [f"row {i}" for i in range(n)],
        "texts": [f"text {i}" for i in range(n)],
    }
    return Vectors(**parts | changes)


def write(path, vectors, rows):
    """In row groups of that many rows."""
    with ParquetSink(path, vectors.space) as sink:
        for start in range(0, len(vectors), rows):
            sink.write(vectors[start : start + rows])
        sink.finish(None)
    return open_own(path)


@pytest.mark.parametrize("measure", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize(
    ("n", "rows", "k"), [(100, 7, 5), (100, 100, 200), (3, 2, 1), (9000, 9000, 4)]
)
def test_finds_what_is_found_in_memory(tmp_path, measure, n, rows, k):
    vectors, queries = make(n), make(5, seed=1)
    found = nearest_in_file(queries, write(tmp_path / "v.parquet", vectors, rows), k, measure)
    expected = nearest(queries, vectors, k, measure)
    np.testing.assert_array_equal(found.positions, expected.positions)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    assert [[m.id for m in row] for row in found] == [[m.id for m in row] for row in expected]
    assert found[0][0].text == expected[0][0].text
    assert repr(found) == repr(expected)


def test_files_without_texts_and_npz(tmp_path):
    vectors, queries = make(20, texts=None), make(2, seed=1)
    for source in (
        write(tmp_path / "v.parquet", vectors, 6),
        open_own(vectors.save(tmp_path / "v.npz")),
    ):
        found = nearest_in_file(queries, source, 3)
        assert found.texts is None
        assert found[1][0].id == nearest(queries, vectors, 3)[1][0].id


def test_only_the_winners_row_groups_give_ids_and_texts(tmp_path, monkeypatch):
    vectors = make(100)
    source = write(tmp_path / "v.parquet", vectors, 10)
    read, asked = ParquetVectors._read, []

    def counted(file, columns, groups):
        asked.extend((columns, group) for group in groups)
        return read(file, columns, groups)

    monkeypatch.setattr(ParquetVectors, "_read", staticmethod(counted))
    found = nearest_in_file(vectors[[31]], source, 1)
    assert found[0][0].id == "row 31"
    assert [what for what in asked if what[0] == ["id"]] == [(["id"], 3)]
    assert [what for what in asked if what[0] == ["text"]] == [(["text"], 3)]


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Of numpy's and Python's; Arrow streams its own."""
    space = Space("fake", "model", 64, weights="aa")
    vectors = make(8192, space)
    for copies in (4, 16):
        with ParquetSink(tmp_path / f"{copies}.parquet", space) as sink:
            for _ in range(copies):
                sink.write(vectors)
            sink.finish(None)
    peaks = []
    for copies in (4, 16):
        source = open_own(tmp_path / f"{copies}.parquet")
        tracemalloc.start()
        nearest_in_file(vectors[:1], source, 3)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_what_cannot_be_compared_is_refused_by_name(tmp_path):
    queries = make(2, seed=1)
    with pytest.raises(SpaceMismatch):
        other = Space("fake", "other", 8, weights="bb")
        nearest_in_file(queries, write(tmp_path / "o.parquet", make(9, other), 4))
    for value, fault in ((np.nan, "not finite"), (0, "zero")):
        array = make(9).array.copy()
        array[7] = value
        bad = write(tmp_path / "b.parquet", make(9, array=array), 4)
        with pytest.raises(InputError, match=f"vectors of b.parquet .*{fault}.*row 7"):
            nearest_in_file(queries, bad)
    with pytest.raises(InputError, match="k must be 1"):
        nearest_in_file(queries, write(tmp_path / "v.parquet", make(9), 4), 0)


def test_own_columns_of_numbers_are_no_vectors(tmp_path):
    own = pa.table({"vector": [[1.0, 2.0]] * 9})
    vectors = make(9, columns=own)
    found = nearest_in_file(vectors[[4]], write(tmp_path / "v.parquet", vectors, 4), 1)
    assert found[0][0].id in ("row 0", "row 4")  # its equal
