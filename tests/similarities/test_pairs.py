"""Files of pairs: found columns, scores, and correlations as scipy computes them."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.conftest import SHARED
from veclab import InputError
from veclab.similarities.pairs import pearson, read_pairs, score_pairs, spearman
from veclab.similarities.similarity import pairwise

ROWS = [("the cat sits", "a feline rests", 4.5), ("stock, markets", "the mat", 0), ("a", "b", 2)]


def csv(*, names=None, separator=",", scores=True):
    lines = [separator.join(names)] if names else []
    for a, b, score in ROWS:
        cells = [f'"{a}"', f'"{b}"', *([str(score)] if scores else [])]
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", csv(names=("sentence1", "sentence2", "score"))),
        ("p.csv", csv()),
        ("p.tsv", csv(separator="\t").replace('"', "")),
        (
            "p.jsonl",
            "".join(
                json.dumps({"_id": i, "x": a, "y": b, "s": s}) + "\n"
                for i, (a, b, s) in enumerate(ROWS)
            ),
        ),
        ("p.csv.gz", csv()),
    ],
    ids=["csv", "csv without names", "tsv", "jsonl with ids", "gzip"],
)
def test_texts_and_scores_are_found(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith("gz") else content.encode())
    pairs = read_pairs(path)
    assert list(zip(pairs.first, pairs.second, pairs.gold.tolist(), strict=True)) == ROWS
    assert len(pairs.columns) == 3


def test_scores_need_not_be_there(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(csv(names=("a", "b"), scores=False))
    assert read_pairs(path).gold is None
    path.write_text(csv(scores=False))
    assert len(read_pairs(path, header=False)) == 3


def test_columns_may_be_named(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("genre,a,b,year,score\nnews,x y,x z,1999,3\nfaq,u,v,2001,1\n")
    with pytest.raises(
        InputError, match=r"--column NAME twice.*'genre', 'a', 'b', 'year', 'score'"
    ):
        read_pairs(path)
    pairs = read_pairs(path, columns=("b", "a"), gold="score")
    assert (pairs.first, pairs.second, pairs.gold.tolist()) == (["x z", "v"], ["x y", "u"], [3, 1])


@pytest.mark.parametrize(
    ("content", "options", "complaint"),
    [
        ("a,b,score\nx,,1\n", {}, "line 2: column 'b' holds no text"),
        (
            "a,b,score\nx,y,1\nu,v,high\n",
            {"columns": ("a", "b"), "gold": "score"},
            "line 3.*'high'",
        ),
        ("a,b,score\nx,y,nan\n", {"columns": ("a", "b"), "gold": "score"}, "'nan'"),
        ("a,b\nx,y\n", {"gold": "score"}, "no column 'score'"),
        ("a,b\nx,y\n", {"columns": ("a",)}, "two columns"),
        ("a,b\n", {}, "no pairs"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, content, options, complaint):
    path = tmp_path / "p.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_pairs(path, **options)


def test_pairs_are_scored_row_by_row(tmp_path, model):
    path = tmp_path / "p.csv"
    path.write_text(csv())
    found = score_pairs(model, read_pairs(path))
    a, b = model.embed([r[0] for r in ROWS]), model.embed([r[1] for r in ROWS])
    np.testing.assert_allclose(found.scores, pairwise(a, b), atol=1e-6)
    gold = [r[2] for r in ROWS]
    assert found.spearman == pytest.approx(stats.spearmanr(found.scores, gold).statistic)
    assert found.report.texts == 6


few = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


@given(few)
def test_correlations_are_those_of_scipy(rows):
    a, b = np.array(rows, dtype=float).T
    if len(rows) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        assert spearman(a, b) is None
        assert pearson(a, b) is None
        return
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the test data is not beside this checkout")
def test_the_default_model_reaches_its_published_figure():
    import veclab

    pairs = read_pairs(SHARED / "stsb" / "stsb-en-test.csv")
    assert (len(pairs), pairs.columns) == (1379, ("1", "2", "3"))
    found = score_pairs(veclab.load(), pairs)
    assert 100 * found.spearman == pytest.approx(82.03, abs=0.05)
