"""A byte or a bit a dimension: written as compare measures it, with a Space of its own."""

from dataclasses import replace

import numpy as np
import pytest

from veclab import InputError, Space, SpaceMismatch, read, similarity
from veclab.corpus.embed_file import embed_file
from veclab.evaluation.variants import Variant
from veclab.similarities.nearest_in_file import nearest_in_file
from veclab.vectorfiles.source import open_own
from veclab.vectorfiles.summary import summarize

TEXTS = [f"text {n}" for n in range(300)]


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    return tmp_path / "a.txt"


@pytest.mark.parametrize("kind", ["int8", "binary"])
def test_what_compare_measures_is_what_is_written(corpus, tmp_path, model, kind):
    out = tmp_path / "q.parquet"
    embed_file(model, corpus, out, quantize=kind)
    floats = model.embed(TEXTS)
    (expected,) = Variant(quantized=kind).apply([floats], stored=0)
    vectors = read(out)
    np.testing.assert_allclose(vectors.array, expected, atol=1e-6)
    assert vectors.space == replace(model.space, quantization=kind)
    assert vectors.space.version == 4 and list(vectors.texts) == TEXTS
    assert Space.from_json(vectors.space.to_json()) == vectors.space
    assert summarize(out).rows == 300
    embed_file(model, corpus, tmp_path / "f.parquet")
    assert out.stat().st_size < (tmp_path / "f.parquet").stat().st_size
    assert not list(tmp_path.glob("*.floats"))


@pytest.mark.parametrize("kind", ["int8", "binary"])
def test_searched_with_queries_rounded_alike(corpus, tmp_path, model, kind):
    out = tmp_path / "q.parquet"
    embed_file(model, corpus, out, quantize=kind)
    queries = model.embed(["text 7", "text 211"])
    found = nearest_in_file(queries, open_own(out), 1)
    # The same text has the same codes; with a bit a dimension, so may others.
    np.testing.assert_allclose(found.scores[:, 0], 1, atol=1e-3)
    if kind == "int8":
        assert [found.ids[int(p)] for p in found.positions[:, 0]] == ["8", "212"]


def test_never_mixed_with_floats(corpus, tmp_path, model):
    embed_file(model, corpus, tmp_path / "q.parquet", quantize="int8")
    with pytest.raises(SpaceMismatch, match="quantization"):
        similarity(read(tmp_path / "q.parquet"), model.embed(["a"]))
    with pytest.raises(InputError, match=r"written as \.parquet"):
        embed_file(model, corpus, tmp_path / "q.npy", quantize="int8")


def test_a_space_without_it_is_as_before(model):
    assert "quantization" not in model.space.to_dict()
    assert model.space.id == replace(model.space, quantization=None).id
