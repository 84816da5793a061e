"""A veclab model as a function of SQL."""

import numpy as np
import pytest

pytest.importorskip("duckdb", reason="needs veclab[duckdb]")

import duckdb

from tests.fakes import FakeProvider
from veclab import InputError, SpaceMismatch
from veclab.integrations.duckdb import register
from veclab.model import Model


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        opened.execute(
            "CREATE TABLE texts AS SELECT * FROM (VALUES (1, 'cat'), (2, 'dog')) t(id, text)"
        )
        yield opened


def test_a_query_finds_what_is_alike(connection, model):
    register(connection, model)
    connection.execute("CREATE TABLE vectors AS SELECT id, embed(text) AS vector FROM texts")
    (kind,) = connection.execute("SELECT typeof(vector) FROM vectors LIMIT 1").fetchone()
    assert kind == "FLOAT[8]"
    found = connection.execute(
        "SELECT id, array_cosine_similarity(vector, embed_query('dog')) AS s FROM vectors "
        "ORDER BY s DESC LIMIT 1"
    ).fetchone()
    assert found == (2, pytest.approx(1))


def test_vectors_are_the_model_s_own_over_many_chunks(connection, model, provider):
    made = register(connection, model)
    sql = "SELECT embed('text ' || (i % 3000)) FROM range(7000) t(i)"
    found = np.array(connection.sql(sql).fetchall(), np.float32).reshape(7000, 8)
    expected = model.embed([f"text {i % 3000}" for i in range(7000)]).array
    assert np.array_equal(found, expected)
    assert len(provider.embedded) == 3000
    assert made.report.texts == 7000


def test_null_and_blank_are_null_and_told(connection, model):
    made = register(connection, model)
    with pytest.warns(UserWarning, match="left out"):
        rows = connection.sql(
            "SELECT embed(t) IS NULL FROM (VALUES ('cat'), (NULL), (' ')) x(t)"
        ).fetchall()
    assert rows == [(False,), (True,), (True,)]
    assert made.report.empty == 2


def test_a_column_knows_its_space(connection, model):
    made = register(connection, model)
    connection.execute("CREATE TABLE vectors AS SELECT embed(text) AS vector FROM texts")
    assert connection.execute("SELECT embed_space()").fetchone() == (model.space.id,)
    with pytest.raises(InputError, match="no Space is written down"):
        made.require("vectors", "vector")
    made.mark("vectors", "vector")
    made.require("vectors", "vector")
    other = register(connection, Model(FakeProvider(name="another"), None), name="other")
    with pytest.raises(SpaceMismatch):
        other.require("vectors", "vector")
    with pytest.raises(InputError, match="no column"):
        made.require("vectors", "nothing")


def test_an_error_comes_through(connection, model):
    register(connection, model, on_long="error")
    with pytest.raises(duckdb.Error, match="over the limit"):
        connection.sql("SELECT embed(repeat('word ', 30))").fetchall()
