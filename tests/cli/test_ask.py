"""`veclab ask`: what a person sees, and what a script gets."""

import json

import pytest
from click.testing import CliRunner

from tests.chat_server import Fault
from tests.rag.conftest import server, store_path, word_model  # noqa: F401
from veclab.cli.app import app
from veclab.errors import CostTooHigh
from veclab.store.store import Store

OPENING = "When does the library open?"
FACT = "The library opens at nine in the morning."


@pytest.fixture
def run(store_path, word_model, monkeypatch):  # noqa: F811
    """Runs the command on the small store, in this process, with its model."""
    for model in ("model", "query_model"):
        monkeypatch.setattr(Store, model, property(lambda self: word_model))

    def run(*arguments, input=None):
        return CliRunner().invoke(app, ["ask", *arguments, "--store", str(store_path)], input=input)

    return run


def test_an_extractive_answer(run):
    result = run(OPENING)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"“{FACT}” [1]"
    assert "[1] library" in lines
    assert "no language model was used" in result.stdout


def test_a_refusal_says_why_and_what_to_do(run):
    result = run("Who is the president of France?")
    assert result.exit_code == 0
    assert result.stdout.startswith("Not in these documents.\nThe evidence score is 0.")
    assert "\nNot in the passages found: president, France.\n" in result.stdout
    assert "--threshold 0" in result.stdout


def test_json(run):
    value = json.loads(run(OPENING, "--json").stdout)
    assert value["outcome"] == "answered"
    assert value["sources"][0]["document"] == "library"


def test_explain(run):
    shown = run(OPENING, "--explain").stdout
    for part in ("Found:", "evidence", "threshold", "self-retrieval", "answered by", "cosine"):
        assert part in shown


def test_a_language_model_answers_and_everything_is_explained(run, server):  # noqa: F811
    server.answers = [
        f'CLAIM: {FACT}\nQUOTE [1]: "{FACT}"\n\n'
        'CLAIM: It opens at ten.\nQUOTE [1]: "The library opens at nine"\n\n'
        'CLAIM: It is free.\nQUOTE [9]: "free"'
    ]
    result = run(OPENING, "--llm", "openai:small", "--base-url", server.url, "--explain",
                 "--threshold", "0")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{FACT} [1]\nIt opens at ten. [1] (unverified)\n")
    assert f"“{FACT}”" in result.stdout
    assert "dropped: It is free." in result.stdout
    assert "cites [9], and there are" in result.stdout
    assert "--- system ---" in result.stdout
    assert "1,000 prompt, 100 completion" in result.stdout


def test_an_endpoint_that_refuses_is_an_error(run, server):  # noqa: F811
    server.answers = [Fault("403")]
    result = run(OPENING, "--llm", "openai:small", "--base-url", server.url, "--threshold", "0")
    assert "403" in str(result.exception)


def test_a_cost_limit_without_a_price(run, server):  # noqa: F811
    result = run(OPENING, "--llm", "openai:small", "--base-url", server.url, "--max-cost", "1",
                 "--threshold", "0")  # fmt: skip
    assert isinstance(result.exception, CostTooHigh)
    assert server.asked == []


def test_a_conversation(run):
    result = run("--chat", "--threshold", "0", input=f"{OPENING}\nAnd on Sundays?\n\n")
    assert result.exit_code == 0
    assert FACT in result.stdout
    assert f"searched as: {OPENING} And on Sundays?" in result.stdout
    assert "On Sundays the library stays closed." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a QUESTION"),
        (["--chat", "--json"], "--chat is interactive"),
        ([OPENING, "--base-url", "http://127.0.0.1:1"], "--base-url requires --llm"),
        ([OPENING, "--max-cost", "1"], "--max-cost requires --llm"),
        ([OPENING, "--nonsense"], "No such option"),
        ([OPENING, "--top", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_documents_do_not_steer_the_terminal(tmp_path, word_model, monkeypatch):  # noqa: F811
    for model in ("model", "query_model"):
        monkeypatch.setattr(Store, model, property(lambda self: word_model))
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        store.add(["The library \x1b[2J\x1b]0;owned\x07 opens at nine."], ids=["evil\x1b[31m"])
    result = CliRunner().invoke(
        app, ["ask", OPENING, "--store", str(tmp_path / "store"), "--threshold", "0", "--explain"]
    )
    assert "opens at nine" in result.stdout
    assert "\x1b" not in result.output


def test_a_store_of_a_few_words_can_be_asked(tmp_path, word_model, monkeypatch):  # noqa: F811
    for model in ("model", "query_model"):
        monkeypatch.setattr(Store, model, property(lambda self: word_model))
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        store.add(["the cat sleeps on the mat", "dogs bark"], ids=["cat", "dog"])
    asked = ["ask", "Where does the cat sleep?", "--store", str(tmp_path / "store"), "--explain"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    assert "by default: no sentence is long enough" in " ".join(result.stdout.split())
