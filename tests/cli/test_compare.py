"""`veclab compare`, run as a user runs it."""

import json
from types import SimpleNamespace

import pytest

from veclab.cli.app import _run

pytest.importorskip("pytrec_eval")

WORDS = "the cat sits on mat a feline rests carpet stock markets fell".split()  # noqa: SIM905


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command in this process, which has torch already; the child of a cold start is real."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = _run(["compare", *map(str, arguments)])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return run


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    rows = [(WORDS[n % 12] + " " + WORDS[n % 7], WORDS[n % 5], n % 4 / 2) for n in range(24)]
    path.write_text("one\ttwo\tscore\n" + "".join(f"{a}\t{b}\t{c}\n" for a, b, c in rows))
    return path


def test_a_table_a_recommendation_and_a_report(run, pairs, tiny_bert, tmp_path):
    models = ["-m", tiny_bert, "-m", f"{tiny_bert}+int8", "-m", "no-such-model"]
    done = run(*models, "--data", pairs, "-o", "report.html")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "pairs.tsv: 24 pairs, task sts" in done.stdout
    assert "because: two texts (one, two) and a number (score, 0 to 1.5)" in done.stdout
    columns = ("spearman", "95% interval", "texts/s", "start", "memory", "MB/million", "truncated")
    for column in columns:
        assert column in done.stdout
    assert "failed  no-such-model: the model" in done.stdout
    assert "report: report.html" in done.stdout
    report = (tmp_path / "report.html").read_text()
    assert report.count("<svg") == 2
    assert "<script" not in report


def test_json_is_one_document(run, pairs, tiny_bert):
    names = [str(tiny_bert), f"{tiny_bert}@8", f"{tiny_bert}+binary"]
    options = [part for name in names for part in ("-m", name)]
    done = run(*options, "--data", pairs, "--json", "--no-timing")
    found = json.loads(done.stdout)
    (data,) = found["data"]
    assert [row["label"] for row in data["rows"]] == names
    assert data["metric"] == "spearman"
    assert [row["bytes_per_million"] for row in data["rows"]] == [128e6, 32e6, 4e6]
    for row in data["rows"]:
        figure = row["figures"]["spearman"]
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert found["recommendation"]


def test_several_data_sets_and_a_folder_for_results(run, pairs, tiny_bert, tmp_path):
    lines = tmp_path / "texts.txt"
    lines.write_text("".join(" ".join(WORDS[n:] + WORDS[:n]) + "\n" for n in range(12)))
    done = run("-m", tiny_bert, "-d", pairs, "-d", lines, "--results", "kept", "--no-timing")
    assert done.returncode == 0, done.stderr
    assert "texts.txt: 12 queries, task self-retrieval" in done.stdout
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_nothing_that_works_is_a_failure(run, pairs):
    done = run("-m", "no-such-model", "-d", pairs, "--no-timing")
    assert done.returncode == 1
    assert "no-such-model is not on this machine" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-d", "gone.tsv"], "gone.tsv does not exist"),
        (["-d", "pairs.tsv", "--gold", "scroe"], "no column 'scroe'"),
        (["-d", "pairs.tsv", "-o", "no/folder.html"], "the folder no does not exist"),
    ],
)
def test_wrong_input_is_said_before_any_model_is_loaded(run, pairs, arguments, complaint):
    done = run("-m", "no-such-model", *arguments)
    assert done.returncode in (1, 2)
    assert complaint in done.stderr
    assert done.stdout == ""


def test_few_rows_are_told(run, tiny_bert, tmp_path):
    (tmp_path / "few.tsv").write_text("one\ttwo\tscore\na\tb\t1\nthe cat\tmat\t2\nfell\tsits\t3\n")
    done = run("-m", tiny_bert, "-m", f"{tiny_bert}@16", "-d", "few.tsv", "--no-timing")
    assert "3 pairs are too few: an interval would be meaningless" in done.stdout
    assert "No recommendation" in done.stdout
