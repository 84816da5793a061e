"""`veclab map` of what is few, many, odd or wrong: a page, or one line that says why not."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from tests.maps.made_vectors import SPACE, clumped
from tests.maps.test_page import Reader
from veclab.cli.app import app
from veclab.errors import InputError
from veclab.maps.pack import MOST_CHARACTERS
from veclab.space import Recipe, Space
from veclab.vectorfiles.files import ParquetSink

OTHER = Space("fake", "other", 16)


def run(*arguments):
    return CliRunner().invoke(app, ["map", *map(str, arguments)])


def mapped(tmp_path, vectors, *arguments):
    """The page of a file of vectors, and what the command printed."""
    path = vectors.save(tmp_path / "v.parquet")
    result = run(path, "-o", tmp_path / "map.html", *arguments)
    assert result.exit_code == 0, result.output or result.exception
    return Reader((tmp_path / "map.html").read_text(encoding="utf-8")), result.output


@pytest.mark.parametrize("n", [1, 2, 7])
def test_hardly_any_points(tmp_path, n):
    page, said = mapped(tmp_path, clumped(n))
    assert page.head()["n"] == n
    assert f"{n} different points are too few for t-SNE" in " ".join(said.split())


@pytest.mark.parametrize("ending", ["html", "png", "parquet"])
def test_all_points_equal(tmp_path, ending):
    if ending == "png":
        pytest.importorskip("matplotlib")
    same = clumped(30, array=clumped(1).array[[0] * 30])
    path = same.save(tmp_path / "v.parquet")
    result = run(path, "-o", tmp_path / f"map.{ending}")
    assert result.exit_code == 0, result.output or result.exception
    assert "1; equal vectors lie in the same place" in " ".join(result.output.split())


def test_ten_thousand_categories(tmp_path):
    n = 12_000
    names = pa.table({"maintainer": [f"name {i % 10_000}" for i in range(n)]})
    vectors = clumped(n, columns=names, texts=None, tokens=None, truncated=None)
    page, _ = mapped(tmp_path, vectors, "--color", "maintainer", "--method", "pca")
    head = page.head()
    (column,) = [c for c in head["columns"] if c["key"] == head["color"]]
    assert column["name"] == "maintainer" and len(column["levels"]) == 10_000


@pytest.mark.parametrize("name", ["カテゴリ", "عمود", "🎉", "<b>&amp;</b>", "a\nb"])
def test_column_names_in_any_script(tmp_path, name):
    columns = pa.table({name: ["x", "y"] * 15})
    page, _ = mapped(tmp_path, clumped(30, columns=columns), "--color", name)
    assert name in {c["name"] for c in page.head()["columns"]}


def test_texts_of_a_megabyte(tmp_path):
    texts = ["word " * 200_000, "ü" * 500_000, *clumped(28).texts]
    page, _ = mapped(tmp_path, clumped(30, texts=texts))
    assert page.head()["shortened"] == 2
    assert "ü" * MOST_CHARACTERS in page.strings("text")


def test_a_file_without_texts(tmp_path):
    page, said = mapped(tmp_path, clumped(30, texts=None))
    assert page.head()["texts"] is False
    assert "the file keeps no texts, so there are no labels" in " ".join(said.split())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(tmp_path, bad):
    array = clumped(30).array.copy()
    array[7, 3] = bad
    vectors = clumped(30)
    path = vectors.save(tmp_path / "v.parquet")
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    name = next(n for n in table.column_names if pa.types.is_fixed_size_list(table[n].type))
    flat = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
    at = table.column_names.index(name)
    changed = table.set_column(at, table.schema.field(name), pa.chunked_array([flat]))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    result = run(path, "-o", tmp_path / "map.html")
    assert isinstance(result.exception, InputError) and "id7" in str(result.exception)
    assert not (tmp_path / "map.html").exists()


def test_nan_in_a_color_column(tmp_path):
    score = pa.table({"score": [float("nan"), 1.0, float("inf")] * 10})
    page, _ = mapped(tmp_path, clumped(30, columns=score), "--color", "score")
    (column,) = [c for c in page.head()["columns"] if c["name"] == "score"]
    assert column["missing"] == 10 and column["low"] == column["high"] == 1.0


@pytest.mark.parametrize("n", [1, 2, 40])
def test_two_models_of_few_texts(tmp_path, n):
    a = clumped(n).save(tmp_path / "a.parquet")
    b = clumped(n, space=OTHER, seed=1, texts=clumped(n).texts).save(tmp_path / "b.parquet")
    result = run("--compare", a, b, "-o", tmp_path / "c.html", "--json")
    assert result.exit_code == 0, result.output or result.exception
    assert 0 <= json.loads(result.output)["honesty"]["moved"] <= 1
    said = run("--compare", a, b, "-o", tmp_path / "c.html").output
    assert ("too few texts" in said) == (n < 3)


def made_by_recipe(path, vectors, space, **more):
    with ParquetSink(path, space, Recipe(space, **more)) as sink:
        sink.write(vectors)
    return path


def test_the_recipes_of_both_files_are_in_the_page(tmp_path):
    a = made_by_recipe(tmp_path / "a.parquet", clumped(40), SPACE, precision="bf16")
    q = made_by_recipe(tmp_path / "q.parquet", clumped(5, seed=2), SPACE, max_tokens=99)
    b = made_by_recipe(tmp_path / "b.parquet", clumped(40, space=OTHER), OTHER, precision="int8")
    out = tmp_path / "m.html"
    assert run("--compare", a, b, "-o", out).exit_code == 0
    told = [dict(one["facts"]) for one in Reader(out.read_text()).head()["maps"]]
    assert [one["file"] for one in told] == ["a.parquet", "b.parquet"]
    assert "bf16" in told[0]["recipe"] and "int8" in told[1]["recipe"]
    assert run(a, "--overlay", q, "-o", out).exit_code == 0
    (facts,) = (dict(one["facts"]) for one in Reader(out.read_text()).head()["maps"])
    assert facts["file"] == "a.parquet" and facts["file laid over"] == "q.parquet"
    assert "99 tokens" in facts["recipe laid over"]
