"""The path from pairs to a correlation gives what sentence-transformers gives.

The tests of the published figures need the STS Benchmark beside the checkout. This sample, written
for this test, goes the same path: read, embed, score, correlate.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import veclab
from veclab.similarities.pairs import read_pairs, score_pairs

SAMPLE = Path(__file__).parent / "sts_sample.tsv"


def by_sentence_transformers(folder) -> tuple[float, float]:
    """Spearman and Pearson of its own evaluator, from its own vectors."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    evaluate = EmbeddingSimilarityEvaluator(
        [row["sentence1"] for row in rows],
        [row["sentence2"] for row in rows],
        [float(row["score"]) for row in rows],
    )
    found = evaluate(SentenceTransformer(str(folder), device="cpu"))
    return found["spearman_cosine"], found["pearson_cosine"]


@pytest.fixture(params=["tiny", "all-MiniLM-L6-v2"])
def name_and_folder(request, tiny_bert):
    """A random model, which is always there, and the default one where it is installed."""
    if request.param == "tiny":
        return str(tiny_bert), tiny_bert
    from veclab.models.catalog import find_model

    try:
        return request.param, find_model(request.param).path
    except veclab.ModelUnavailable as missing:
        pytest.skip(str(missing))


def test_pairs_correlate_as_sentence_transformers_says(name_and_folder):
    name, folder = name_and_folder
    spearman, pearson = by_sentence_transformers(folder)
    model = veclab.load(name, engine="torch", precision="f32", cache=False)
    found = score_pairs(model, read_pairs(SAMPLE))
    assert found.spearman == pytest.approx(spearman, abs=1e-6)
    assert found.pearson == pytest.approx(pearson, abs=1e-6)
    if name == "all-MiniLM-L6-v2":
        assert found.spearman > 0.8  # a model that understands the sentences


def test_compare_says_the_same(name_and_folder):
    name, folder = name_and_folder
    pytest.importorskip("pytrec_eval")
    found = veclab.compare([name], [SAMPLE], timing=False)
    (row,) = found.boards[0].rows
    assert row.main.value == pytest.approx(by_sentence_transformers(folder)[0], abs=2e-3)
