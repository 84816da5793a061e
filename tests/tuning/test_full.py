"""Training: what was learned, what is kept, and that a kill costs nothing but time."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import veclab
from tests.tuning.making import ciphered
from veclab import InputError, MissingExtra
from veclab.models.local.folder import read_folder
from veclab.similarities.nearest import nearest
from veclab.tuning import computing, full
from veclab.tuning.method import Settings

pytest.importorskip("accelerate", reason="needs veclab[tune]")
pytest.importorskip("datasets", reason="needs veclab[tune]")

SETTINGS = Settings(batch=16, epochs=4, learning_rate=5e-3, device="cpu", matryoshka=(16,))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """A step of so small a model is faster alone than with threads that wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full, "usable_cores", lambda: 1)
        yield


def nothing(done, total):
    pass


@pytest.fixture(scope="module")
def base(tiny_bert):
    return read_folder(tiny_bert, name="tiny-bert")


@pytest.fixture(scope="module")
def data():
    return ciphered(240, negatives=2)


@pytest.fixture(scope="module")
def trained(base, data, tmp_path_factory):
    """The folder, what was said of it, and the steps that were told."""
    folder, steps = tmp_path_factory.mktemp("work") / "out", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        made = full.train(base, data, folder, SETTINGS, lambda *step: steps.append(step))
    return folder, made, steps


def refuse(*_):
    raise AssertionError("training asked the network")


def found_first(path, data, dimensions=None):
    """Share of queries whose nearest document is the right one."""
    model = veclab.load(str(path), cache=False)
    queries, documents = model.embed(data.queries), model.embed(data.documents)
    if dimensions is not None:
        queries, documents = queries.truncate(dimensions), documents.truncate(dimensions)
    best = nearest(queries, documents, k=1).positions[:, 0]
    return np.mean([best[i] in data.positives[i] for i in range(len(data))])


def test_it_learns_what_belongs_together(trained, base):
    fresh = ciphered(60, seed=1)
    assert found_first(base.path, fresh) < 0.2
    assert found_first(trained[0], fresh) > 0.7


def test_shorter_vectors_are_trained_too(trained):
    assert found_first(trained[0], ciphered(60, seed=1), dimensions=16) > 0.5


def test_the_folder_is_one_of_sentence_transformers(trained, data, base):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(trained[0]), device="cpu")
    ours = veclab.load(str(trained[0]), cache=False)
    texts = data.documents[:20]
    cosines = (theirs.encode(texts) * ours.embed(texts).array).sum(axis=1)
    assert cosines.min() > 0.9999
    assert theirs.max_seq_length == base.max_tokens
    assert ours.space != veclab.load(str(base.path), cache=False).space


def test_it_says_how(trained):
    _, made, steps = trained
    assert made.method == "full"
    assert made.facts["epochs"] == 4
    assert made.facts["matryoshka"] == "16"
    assert made.facts["hard negatives"] == 1
    assert 0 < made.facts["its nDCG@10"] <= 1
    assert steps[0] == (0, made.facts["steps"])
    assert steps[-1] == (made.facts["steps"], made.facts["steps"])


def test_no_pickle_of_arguments_is_left(trained):
    files = {file.name for file in trained[0].parent.rglob("*")}
    assert "optimizer.pt" in files, "checkpoints have another form now: look at this test"
    assert "training_args.bin" not in files


@pytest.mark.slow
def test_killed_and_run_again_it_has_the_same_weights(trained, tmp_path, tiny_bert, environment):
    code = f"""if True:
        import os, signal
        from pathlib import Path
        from tests.tuning.making import ciphered
        from tests.tuning.test_full import SETTINGS
        from veclab.models.local.folder import read_folder
        from veclab.tuning.full import train

        def on_step(done, total):
            print(done, flush=True)
            if done == 20 and not os.environ.get("GO_ON"):
                os.kill(os.getpid(), signal.SIGKILL)

        base = read_folder(Path({str(tiny_bert)!r}), name="tiny-bert")
        made = train(base, ciphered(240, negatives=2), Path("work/out"), SETTINGS, on_step)
        print(made.notes)
    """
    (tmp_path / "work").mkdir()
    path = os.pathsep.join(["", *sys.path])
    here = environment | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    killed = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # What a kill in the midst of writing a checkpoint leaves.
    (tmp_path / "work" / "checkpoint-19").mkdir()
    again = subprocess.run(
        command, cwd=tmp_path, env=here | {"GO_ON": "1"}, capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    first = int(again.stdout.split()[0])
    assert 0 < first <= 20
    assert f"went on from step {first}" in again.stdout
    assert weights(tmp_path / "work" / "out") == weights(trained[0])


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_a_small_memory_gives_the_same_model(trained, base, data, tmp_path, monkeypatch):
    """Gradient caching computes a batch in parts; what is learned does not depend on it."""
    monkeypatch.setattr(full, "texts_at_once", lambda *_: 24)
    made = full.train(base, data, tmp_path / "out", SETTINGS, nothing)
    assert "cached" in made.facts["loss"]
    assert found_first(tmp_path / "out", ciphered(60, seed=1)) > 0.7


def test_prompts_and_cut_texts(tiny_e5, tmp_path):
    base = read_folder(tiny_e5, name="tiny-e5")
    data = ciphered(40)
    long = [document + " and so on" * 20 for document in data.documents]
    settings = Settings(batch=8, epochs=1, device="cpu")
    made = full.train(base, replace(data, documents=long), tmp_path / "out", settings, nothing)
    assert any("more than 32 tokens" in note for note in made.notes)
    assert f"{len(long):,} texts" in " ".join(made.notes)
    # Too few to set some aside: said.
    assert any("too few to choose a checkpoint" in note for note in made.notes)
    config = json.loads((tmp_path / "out" / "config_sentence_transformers.json").read_text())
    assert config["prompts"]["query"] == "query: "


def test_a_full_disk_says_how_to_go_on(base, data, tmp_path, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(veclab.OutputError, match=r"No space left.*goes on from the last"):
        full.train(base, data, tmp_path / "out", SETTINGS, nothing)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(batch=1), "batch must be 2 or more"),
        (Settings(epochs=0), "epochs must be 1 or more"),
        (Settings(matryoshka=(32,)), "--matryoshka 32"),
        (Settings(learning_rate=3.0), "learning rate"),
        (Settings(device="cuda:7"), "cuda:7"),
    ],
)
def test_settings_that_cannot_be_used(base, data, tmp_path, settings, said):
    with pytest.raises(InputError, match=said):
        full.train(base, data, tmp_path / "out", settings, nothing)


def test_a_missing_part_is_named(base, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtra, match=r"veclab\[tune\]"):
        full.train(base, data, tmp_path / "out", SETTINGS, nothing)


def test_fewer_long_texts_fit_into_memory_than_short_ones(base):
    model = full._open(base.path, base.name)
    short, long = (computing.texts_at_once(model, n, "cpu", False) for n in (8, 32))
    assert short >= 4 * long >= 4
