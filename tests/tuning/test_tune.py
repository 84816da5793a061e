"""Tune: one way from data to a model that is saved with its gain proven, or not at all."""

from __future__ import annotations

import gzip
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import veclab
from tests.tuning.making import ciphered, numbered, shuffled
from veclab.errors import InputError, OutputError
from veclab.evaluation.datasets import Head, pair_data
from veclab.models.local.folder import read_folder, read_license
from veclab.tuning import adapter
from veclab.tuning.data import TrainingData
from veclab.tuning.method import Settings
from veclab.tuning.tune import tune

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("pytrec_eval")
pytest.importorskip("sentence_transformers")


@pytest.fixture
def general():
    """Pairs of words that the tiny model knows."""
    words = "the cat sits on mat a feline rests carpet stock markets fell".split()  # noqa: SIM905
    pairs = [(words[i % 12], words[(i * 5) % 12]) for i in range(24)]
    return pair_data(Head("general", "sts", ""), *zip(*pairs, strict=True), list(range(24)))


@pytest.fixture
def run(tiny_bert, tmp_path, general):
    def run(data=None, **options):
        return tune(
            str(tiny_bert), data or ciphered(200), tmp_path / "tuned", general=general,
            **{"held_out": 0.3} | options,
        )  # fmt: skip

    return run


def left_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"home"}


def test_a_gain_is_proven_and_the_model_saved(run, tmp_path, tiny_bert):
    made = run()
    assert made.saved
    assert made.proof.gain.low > 0
    assert made.verdict.startswith("Gain proven on")
    assert left_in(tmp_path) == {"tuned"}
    model = veclab.load(str(tmp_path / "tuned"), cache=False)
    base = veclab.load(str(tiny_bert), cache=False)
    documents = [m.embed(["1 2 3"], role="document").array for m in (model, base)]
    np.testing.assert_allclose(*documents, atol=1e-6)
    assert not model.space.same_as(base.space)


def test_the_card_tells_data_method_figures_and_license(run, tmp_path):
    made = run()
    said = (tmp_path / "tuned" / "README.md").read_text(encoding="utf-8")
    assert said.startswith("---\n")
    assert made.split in said
    assert f"{made.proof.gain.after:.4f}" in said
    assert "- method: adapter" in said
    assert "not stated in its folder" in said
    assert read_license(tmp_path / "tuned") is None
    assert any("license" in note for note in made.notes)
    assert "a b c d" not in said  # no text of the data


def test_the_license_of_the_base_goes_along(tiny_bert, tmp_path, general):
    base = tmp_path / "base"
    shutil.copytree(tiny_bert, base)
    (base / "README.md").write_text("---\nlicense: apache-2.0\nlanguage:\n- en\n---\n")
    tune(str(base), ciphered(200), tmp_path / "tuned", held_out=0.3, general=general)
    assert read_license(tmp_path / "tuned") == "apache-2.0"
    assert read_folder(tmp_path / "tuned", name="tuned").languages == ("en",)


def test_without_a_gain_nothing_is_saved(run, tmp_path):
    made = run(shuffled(ciphered(80)))
    assert not made.saved
    assert made.path is None
    assert "Nothing was saved" in made.verdict
    assert left_in(tmp_path) == set()


def test_unless_it_is_asked_for(run, tmp_path):
    made = run(shuffled(ciphered(80)), anyway=True)
    assert made.saved
    assert not made.proof.proven
    assert "Saved all the same, as asked" in made.verdict
    assert "Gain proven" not in (tmp_path / "tuned" / "README.md").read_text(encoding="utf-8")


def test_pairs_in_which_there_is_nothing_to_learn_are_refused(run, tmp_path):
    """As where the rows of two columns have slipped."""
    assert not run(shuffled(ciphered(120))).saved


@pytest.mark.parametrize("method, needs", [("full", "accelerate"), ("static", "model2vec")])
def test_other_methods_go_the_same_way(run, tmp_path, method, needs):
    pytest.importorskip(needs)
    settings = Settings(device="cpu", epochs=1, dimensions=16 if method == "static" else None)
    data = ciphered(60) if method == "full" else numbered(60)  # of words that are cut to pieces
    made = run(data, method=method, settings=settings, anyway=True)
    assert made.trained.method == method
    assert left_in(tmp_path) == {"tuned"}
    assert f"- method: {method}" in (tmp_path / "tuned" / "README.md").read_text(encoding="utf-8")
    model = veclab.load(str(tmp_path / "tuned"), cache=False)
    assert len(model.embed(["a b c d"], role="query")) == 1


