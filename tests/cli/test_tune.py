"""`veclab tune`, run as a user runs it."""

import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from tests.chat_server import KEY, ChatServer
from tests.tuning.making import ciphered, numbered, shuffled
from veclab.cli.app import _run

pytest.importorskip("pytrec_eval")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, tiny_bert):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = _run(["tune", "-m", str(tiny_bert), *map(str, arguments)])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


def written(path, data):
    rows = [
        {"query": query, "document": data.documents[found[0]]}
        for query, found in zip(data.queries, data.positives, strict=True)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def pairs(tmp_path):
    """Pairs with something to learn from."""
    return written(tmp_path / "pairs.jsonl", ciphered(200))


def test_a_table_a_verdict_and_a_model(run, pairs, tmp_path):
    done = run("--data", pairs, "-o", "tuned", "--held-out", "0.3", "--page", "report.html")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    shown = ("method  adapter", "split by document", "difference", "95% interval", "won most:")
    for expected in (*shown, "Gain proven on", "Saved: tuned.", "report: report.html"):
        assert expected in done.stdout
    assert (tmp_path / "tuned" / "modules.json").exists()
    assert "<script" not in (tmp_path / "report.html").read_text()


def test_a_refusal_has_an_exit_code(run, tmp_path):
    done = run("--data", written(tmp_path / "numbers.jsonl", shuffled(ciphered(80))), "-o", "tuned",
               "--held-out", "0.3")  # fmt: skip
    assert done.returncode == 1
    assert "Nothing was saved (--anyway saves it all the same)." in done.stdout
    assert not (tmp_path / "tuned").exists()


def test_json_is_one_document(run, pairs):
    done = run("--data", pairs, "-o", "tuned", "--held-out", "0.3", "--json")
    found = json.loads(done.stdout)
    assert found["saved"] is found["proven"] is True
    assert found["gain"]["low"] > 0
    assert found["path"] == "tuned"


def test_ten_pairs_are_an_error_in_one_line(run, tmp_path):
    done = run("--data", written(tmp_path / "few.jsonl", numbered(10)), "-o", "tuned")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "10 queries, too few" in done.stderr


def test_a_report_that_is_no_page_is_refused_before_anything_is_done(run, pairs, tmp_path):
    done = run("--data", pairs, "-o", "tuned", "--page", "report.pdf")
    assert done.returncode == 2
    assert "the report is a page" in done.stderr
    assert not (tmp_path / "tuned").exists()


def test_options_of_another_method_are_refused(run, pairs):
    done = run("--data", pairs, "-o", "tuned", "--batch", "16")
    assert done.returncode == 2
    assert "require --method full" in done.stderr


@pytest.mark.slow
def test_a_kill_in_the_midst_of_training_loses_little(pairs, tmp_path, tiny_bert, environment):
    pytest.importorskip("accelerate", reason="needs veclab[tune]")
    command = [sys.executable, "-m", "veclab", "tune", "-m", str(tiny_bert), "--data", str(pairs)]
    command += ["-o", "tuned", "--method", "full", "--epochs", "10", "--batch", "16"]
    command += ["--learning-rate", "0.005", "--held-out", "0.3", "--device", "cpu", "--json"]
    here = {"cwd": tmp_path, "env": environment | {"OMP_NUM_THREADS": "1"}}
    running = subprocess.Popen(command, **here, stderr=subprocess.PIPE)
    # The state of the trainer is the last file of a checkpoint.
    while not list(tmp_path.glob(".tuned.veclab-tune/*/checkpoint-*/trainer_state.json")):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert not (tmp_path / "tuned").exists()
    done = subprocess.run(command, **here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any("went on from step" in note for note in json.loads(done.stdout)["notes"])
    assert (tmp_path / "tuned" / "modules.json").exists()
    assert not list(tmp_path.glob(".tuned*"))


@pytest.fixture
def documents(tmp_path):
    """A folder of 24 files of a passage each."""
    folder = tmp_path / "documents"
    folder.mkdir()
    for i, document in enumerate(ciphered(40).documents[:24]):
        (folder / f"{i}.md").write_text(f"{document}.\n")
    return folder


@pytest.fixture
def chat_server(monkeypatch):
    with ChatServer() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def test_a_chat_model_writes_the_queries_once(run, documents, chat_server, tmp_path):
    chat_server.answers = [
        f"Which letters are meant by case {i}?\nWhat else is in case {i}?" for i in range(99)
    ]
    options = ("--data", documents, "--questions-by", "openai:small", "--held-out", "0.3")
    done = run(*options, "-o", "first", "--anyway")
    assert done.returncode == 0, done.stderr
    assert "small wrote 48 questions for 24 passages (24 asked now)" in done.stdout
    assert "no price known" in done.stdout
    again = run(*options, "-o", "second", "--anyway")
    assert "small wrote 48 questions for 24 passages (0 asked now)" in again.stdout
    assert len(chat_server.asked) == 24


def test_a_cost_over_the_limit_is_refused_before_anything_is_sent(
    run, documents, chat_server, home
):
    home.mkdir(exist_ok=True)
    prices = {"small": {"input": 1000.0, "output": 1000.0}}
    prices = {f"small@{chat_server.url}": prices["small"], **prices}
    (home / "prices.json").write_text(
        json.dumps({"as_of": "2026-01-01", "chat_dollars_per_million_tokens": prices})
    )
    done = run("--data", documents, "--questions-by", "openai:small", "-o", "tuned",
               "--max-cost", "0.01")  # fmt: skip
    assert done.returncode == 1
    assert "Nothing was sent" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not chat_server.asked


def test_a_chat_model_that_writes_nothing_is_told_of(run, documents, chat_server, tmp_path):
    done = run("--data", documents, "--questions-by", "openai:small", "-o", "tuned")
    assert done.returncode == 1
    assert "no question that can be used for the first 20 passages" in done.stderr
    assert not (tmp_path / "tuned").exists()
