"""Polars and pandas: a column of texts to a column of vectors that knows its Space."""

import numpy as np
import pytest

pytest.importorskip("polars", reason="needs veclab[frames]")
pytest.importorskip("pandas", reason="needs veclab[frames]")

import pandas as pd
import polars as pl

import veclab
import veclab.integrations.pandas
import veclab.integrations.polars
from tests.fakes import FakeProvider
from veclab import InputError, Report, SpaceMismatch
from veclab.model import Model

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


@pytest.fixture
def other():
    return Model(FakeProvider(name="another"), None)


def test_polars_series_and_expression_agree(model):
    frame = pl.DataFrame({"text": TEXTS})
    series = frame["text"].veclab.embed(model)
    lazy = frame.lazy().with_columns(vector=pl.col("text").veclab.embed(model)).collect()
    assert lazy["vector"].dtype == series.dtype
    expected = model.embed(TEXTS).array
    assert np.array_equal(series.ext.storage().to_numpy(), expected)
    assert np.array_equal(lazy["vector"].veclab.vectors().array, expected)


def test_polars_keeps_the_space_through_filters_and_files(model, other, tmp_path):
    frame = pl.DataFrame({"text": TEXTS}).with_columns(vector=pl.col("text").veclab.embed(model))
    frame.filter(pl.col("text").str.contains("a")).write_parquet(tmp_path / "frame.parquet")
    read = pl.read_parquet(tmp_path / "frame.parquet")["vector"].veclab.vectors()
    assert read.space == model.space
    with pytest.raises(SpaceMismatch):
        veclab.similarity(read, other.embed(TEXTS))
    with pytest.raises(InputError, match="has no Space"):
        frame["text"].veclab.vectors()


def test_polars_nulls_stay_nulls_and_are_told(model):
    report = Report()
    with pytest.warns(UserWarning, match="left out"):
        made = pl.Series("text", ["cat", None, " "]).veclab.embed(model, report=report)
    assert made.is_null().to_list() == [False, True, True]
    assert made.veclab.vectors().ids == ["0"]
    assert report.empty == 2
    empty = pl.Series("text", [], dtype=pl.String).veclab.embed(model)
    assert empty.veclab.vectors().shape == (0, 8)
    with pytest.raises(InputError, match="not of texts"):
        pl.Series([1]).veclab.embed(model)


def test_pandas_keeps_index_and_space(model, other):
    series = pd.Series(TEXTS, index=["a", "b", "c"], name="text")
    made = series.veclab.embed(model)
    assert list(made.index) == ["a", "b", "c"]
    vectors = made[made.index != "b"].veclab.vectors()
    assert vectors.ids == ["a", "c"]
    assert np.array_equal(vectors.array, model.embed(TEXTS).array[[0, 2]])
    with pytest.raises(SpaceMismatch):
        veclab.similarity(vectors, other.embed(TEXTS))
    with pytest.raises(InputError, match="no Space is written down"):
        series.veclab.vectors()


def test_pandas_frames_keep_it_in_files(model, tmp_path):
    frame = pd.DataFrame({"text": TEXTS}).veclab.embed("text", into="vector", model=model)
    frame.to_parquet(tmp_path / "frame.parquet")
    read = pd.read_parquet(tmp_path / "frame.parquet")
    vectors = read[read["text"].str.contains("a")].veclab.vectors("vector")
    assert vectors.space == model.space
    assert np.array_equal(vectors.array, model.embed(TEXTS).array)
    with pytest.raises(InputError, match="no Space is written down"):
        read.veclab.vectors("text")


def test_pandas_missing_texts_have_no_vector(model):
    report = Report()
    with pytest.warns(UserWarning, match="left out"):
        made = pd.Series(["cat", None, float("nan"), " "]).veclab.embed(model, report=report)
    assert made.isna().tolist() == [False, True, True, True]
    assert made.veclab.vectors().shape == (1, 8)
    assert report.empty == 3
