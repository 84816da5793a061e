"""`veclab embed` and `veclab index` on shards: exit codes, JSON, what is refused."""

import json

import pytest
from click.testing import CliRunner

import veclab
from tests.cluster.conftest import loaded, write_shards  # noqa: F401
from veclab.cli.app import app


@pytest.fixture
def veclab_(monkeypatch, tmp_path, loaded):  # noqa: F811
    write_shards(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_embed(veclab_, tmp_path):
    done = veclab_("embed", "data", "-o", "out/", "-m", "fake")
    assert done.exit_code == 0, done.output
    assert "shards  4 done" in done.stdout and "120" in done.stdout
    done = veclab_("embed", "data/part-*.jsonl", "-o", "out", "-m", "fake", "--json")
    told = json.loads(done.stdout)
    assert (told["done"], told["state"], told["failed"]) == (4, "complete", {})


def test_passages_and_codes(veclab_, tmp_path):
    done = veclab_("embed", "data", "-o", "out/", "-m", "fake", "--chunks", "--quantize", "int8")
    assert done.exit_code == 0, done.output
    assert "vectors  120" in done.stdout
    vectors = veclab.read(tmp_path / "out" / "part-0.parquet")
    assert vectors.ids[0] == "r0#0" and vectors.space.quantization == "int8"
    done = veclab_("index", "out", "-s", "store")
    assert "give it a file of floats" in str(done.exception)
    done = veclab_("embed", "data", "-o", "floats/", "-m", "fake", "--chunks")
    done = veclab_("index", "floats", "-s", "store", "--language", "english")
    assert done.exit_code == 0, done.output
    assert "120 added" in done.stdout


def test_the_exit_code_says_that_shards_were_set_aside(veclab_, tmp_path):
    (tmp_path / "data" / "torn.parquet").write_bytes(b"PAR1")
    done = veclab_("embed", "data", "-o", "out/", "-m", "fake")
    assert done.exit_code == 3
    assert "set aside: torn.parquet: is damaged" in done.stderr
    assert "set aside  1 shards" in done.stdout
    done = veclab_("index", "data", "-s", "store", "-m", "fake", "--language", "english")
    assert done.exit_code == 3
    assert "120 added" in done.stdout


def test_index(veclab_, tmp_path):
    pytest.importorskip("lance", reason="needs veclab[store]")
    words = ("index", "data", "-s", "store", "-m", "fake", "--language", "english")
    done = veclab_(*words, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["passages"], told["shards"]["done"]) == (120, 4)
    done = veclab_("index", "store.vectors", "-s", "second", "--language", "english")
    assert done.exit_code == 0, done.output
    assert "120 added" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("embed", "data", "-o", "out.parquet", "--overwrite"), "are for shards: -o FOLDER/"),
        (("embed", "--ray", "data", "-o", "out/"), "'data' is no address"),
        (("embed", "data", "-o", "out/", "--workers", "2"), "give --ray too"),
        (("index", "data", "-s", "store", "--chunk-size", "64"), "are for documents"),
        (("index", "data", "-s", "postgresql://x/y", "-m", "fake"), "say where the vectors go"),
        (("embed", "data", "-o", "ftp://x/y"), "a place is a folder, or one of"),
    ],
)
def test_what_is_refused(veclab_, words, said):
    done = veclab_(*words)
    assert done.exit_code in (1, 2)
    assert said in done.output + str(done.exception)
