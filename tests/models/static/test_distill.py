"""A distilled model is a model like any other, and knows where it comes from."""

import json

import numpy as np
import pytest

import veclab
from veclab import InputError, OutputError
from veclab.cli.app import _run as run

pytest.importorskip("skeletoken")

from veclab.models.static.distill import distill


@pytest.fixture(scope="module")
def distilled(tiny_bert, tmp_path_factory):
    return distill(str(tiny_bert), tmp_path_factory.mktemp("distilled") / "small", dimensions=16)


def test_vectors_are_those_of_model2vec(distilled):
    from model2vec import StaticModel

    texts = ["the cat sits on the mat", "stock markets fell"]
    vectors = veclab.load(str(distilled.folder.path)).embed(texts)
    assert vectors.array.shape == (2, 16)
    upstream = StaticModel.from_pretrained(distilled.folder.path).encode(texts)
    np.testing.assert_allclose(vectors.array, upstream, atol=1e-3)


def test_it_names_its_origin_and_no_path(distilled, tiny_bert):
    config = json.loads((distilled.folder.path / "config.json").read_text())
    assert config["base_model"] == "tiny-bert"
    assert config["base_weights"] == distilled.origin.weights
    assert config["made_by"].startswith("veclab ")
    for file in ("config.json", "README.md"):
        assert str(tiny_bert.parent) not in (distilled.folder.path / file).read_text()
    assert distilled.folder.license is None  # the origin states none


def test_progress_is_told(tiny_bert, tmp_path):
    told = []
    made = distill(
        str(tiny_bert), tmp_path / "m", dimensions=8, on_tokens=lambda *counts: told.append(counts)
    )
    assert told[-1] == (made.tokens, made.tokens)


@pytest.mark.parametrize("dimensions", [33, 0])
def test_more_dimensions_than_there_are_is_refused(tiny_bert, tmp_path, dimensions):
    with pytest.raises(InputError, match="32 dimensions"):
        distill(str(tiny_bert), tmp_path / "m", dimensions=dimensions)
    assert not any(tmp_path.glob("m*"))


def test_a_folder_that_exists_is_left_alone(tiny_bert, tmp_path):
    with pytest.raises(OutputError, match="exists already"):
        distill(str(tiny_bert), tmp_path, dimensions=8)


def test_only_a_transformer_is_distilled(distilled, tmp_path):
    for name in (str(distilled.folder.path), "openai:text-embedding-3-small", "words.vec"):
        with pytest.raises(
            InputError, match="is not a transformer that runs here: only those can be"
        ):
            distill(name, tmp_path / "m")


def test_on_the_command_line_by_name(tiny_bert, home, tmp_path, capfd):
    assert run(["distill", "-m", str(tiny_bert), "--name", "mine", "--dimensions", "8"]) == 0
    seen = capfd.readouterr()
    assert "-m mine" in seen.out
    assert seen.err == ""
    assert run(["embed", "--text", "the cat", "-m", "mine", "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert len(answer["vectors"][0]["embedding"]) == 8
    assert run(["models"]) == 0
    assert "mine" in capfd.readouterr().out
    assert run(["similar", "the cat", "the mat", "-m", "mine"]) == 0


@pytest.mark.parametrize("arguments", [[], ["-o", "x", "--name", "y"]])
def test_either_a_folder_or_a_name(arguments, capfd):
    assert run(["distill", *arguments]) == 2
    assert "either -o DIR or --name NAME" in capfd.readouterr().err
