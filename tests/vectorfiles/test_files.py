"""Vectors on disk, as any tool reads them."""

import os
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.test_vectors import SPACE, make
from veclab import InputError, OutputError, Report, read
from veclab.atomic import atomic
from veclab.vectorfiles.summary import summarize


@pytest.mark.parametrize("name", ["v.parquet", "v.npz"])
def test_what_was_saved_is_read_back(tmp_path, name):
    vectors = make(7, columns=None, texts=["", "a", "é\n", "\x00", "x" * 100_000, "😀", "z"])
    again = read(vectors.save(tmp_path / name))
    np.testing.assert_array_equal(again.array, vectors.array)
    assert again.space == vectors.space
    assert list(again.ids) == list(vectors.ids)
    assert list(again.texts) == list(vectors.texts)
    np.testing.assert_array_equal(again.tokens, vectors.tokens)
    np.testing.assert_array_equal(again.truncated, vectors.truncated)


@pytest.mark.parametrize("name", ["v.parquet", "v.npz"])
def test_no_vectors_are_saved_too(tmp_path, name):
    again = read(make(0, columns=None).save(tmp_path / name))
    assert again.array.shape == (0, 4)


def test_own_columns_and_the_report_travel_along(tmp_path):
    columns = pa.table({"n": pa.array([1, 2], pa.int8()), "tags": [["a"], []]})
    vectors = make(2, columns=columns, report=Report(texts=2, truncated_ids=["id1"]))
    again = read(vectors.save(tmp_path / "v.parquet"))
    assert again.columns.equals(columns)
    assert again.report == vectors.report


def test_the_schema_is_the_one_promised(tmp_path):
    schema = pq.read_schema(make().save(tmp_path / "v.parquet"))
    assert schema.names == ["id", "text", "embedding", "tokens", "truncated", "section"]
    assert schema.field("embedding").type == pa.list_(pa.float32(), 4)
    assert schema.field("tokens").type == pa.int32()
    assert schema.field("truncated").type == pa.bool_()
    assert schema.metadata[b"veclab.space"] == SPACE.to_json().encode()


def test_duckdb_polars_and_pandas_read_the_file(tmp_path):
    vectors = make()
    path = vectors.save(tmp_path / "v.parquet")
    found = duckdb.sql(
        f"select id, list_dot_product(embedding::float[], embedding::float[]) as norm from '{path}'"
    ).fetchall()
    assert [row[0] for row in found] == list(vectors.ids)
    assert [row[1] for row in found] == pytest.approx([1] * 5)
    frame = pl.read_parquet(path)
    assert frame["embedding"].dtype == pl.Array(pl.Float32, 4)
    np.testing.assert_array_equal(frame["embedding"].to_numpy(), vectors.array)
    table = pd.read_parquet(path)
    np.testing.assert_array_equal(np.stack(table["embedding"]), vectors.array)
    assert table["section"].tolist() == [f"s{i}" for i in range(5)]


def test_the_summary_tells_space_size_and_norms(tmp_path):
    summary = summarize(make().save(tmp_path / "v.parquet"))
    assert (summary.rows, summary.space, summary.columns) == (5, SPACE, ("section",))
    assert summary.norm_min == pytest.approx(1)
    assert summary.truncated == 0
    assert summarize(make(columns=None).save(tmp_path / "v.npz")).rows == 5


class TestBadFiles:
    @pytest.mark.parametrize("name", ["v.parquet", "v.npz"])
    @pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
    def test_cut_short(self, tmp_path, name, share):
        path = make(50, columns=None).save(tmp_path / name)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match="not a complete"):
            read(path)

    def test_of_another_program(self, tmp_path):
        path = tmp_path / "other.parquet"
        pq.write_table(pa.table({"id": ["a"], "embedding": [[1.0]]}), path)
        with pytest.raises(InputError, match="does not record the Space"):
            read(path)
        np.savez(tmp_path / "other.npz", a=np.zeros(3))
        with pytest.raises(InputError, match="does not record the Space"):
            read(tmp_path / "other.npz")

    def test_with_a_pickle_inside_is_not_opened(self, tmp_path):
        path = tmp_path / "evil.npz"
        np.savez(path, embedding=np.array([{"a": 1}], dtype=object), id=[1], space=["x"])
        with pytest.raises(InputError):
            read(path)

    def test_missing(self, tmp_path):
        with pytest.raises(InputError, match="no file"):
            read(tmp_path / "none.parquet")

    def test_unknown_suffix(self, tmp_path):
        with pytest.raises(InputError, match=r"must end in \.parquet, \.npz"):
            make().save(tmp_path / "v.xlsx")


class TestAtomic:
    def test_the_old_file_stays_until_the_new_one_is_whole(self, tmp_path):
        path = tmp_path / "v.txt"
        path.write_text("old")
        with pytest.raises(ValueError, match="half-way"), atomic(path) as temporary:
            temporary.write_text("half")
            raise ValueError("half-way")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(OutputError, match="does not exist: mkdir -p"):
            make().save(tmp_path / "no" / "v.parquet")

    def test_a_folder_in_the_place_of_the_file(self, tmp_path):
        (tmp_path / "v.parquet").mkdir()
        with pytest.raises(OutputError, match="is a folder"):
            make().save(tmp_path / "v.parquet")

    def test_leftovers_of_killed_runs_are_removed_and_those_of_living_ones_kept(self, tmp_path):
        dead = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
        )
        left = tmp_path / f".v.parquet.{int(dead.stdout)}.veclab-tmp"
        other = tmp_path / f".v.parquet.{os.getppid()}.veclab-tmp"
        left.touch()
        other.touch()
        make().save(tmp_path / "v.parquet")
        assert not left.exists()
        assert other.exists()
