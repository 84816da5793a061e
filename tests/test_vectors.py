"""Vectors carry what they are: ids, texts, Space."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import veclab
from veclab import InputError, SpaceMismatch, Vectors, concatenate
from veclab.space import Space

SPACE = Space("fake", "model", 4, weights="aa")


def make(n=5, space=SPACE, **changes):
    array = np.random.default_rng(0).normal(size=(n, space.dimensions)).astype(np.float32)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    parts = {
        "array": array,
        "space": space,
        "ids": [f"id{i}" for i in range(n)],
        "texts": [f"text {i}" for i in range(n)],
        "tokens": np.arange(n, dtype=np.int32),
        "truncated": np.zeros(n, dtype=np.bool_),
        "columns": pa.table({"section": [f"s{i}" for i in range(n)]}),
    }
    return Vectors(**parts | changes)


def test_a_number_gives_a_row():
    row = make()[-1]
    assert (row.id, row.text, row.tokens, row.truncated) == ("id4", "text 4", 4, False)
    assert row.embedding.shape == (4,)
    with pytest.raises(IndexError):
        make()[5]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(1, 3), ["id1", "id2"]),
        (slice(None, None, -2), ["id4", "id2", "id0"]),
        ([3, 0], ["id3", "id0"]),
        (np.array([True, False, False, False, True]), ["id0", "id4"]),
        (slice(0, 0), []),
    ],
)
def test_anything_else_gives_vectors_with_everything_in_step(key, expected):
    part = make()[key]
    assert list(part.ids) == expected
    assert [row.text for row in part] == [f"text {i[2:]}" for i in expected]
    assert part.columns["section"].to_pylist() == [f"s{i[2:]}" for i in expected]
    assert part.array.shape == (len(expected), 4)


def test_rows_come_in_order():
    assert [row.id for row in make()] == [f"id{i}" for i in range(5)]


def test_concatenation_keeps_everything():
    both = make(2) + make(3)
    assert len(both) == 5
    assert list(both.ids) == ["id0", "id1", "id0", "id1", "id2"]
    assert both.columns.num_rows == 5
    assert both.tokens.tolist() == [0, 1, 0, 1, 2]


def test_concatenation_drops_what_one_part_lacks():
    both = concatenate([make(2), make(2, texts=None, columns=None)])
    assert both.texts is None
    assert both.columns is None
    assert both.tokens is not None


def test_only_one_space_can_be_concatenated():
    with pytest.raises(SpaceMismatch, match="weights"):
        make() + make(space=replace(SPACE, weights="bb"))
    with pytest.raises(InputError):
        concatenate([])


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": ["one"]},
        {"texts": ["one"]},
        {"tokens": np.zeros(1, np.int32)},
        {"columns": pa.table({"a": [1]})},
        {"array": np.zeros((5, 3))},
        {"array": np.zeros(5)},
    ],
)
def test_parts_that_do_not_fit_are_refused(changes):
    with pytest.raises(InputError):
        make(**changes)


def test_numpy_sees_the_array():
    vectors = make()
    np.testing.assert_array_equal(np.asarray(vectors), vectors.array)
    assert np.asarray(vectors, dtype=np.float64).dtype == np.float64


def test_shortened_vectors_have_unit_length_and_a_space_of_their_own():
    short = make().truncate(2)
    np.testing.assert_allclose(np.linalg.norm(short.array, axis=1), 1, rtol=1e-6)
    assert short.space.dimensions == 2
    assert short.space.id != SPACE.id
    with pytest.raises(InputError):
        make().truncate(5)


def test_the_repr_is_short_and_the_notebook_table_escapes_texts():
    vectors = make(20, texts=["<script>alert(1)</script>"] * 20)
    assert repr(vectors).startswith("<Vectors 20 x 4, fake:model (4-d, space ")
    table = vectors._repr_html_()
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "10 more" in table


class TestDataFrames:
    def test_pandas_has_the_ids_as_its_index(self):
        pytest.importorskip("pandas")
        vectors = make()
        frame = vectors.to_pandas()
        assert list(frame.index) == list(vectors.ids)
        assert np.array_equal(np.stack(frame["embedding"]), vectors.array)

    def test_polars(self):
        polars = pytest.importorskip("polars")
        vectors = make()
        frame = vectors.to_polars()
        assert frame["id"].to_list() == list(vectors.ids)
        assert isinstance(frame["embedding"].dtype, polars.Array)
        assert np.array_equal(frame["embedding"].to_numpy(), vectors.array)

    def test_what_is_not_known_has_no_column(self):
        plain = Vectors(make().array, make().space)
        assert plain.to_arrow().column_names == ["id", "embedding"]
        assert list(plain.ids) == [str(i) for i in range(len(plain))]
        assert plain.shape == plain.array.shape


def test_an_array_in_place_of_vectors_is_told_how_to_get_a_space(model):
    """In every function that takes Vectors."""
    vectors = model.embed(["a", "b"])
    array = np.asarray(vectors)
    calls = [
        lambda: veclab.similarity(vectors, array),
        lambda: veclab.similarity(array, vectors),
        lambda: veclab.pairwise(vectors, array),
        lambda: veclab.nearest(array, vectors),
        lambda: veclab.nearest(vectors, array),
        lambda: veclab.neighbors(array),
        lambda: veclab.near_duplicates(array),
        lambda: vectors + array,
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"an array has no Space.*veclab\.Vectors\(array, "):
            call()


def test_what_is_printed_of_rows_and_vectors_is_short(model):
    vectors = model.embed(["word " * 1000, "b"])
    assert len(repr(vectors[0])) < 200
    assert len(repr(vectors)) < 200
