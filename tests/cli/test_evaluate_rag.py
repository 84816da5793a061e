"""`veclab evaluate-rag`: the tables, the threshold, and usage that has no meaning."""

import json

import pytest
from click.testing import CliRunner

from tests.rag.conftest import TEXTS, word_model  # noqa: F401
from veclab.cli.app import app
from veclab.store.store import Store

QUESTIONS = [
    {"question": "When does the library open?", "answers": [{"document": "library"}]},
    {"question": "Who is the president of France?", "answers": []},
]


@pytest.fixture
def run(tmp_path, word_model, monkeypatch):  # noqa: F811
    """Runs the command on a store of its own."""
    for model in ("model", "query_model"):
        monkeypatch.setattr(Store, model, property(lambda self: word_model))
    with Store.open(tmp_path / "store", word_model, create=True) as store:
        store.add(TEXTS.values(), ids=list(TEXTS))
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, QUESTIONS)))

    def run(*arguments):
        filled = [str(file) if part == "FILE" else part for part in arguments]
        return CliRunner().invoke(
            app, ["evaluate-rag", "--store", str(tmp_path / "store"), *filled]
        )

    return run


def test_tables(run):
    shown = run("--questions", "FILE", "--threshold", "0.4").stdout
    assert shown.startswith("1 answerable questions (given), 1 unanswerable")
    for part in ("vector", "keyword", "hybrid", "as ask reads", "ndcg@10", "rightly refused"):
        assert part in shown


def test_json_without_questions(run):
    value = json.loads(run("--sample", "10", "--json").stdout)
    assert value["method"] == "self-retrieval"
    assert value["answering"]["citations found again"]["value"] == 1


def test_a_threshold_is_found_and_kept(run, tmp_path):
    result = run("--questions", "FILE", "--set-threshold")
    assert "from questions: refuses 0% of 1 answerable and 100% of 1" in result.stdout
    asked = CliRunner().invoke(
        app, ["ask", "When does the library open?", "-s", str(tmp_path / "store"), "--explain"]
    )
    assert "from questions" in asked.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set-threshold"], "--set-threshold requires --questions"),
        (["--documents", "."], "--documents requires --chunk-size"),
        (["--chunk-size", "many", "--documents", "."], "not a list of integers"),
        (["--overlap", "8"], "--overlap requires --chunk-size"),
        (["--max-cost", "1"], "requires --llm"),
        (
            ["--questions", "FILE", "--set-threshold", "--threshold", "0.4"],
            "--threshold cannot be combined with --set-threshold",
        ),
    ],
)
def test_wrong_usage(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