def test_swapped_labels_are_refused(run):
    """A model is taught to find what is wrong, and does: the data are doubted all the same."""
    data = numbered(80)
    right = [[(i + 1) % 80] for i in range(80)]
    swapped = TrainingData("swapped", data.documents, data.documents, right, data.positives)
    made = run(swapped)
    assert not made.saved
    assert "seem to be swapped" in made.verdict


def test_ten_pairs_are_too_few_and_nothing_is_embedded(run, tmp_path):
    with pytest.raises(InputError, match="10 queries, too few"):
        run(ciphered(10))
    assert left_in(tmp_path) == set()


def test_an_output_that_exists_is_left_alone(run, tmp_path):
    (tmp_path / "tuned").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        run()


def test_an_endpoint_cannot_be_tuned(tmp_path):
    with pytest.raises(InputError, match="can be tuned"):
        tune("openai:text-embedding-3-small", ciphered(100), tmp_path / "tuned")


def test_a_full_disk_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        run()
    assert left_in(tmp_path) == set()


def test_progress_is_told_by_stage(run):
    stages = []
    run(on_stage=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["embedding", "training", "proving"]


def test_a_killed_run_leaves_no_model_and_the_next_one_finishes(run, tiny_bert, tmp_path):
    """The process ends in the middle of writing its folder."""
    code = f"""
import os
from pathlib import Path
from tests.tuning.making import ciphered
from veclab.tuning import routed_folder
from veclab.tuning.tune import tune

def killed(router, matrix):
    os._exit(9)

routed_folder._write_router = killed
tune({str(tiny_bert)!r}, ciphered(200), Path({str(tmp_path)!r}) / "tuned", held_out=0.3)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 9
    assert left_in(tmp_path) == {".tuned.veclab-tune"}
    assert run().saved
    assert left_in(tmp_path) == {"tuned"}


def test_working_files_stay_for_the_next_run_and_go_in_the_end(run, tmp_path, monkeypatch):
    """A method keeps what it goes on from beside its folder."""
    seen = []

    def stopped(base, data, folder, settings, on_step):
        seen.append((folder.parent / "checkpoint").exists())
        (folder.parent / "checkpoint").write_text("half of it")
        if len(seen) == 1:
            raise OutputError("stopped")
        return original(base, data, folder, settings, on_step)

    original = adapter.train
    monkeypatch.setattr(adapter, "train", stopped)
    with pytest.raises(OutputError, match="stopped"):
        run()
    run()
    assert seen == [False, True]
    assert left_in(tmp_path) == {"tuned"}


def test_what_another_run_left_is_not_gone_on_from(run, tmp_path):
    other = tmp_path / ".tuned.veclab-tune" / "0123456789abcdef"
    other.mkdir(parents=True)
    run()
    assert left_in(tmp_path) == {"tuned"}


def test_the_report_is_a_comparison_of_two(run, tmp_path):
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    from veclab.evaluation.page import page

    shown = page(run().comparison)
    assert "Gain proven on" in shown
    assert "general" in shown
    assert "tuned" in shown


def test_the_run_in_the_documentation_in_small(tiny_bert, tmp_path, capsys):
    """The command of docs/tune.md on some of the same packages, and all that it shows."""
    from veclab.cli.app import _run

    page = (ROOT / "docs" / "tune.md").read_text(encoding="utf-8")
    command = re.search(r"\$ veclab (tune .*--data examples/packages.jsonl.gz.*)", page)[1].split()
    shown = re.search(r"find their descriptions:\n\n(.*?)\n\n[A-Z]", page, re.S)[1]
    with gzip.open(ROOT / "examples" / "packages.jsonl.gz", "rt", encoding="utf-8") as file:
        (tmp_path / "packages.jsonl").write_text("".join(itertools.islice(file, 120)))
    places = {"all-MiniLM-L6-v2": str(tiny_bert), "my-model": str(tmp_path / "my-model"),
              "examples/packages.jsonl.gz": str(tmp_path / "packages.jsonl"),
              "tune.html": str(tmp_path / "tune.html")}  # fmt: skip
    code = _run([places.get(word, word) for word in command])
    said = capsys.readouterr().out
    assert code in (0, 1)  # a random model may learn nothing from so few
    for label in re.findall(r"^ +(base|method|data|split|trained|note)  ", shown, re.M):
        assert f"{label}  " in said
    assert "query 'summary', document 'description' (by their names)" in said
    assert "ndcg@10" in said
    assert "ndcg@10" in shown
