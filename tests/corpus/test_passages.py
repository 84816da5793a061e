"""Passages: a vector each, with its span; a fact at the end of a long text is found."""

import json

import numpy as np
import pytest

import veclab
from veclab import InputError, read
from veclab.corpus.embed_file import embed_file
from veclab.corpus.plan import plan_file

LONG = " ".join(f"word{n} goes, here." for n in range(200))


@pytest.fixture
def corpus(tmp_path):
    rows = [{"id": "long", "text": LONG, "n": 1}, {"id": "short", "text": "a cat", "n": 2}]
    rows.append({"id": "none", "text": "", "n": 3})
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "a.jsonl"


def test_spans_are_exact_and_whole(corpus, tmp_path, tiny_bert):
    model = veclab.load(str(tiny_bert), max_tokens=32)
    report = embed_file(model, corpus, tmp_path / "v.parquet", chunks=True)
    vectors = read(tmp_path / "v.parquet")
    own = vectors.columns.to_pydict()
    of_long = [i for i, name in enumerate(own["document"]) if name == "long"]
    assert len(of_long) > 10 and report.truncated == 0 and report.split == 0
    assert "".join(vectors.texts[i] for i in of_long) == LONG
    for i in of_long:
        assert vectors.texts[i] == LONG[own["start"][i] : own["end"][i]]
        assert vectors.ids[i] == f"long#{i - of_long[0]}"
        assert model.count_tokens([vectors.texts[i]])[0] <= 32
    short = list(vectors.ids).index("short#0")
    assert (own["start"][short], own["end"][short], own["n"][short]) == (0, 5, 2)
    np.testing.assert_allclose(vectors.array[short], model.embed(["a cat"]).array[0], atol=1e-5)
    assert report.empty_ids == ["none#0"]
    planned = plan_file(model, corpus, chunks=True)
    assert planned.texts == report.texts and planned.cached == planned.distinct


def test_what_cannot_be_cut(corpus, tmp_path, tiny_bert, model):
    loaded = veclab.load(str(tiny_bert))
    with pytest.raises(InputError, match="leave on_long='split' out"):
        embed_file(loaded, corpus, tmp_path / "v.parquet", chunks=True, on_long="split")
    (tmp_path / "b.csv").write_text("text,start\nx,1\n")
    with pytest.raises(InputError, match="--drop start"):
        embed_file(loaded, tmp_path / "b.csv", tmp_path / "v.parquet", chunks=True)
    with pytest.raises(InputError, match="no place for other columns"):
        embed_file(loaded, corpus, tmp_path / "v.npz", chunks=True)
