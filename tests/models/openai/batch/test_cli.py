"""`veclab batch` as a user meets it."""

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tests.models.openai.batch.conftest import MODEL
from veclab.cli.app import app
from veclab.errors import CostTooHigh, InputError

TEXTS = [f"text number {i}" for i in range(40)]


@pytest.fixture
def run(server):
    """A function that runs a command in this process; gives its result."""

    def command(*words, code=0):
        result = CliRunner().invoke(app, ["batch", *map(str, words)], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert (result.return_value or 0) == code, result.output
        return result

    return command


@pytest.fixture
def job(tmp_path):
    return tmp_path / "job"


def test_a_job_from_the_first_word_to_the_last(run, server, corpus, job, tmp_path):
    file, output = corpus([*TEXTS, TEXTS[0]]), tmp_path / "out.parquet"
    said = run("submit", file, "-m", MODEL, "--job", job).stdout
    assert re.search(r"texts +41\n +distinct +40\nfrom cache +0\n", said)
    assert re.search(r"to send +40 inputs in 41 requests, 1 file\(s\)", said)
    assert re.search(r"cost +\$0\.0000, instead of \$0\.0000 without the Batch API", said)
    assert "veclab batch status --wait --job" in said

    said = run("fetch", "--job", job, "-o", output, code=1)
    assert "waiting  40" in said.stdout
    assert "was not written: vectors are missing" in said.stderr

    said = run("status", "--wait", "--every", "0.1", "--job", job).stdout
    assert re.search(r"0001 +completed +batch-\d+ +40 +\d+ +41 +0 +41", said)
    assert "1 finished: veclab batch fetch" in said

    said = run("fetch", "--job", job).stdout
    assert "40 of 40 inputs" in said
    (command,) = re.findall(r"every vector is in the cache: (.*)", said)
    assert command == f"veclab embed {file} -m {MODEL} -o OUT.parquet"

    run("fetch", "--job", job, "-o", output)
    assert output.is_file()


def test_json_for_scripts(run, server, corpus, job):
    made = json.loads(run("submit", corpus(TEXTS), "-m", MODEL, "--job", job, "--json").stdout)
    assert made["plan"]["inputs"] == 40
    assert made["plan"]["dollars"] == pytest.approx(made["plan"]["full_dollars"] / 2)
    assert (made["running"], made["unsent"]) == (1, 0)
    server.faults.fail = ("number 7",)
    server.finish()
    assert json.loads(run("status", "--job", job, "--json").stdout)["batches"][0]["failed"] == 1
    fetched = json.loads(run("fetch", "--job", job, "--json", code=1).stdout)["progress"]
    assert (fetched["there"], fetched["failed"], fetched["complete"]) == (39, 1, False)
    assert fetched["reasons"][0]["ids"] == ["8"]
    assert f"veclab batch submit --job {job}" in run("fetch", "--job", job, code=1).stdout


def test_failures_are_listed_with_the_way_out(run, server, corpus, job):
    run("submit", corpus(TEXTS), "-m", MODEL, "--job", job)
    server.faults.refuse = ("number 7",)
    server.finish()
    said = run("fetch", "--job", job).stdout  # there is nothing more to come
    assert "1 (400: '$.input' is invalid.): 8" in said
    assert "all other vectors are in the cache; embed skips these texts" in said
    said = run("submit", "--job", job).stdout
    assert "1 left out (--refused sends them again)" in said
    assert re.search(r"to send +nothing", said)


def test_the_limit_of_the_cost_is_printed_with_the_plan(run, corpus, job):
    file = corpus([f"{text} " + "and so on " * 500 for text in TEXTS])
    with pytest.raises(CostTooHigh, match=f"--job {job}"):
        run("submit", file, "-m", MODEL, "--job", job, "--max-cost", "0.0001")


def test_options_of_a_job_go_with_an_input(run, corpus, job, server):
    import click

    run("submit", corpus(TEXTS), "-m", MODEL, "--job", job)
    with pytest.raises(
        click.UsageError, match="--on-long applies only to a new job: give its INPUT"
    ):
        run("submit", "--job", job, "--on-long", "split")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["FILE", "-m", "all-MiniLM-L6-v2"], "has no Batch API"),
        (["-", "-m", MODEL], "give a file, not '-'"),
        (["FILE", "-m", MODEL, "--no-cache"], "needs the cache"),
        (["FILE", "-m", MODEL, "--device", "cpu"], "device does not go with it"),
        (["missing.txt", "-m", MODEL], "missing.txt"),
        ([], "there is no job"),
    ],
)
def test_what_cannot_be_a_job_is_said(run, corpus, job, server, words, complaint):
    file = corpus(TEXTS)
    with pytest.raises(InputError, match=complaint):
        run("submit", *(file if word == "FILE" else word for word in words), "--job", job)
    assert server.batches == {}


def test_a_job_that_went_wrong_at_the_start_can_be_begun_anew(run, corpus, job, server):
    with pytest.raises(InputError):
        run("submit", "missing.txt", "-m", MODEL, "--job", job)
    run("submit", corpus(TEXTS), "-m", MODEL, "--job", job)
    assert len(server.batches) == 1


@pytest.mark.parametrize("yes", ["y", "n"])
def test_on_a_terminal_it_asks(server, corpus, job, environment, yes):
    pty = pytest.importorskip("pty")
    import os

    main, end = pty.openpty()
    command = [sys.executable, "-m", "veclab", "batch", "submit", corpus(TEXTS), "-m", MODEL]
    child = subprocess.Popen(
        [*map(str, command), "--job", job],
        stdin=end,
        stderr=end,
        stdout=end,
        env=os.environ | environment,
    )
    os.close(end)
    said = b""
    while b"Send it?" not in said:
        said += os.read(main, 1000)
    os.write(main, f"{yes}\n".encode())
    try:
        while more := os.read(main, 1000):
            said += more
    except OSError:  # how a terminal ends on Linux
        pass
    assert child.wait() == 0
    assert b"40 inputs" in said
    assert len(server.batches) == (yes == "y")


def test_passages_and_codes(run, server, corpus, job, tmp_path):
    file = corpus([" ".join(f"word{i}" for i in range(30)), "short"])
    given = ("--max-tokens", 16, "--chunks", "--quantize", "int8")
    run("submit", file, "-m", MODEL, "--job", job, *given)
    run("status", "--wait", "--every", "0.1", "--job", job)
    said = run("fetch", "--job", job).stdout
    assert f"veclab embed {file} -m {MODEL} --max-tokens 16 --chunks --quantize int8 -o" in said
    run("fetch", "--job", job, "-o", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").is_file()
    with pytest.raises(Exception, match="--chunks applies only to a new job"):
        run("submit", "--job", job, "--chunks")
