"""What is printed for people cannot steer their terminal; what is printed for programs is whole."""

from __future__ import annotations

import ast
import json
import os
import re
import unicodedata
import warnings
from pathlib import Path

import pytest

import veclab
from tests.chat_server import ChatServer, Fault
from tests.openai_server import OpenAIServer
from tests.words import write_words
from veclab.cli import app, console

CLI = Path(app.__file__).parent

# A window title, a cleared screen, C1 forms of both, a line written over, text turned around.
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x9d8;;evil\x9cgone\rover\x08\x7f\u202egpj.exe\u2066\u200b"
# The same for a file's name, where "/" and NUL cannot be.
NAME = "a\x1b[31m\x9b31m\u202egpj"
WORDS = {
    "king": [1, 1, 0],
    "queen": [-1, 1, 0.1],
    "man": [1, 0, 0.1],
    "woman": [-1, 0, 0.1],
    "apple": [0.1, -0.2, 1],
    f"pear{NAME}": [0, -0.1, 1],
}


def obeyed(shown: str) -> list[str]:
    """Characters that a terminal would act upon, or hide, instead of showing them."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [c for c in shown if unicodedata.category(c) in kinds and c not in "\n\t"]


class TestHarmless:
    def test_every_character_that_a_terminal_obeys_is_written_out(self):
        for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), 0x2066, 0xD800):
            if chr(code) in "\n\t":
                continue
            shown = console.harmless(f"a{chr(code)}b")
            assert shown.isprintable(), hex(code)
            assert shown.startswith("a\\")

    @pytest.mark.parametrize(
        "text",
        ["naïve\tcafé\nnext", "שלום עולם", "می‌خواهم", "👩‍👩‍👧", "日本語", "नमस्ते", "a\\x1bb"],
    )
    def test_all_other_texts_are_as_they_were(self, text):
        assert console.harmless(text) == text

    def test_our_own_colors_stay_and_what_is_in_them_is_harmless(self, capsys, monkeypatch):
        monkeypatch.setattr("click.utils.should_strip_ansi", lambda *_: False)
        console.echo("a\x1b[2J", console.styled("b\x1b[2J", "yellow"))
        assert capsys.readouterr().out == "a\\x1b[2J\x1b[33mb\\x1b[2J\x1b[0m\n"

    def test_a_cell_cannot_begin_a_line_of_its_own(self, capsys):
        console.print_table(["id", "n"], [["a\nveclab: all is well", "1"]])
        console.print_facts([("note", "a\nveclab: all is well")])
        lines = capsys.readouterr().out.splitlines()
        assert not any(line.startswith("veclab") for line in lines)


def test_all_printing_goes_through_the_console():
    """By click, print, rich or the streams: a command that prints by itself forgets one day."""
    for path in sorted(CLI.glob("*.py")):
        if path.name == "console.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("print", "input") and not re.fullmatch(
                r"click\.(s?echo|style|prompt|confirm|echo_via_pager|progressbar)"
                r"|sys\.(stdout|stderr)(\.buffer)?\.write(lines)?|rich\..*|Console|Progress",
                called,
            ), f"{path.name}, line {node.lineno}: {called}"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs a command in this process; what it shows must be harmless. Gives code, out, err."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", app._show_warning)

    def run(*arguments, codes=(0,)):
        code = app._run(list(map(str, arguments)))
        out, err = capsys.readouterr()
        assert code in codes, out + err
        if "--json" not in arguments:
            assert not obeyed(out + err), (out, err)
        return code, out, err

    return run


@pytest.fixture
def model(tmp_path):
    return write_words(tmp_path / f"{NAME}.vec", WORDS)


@pytest.fixture
def texts(tmp_path):
    """Texts with ids, in a file, all of which would steer a terminal."""
    path = tmp_path / f"{NAME}.jsonl"
    rows = [
        {"id": f"{EVIL}{i}", "text": f"{word} {EVIL} unknown{EVIL}", EVIL: EVIL}
        for i, word in enumerate([*list(WORDS) * 4, ""])
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def vectors(texts, model, run, tmp_path):
    path = tmp_path / f"{NAME}.parquet"
    _, out, _ = run("embed", texts, "-o", path, "-m", model)
    assert "\\x1b[31m" in out  # it is said, visibly
    return path


@pytest.fixture
def store(texts, model, run, tmp_path):
    path = tmp_path / "store\u202e"  # Lance takes no control characters
    run("index", texts, "-s", path, "-m", model)
    return path


class TestCommands:
    def test_on_texts(self, run, texts, model):
        for command in ("plan", "inspect-text"):
            run(command, texts, "-m", model)
        run("embed", "--text", f"king {EVIL}", "-m", model)
        run("embed", texts, "-o", "v.parquet", "-m", model, "--column", f"no{NAME}", codes=(2,))
        run("similar", f"king {EVIL}", f"man{NAME} woman", "-m", model)
        run("similar", "--within", texts, "-m", model, "-k", 2)
        run("similar", "--within", texts, "-m", model, "--duplicates", "0.9")
        run("analogy", "king", "-", "man", "+", "woman", "-m", model)
        run("analogy", f"kin{EVIL}", "-m", model, codes=(2,))
        run("picture", "heatmap", texts, "-o", f"{NAME}.png", "-m", model)

    def test_on_pairs(self, run, model, tmp_path):
        rows = [f"king {word}{NAME},man {NAME},{i}" for i, word in enumerate([*WORDS] * 2)]
        path = tmp_path / f"{NAME}.csv"
        path.write_text("\n".join([f"one{NAME},two{NAME},score", *rows]))
        run("similar", "--pairs", path, "-m", model)
        run("compare", "-m", model, "--data", path, "--no-timing", codes=(0, 1))

    def test_on_vectors(self, run, vectors, model):
        run("inspect", vectors)
        run("audit", vectors, "--no-prove", codes=(0, 1))
        run("similar", "king", "--to", vectors, "-m", model)
        run("similar", "--within", vectors, "-k", 2)
        run("map", vectors, "-o", f"{NAME}.html", "--method", "pca")

    def test_on_bias(self, run, model, tmp_path):
        path = tmp_path / f"{NAME}.json"
        group = {"targets": {}, "attributes": {}, "name": NAME}
        path.write_text(json.dumps([group]))
        run("bias", "-m", model, "--lists", path, codes=(2,))

    def test_on_stores(self, run, store, texts, model):
        run("search", "king", "-s", store, "--full")
        run("store", "inspect", "-s", store)
        run("store", "check", "-s", store, codes=(0, 1))
        for threshold in (0, 1):
            run("ask", "Who is king?", "-s", store, "--explain", "--threshold", threshold)
        run("evaluate-rag", "-s", store, "--sample", "10", codes=(0, 1, 2))
        run("index", texts, "-s", store, "-m", f"no{NAME}", codes=(1, 2))
        run("map", "--store", store, "-o", "m.html", "--method", "pca")

    def test_on_documents(self, run, model, tmp_path):
        folder = tmp_path / f"docs{NAME}"
        folder.mkdir()
        (folder / f"{NAME}.md").write_text(f"# king {EVIL}\n\nThe queen {EVIL} eats a pear.\n")
        (folder / f"{NAME}.pdf").write_bytes(b"no pdf")
        _, out, err = run("index", folder, "-s", "docs-store", "-m", model, codes=(0, 1))
        assert "\\x1b[31m" in out + err  # the file that was skipped
        run("search", "queen", "-s", "docs-store", "--full")

    def test_on_the_cache_and_on_names(self, run):
        run("cache", "stats")
        run("cache", "prune", "--model", EVIL, codes=(2,))
        run("models")
        for words in (
            ["inspect", NAME],
            ["search", NAME, "-s", NAME],
            ["embed", NAME, "-o", "v.parquet", "-m", NAME],
            ["embed", "--text", "a", "-m", NAME],
            ["quantize", "-m", NAME, NAME],
            ["similar", f"--{NAME}"],
            [NAME],
        ):
            run(*words, codes=(1, 2))

    def test_on_what_servers_say(self, run, monkeypatch, texts, store):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-4242424242424242424242424242")
        with OpenAIServer(key=None) as server:
            at = ["-m", f"openai:{NAME}", "--base-url", server.url]
            _, _, err = run("embed", texts, "-o", "v.parquet", *at, codes=(1,))
            assert "The model `a\\x1b[31m" in err
        with ChatServer(key=None) as chat:
            at = ["-s", store, "--llm", f"openai:{NAME}", "--base-url", chat.url, "--threshold", 0]
            for answer in (
                f"The king {EVIL} is king. [1]",
                f"ANSWER: {EVIL}",
                Fault("error", EVIL),
            ):
                chat.answers = [answer] * 3
                run("ask", "Who is king?", *at, "--explain", codes=(0, 1))
                assert chat.asked

    def test_warnings_and_unforeseen_errors(self, run, monkeypatch, model):
        def broken(*_, **__):
            warnings.warn(f"beware {EVIL}", stacklevel=1)
            raise RuntimeError(EVIL)

        monkeypatch.setattr("veclab.model.load", broken)
        _, _, err = run("embed", "--text", "a", "-m", model, codes=(1,))
        assert "veclab: beware \\x1b]0;owned" in err
        assert "RuntimeError: \\x1b]0;owned" in err


def test_programs_get_what_was_there(run, vectors, model):
    _, out, _ = run("similar", "king", "--to", vectors, "-m", model, "--json")
    assert EVIL in json.loads(out)[0]["nearest"][0]["text"]
    assert EVIL in veclab.read(vectors).texts[0]


def test_half_a_surrogate_pair_is_printed_for_people_and_programs(run, capsys):
    """A file's name that is no UTF-8 comes as such halves."""
    name = os.fsdecode(b"\xff.parquet")
    assert "\\udcff.parquet" in run("inspect", name, codes=(2,))[2]
    console.print_json({"file": name})
    assert json.loads(capsys.readouterr().out) == {"file": name}
