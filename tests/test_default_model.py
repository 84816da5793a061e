"""The default model on real text: quality, kill -9, and the same vectors as upstream."""

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import veclab
from tests.conftest import SHARED
from veclab import read

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "examples" / "packages.jsonl.gz"


@pytest.fixture(scope="module")
def minilm(converted_home):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VECLAB_HOME", str(converted_home))
        return veclab.load("all-MiniLM-L6-v2")


def descriptions(n):
    with gzip.open(PACKAGES, "rt", encoding="utf-8") as file:
        return [json.loads(line)["description"] for line, _ in zip(file, range(n), strict=False)]


def test_paraphrases_are_far_more_similar_than_strangers(minilm):
    vectors = minilm.embed(
        [
            "The cat sits on the mat",
            "A feline rests on the carpet",
            "Stock markets fell sharply on Monday",
        ]
    )
    scores = veclab.similarity(vectors, vectors)
    assert scores[0, 1] > 0.5
    assert scores[0, 2] < 0.1
    assert scores[1, 2] < 0.1


def test_vectors_are_those_of_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    texts = [
        *descriptions(40),
        "x",
        "\U0001f600 emoji",
        "\u4f60\u597d, \u043f\u0440\u0438\u0432\u0435\u0442",
        "word " * 400,
    ]
    upstream = SentenceTransformer(str(minilm.provider.folder.path), device="cpu").encode(texts)
    vectors = minilm.embed(texts).array
    assert (vectors * upstream).sum(axis=1).min() > 0.9999
    if minilm.provider.precision == "f32":  # else bf16, which this processor has
        np.testing.assert_allclose(vectors, upstream, atol=2e-6)


@pytest.mark.skipif(not SHARED.exists(), reason="the STS Benchmark is not beside this checkout")
def test_sts_benchmark(minilm):
    import csv

    with (SHARED / "stsb" / "stsb-en-test.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    first, second = (minilm.embed([row[i] for row in rows]) for i in (0, 1))
    cosines = np.einsum("ij,ij->i", first.array, second.array)
    quality = 100 * spearmanr(cosines, [float(row[2]) for row in rows]).statistic
    assert quality == pytest.approx(82.03, abs=0.05)


def test_ten_kills_end_in_the_same_file_as_an_undisturbed_run(
    environment, tmp_path, minilm, share_converted
):
    """kill -9 after any number of batches, in the start, in writing; then once to the end."""
    corpus = tmp_path / "corpus.jsonl"
    with gzip.open(PACKAGES, "rt", encoding="utf-8") as file:
        corpus.write_text("".join(line for line, _ in zip(file, range(400), strict=False)))

    def start(home, stop, *more):
        """Embed the corpus; the process waits at `stop` to be killed, see `tests.telling`."""
        command = ["embed", corpus, "--column", "description", "-o", tmp_path / f"{home}.parquet"]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.telling", str(stop), *command, *more],
            env=environment | {"VECLAB_HOME": str(tmp_path / home)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    share_converted(tmp_path / "quiet")
    share_converted(tmp_path / "killed")
    undisturbed = start("quiet", 0)
    steps = undisturbed.communicate()[1].split()
    assert undisturbed.returncode == 0
    assert steps == ["kept"] * (len(steps) - 1) + ["writing"]
    assert len(steps) > 7 * 3

    chance = random.Random(0)
    for stop in [chance.randint(1, 3) for _ in range(7)]:
        process = start("killed", stop)
        assert [process.stderr.readline() for _ in range(stop)] == ["kept\n"] * stop
        process.kill()
        process.communicate()
    for _ in range(2):  # while it starts
        process = start("killed", 0)
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
    process = start("killed", "writing")
    assert "writing\n" in iter(process.stderr.readline, "")
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed.parquet").exists()
    last = start("killed", 0, "--json")
    report = json.loads(last.communicate()[0])["report"]
    assert last.returncode == 0
    assert (report["cached"], report["embedded"]) == (report["distinct"], 0)

    expected, found = read(tmp_path / "quiet.parquet"), read(tmp_path / "killed.parquet")
    assert list(found.ids) == list(expected.ids)
    assert list(found.texts) == list(expected.texts)
    assert found.columns.equals(expected.columns)
    np.testing.assert_array_equal(found.tokens, expected.tokens)
    np.testing.assert_array_equal(found.truncated, expected.truncated)
    np.testing.assert_array_equal(found.array, expected.array)  # to the last bit
    assert list(tmp_path.glob(".*veclab-tmp")) == []
