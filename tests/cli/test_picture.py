"""`veclab picture`, and `-o PICTURE` on other commands."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tests.analogies.test_analogy import TABLE
from tests.words import write_words
from veclab.cli.app import app
from veclab.errors import InputError
from veclab.space import Space
from veclab.vectors import Vectors

pytest.importorskip("matplotlib")


def run(*arguments, fails=False):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if not fails and result.exception:
        raise result.exception
    return result


@pytest.fixture
def file(tmp_path):
    """A file of 50 vectors with their texts and tokens."""
    array = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    texts = [f"text {i}" for i in range(50)]
    tokens = np.arange(1, 51, dtype=np.int32)
    vectors = Vectors(array, Space("local", "m", 8), texts, texts, tokens)
    return vectors.save(tmp_path / "v.parquet")


@pytest.mark.parametrize("kind", ["heatmap", "lengths", "similarities", "spectrum"])
def test_every_kind_writes_a_picture_of_vectors(file, tmp_path, kind):
    output = tmp_path / f"{kind}.svg"
    assert f"written  {output}" in run("picture", kind, file, "-o", output).output
    assert output.read_text().startswith("<?xml")


def test_a_sample_is_the_same_for_the_same_seed(file, tmp_path):
    pictures = []
    for n, seed in enumerate((0, 0, 1)):
        output = tmp_path / f"{n}.svg"
        run("picture", "heatmap", file, "-o", output, "--sample", 10, "--seed", seed)
        pictures.append(output.read_text())
    assert pictures[0] == pictures[1] != pictures[2]


def test_texts_are_counted_or_embedded(tiny_bert, tmp_path):
    texts = tmp_path / "texts.txt"
    texts.write_text("the cat sits\na feline rests on the carpet\nstock markets fell\n")
    for kind in ("lengths", "similarities"):
        run("picture", kind, texts, "-m", tiny_bert, "-o", tmp_path / f"{kind}.png")
        assert (tmp_path / f"{kind}.png").stat().st_size > 5000


def test_json_names_the_file(file, tmp_path):
    output = tmp_path / "a.png"
    answer = json.loads(run("picture", "spectrum", file, "-o", output, "--json").output)
    assert answer == {"written": str(output)}


def test_a_wrong_ending_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
        run("picture", "heatmap", tmp_path / "missing", "-o", tmp_path / "a.gif")


def test_options_for_texts_do_not_go_with_vectors(file, tmp_path):
    result = run("picture", "heatmap", file, "-m", "x", "-o", tmp_path / "a.png", fails=True)
    assert result.exit_code == 2
    assert "holds vectors" in result.output


def test_an_analogy_is_drawn(tmp_path):
    words = write_words(tmp_path / "tiny.vec", TABLE)
    output = tmp_path / "a.svg"
    run("analogy", "king", "-", "man", "+", "woman", "-m", words, "-o", output)
    assert "queen" in output.read_text()
    refused = run("analogy", "king", "-m", words, "--method", "mul", "-o", output, fails=True)
    assert "--method add" in refused.output


def test_similar_texts_are_drawn(tiny_bert, tmp_path):
    output = tmp_path / "a.svg"
    run("similar", "the cat", "a feline", "-m", tiny_bert, "-o", output)
    assert "feline" in output.read_text()
    refused = run("similar", "the cat", "--to", "x", "-o", output, fails=True)
    assert "--output does not apply here" in refused.output
