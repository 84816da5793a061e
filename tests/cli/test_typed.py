"""What people type out of habit works, or is answered with our word for it."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace

import pytest
from click.shell_completion import ShellComplete

from veclab.cli import main
from veclab.cli.app import app
from veclab.cli.typed import COMMANDS, NO_COMMAND, NO_OPTION, OPTIONS

TEXTS = ["the cat sits on the mat", "a feline rests on the carpet", "stock markets fell"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command line here, without a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=left.value.code or 0, out=out, err=err)

    return run


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(TEXTS))
    return "a.txt"


@pytest.fixture
def vectors(run, texts, tiny_bert):
    assert run("embed", texts, "-o", "v.parquet", "-m", tiny_bert).code == 0
    return "v.parquet"


def options_of(*path):
    command = app
    for name in path:
        command = command.commands[name]
    return {name for parameter in command.params for name in parameter.opts}


class TestOptions:
    @pytest.mark.parametrize(
        "asked", [["--top-k", "1"], ["--top_k=1"], ["-n", "1"], ["-n1"], ["--limit", "1"], ["-k1"]]
    )
    def test_how_many_by_any_name(self, run, vectors, tiny_bert, asked):
        done = run("similar", TEXTS[0], "--to", vectors, "-m", tiny_bert, *asked, "--json")
        assert done.code == 0, done.err
        assert len(json.loads(done.out)[0]["nearest"]) == 1

    def test_a_value_that_looks_like_another_name_stays(self, run, tiny_bert):
        done = run("embed", "--text", "--limit", "-m", tiny_bert, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["vectors"][0]["text"] == "--limit"

    def test_what_stands_behind_two_dashes_stays(self, run, tiny_bert):
        done = run("similar", "-m", tiny_bert, "--json", "--", "--top-k", "-n")
        assert json.loads(done.out)["texts"] == ["--top-k", "-n"]

    @pytest.mark.parametrize("option", NO_OPTION)
    def test_an_option_that_we_lack_is_answered(self, run, option):
        done = run("inspect", "a.txt", option, "1")
        assert done.code == 2
        assert NO_OPTION[option] in done.err

    def test_other_names_lead_to_options_that_some_command_has(self):
        known = set()

        def collect(command):
            known.update(name for parameter in command.params for name in parameter.opts)
            for below in getattr(command, "commands", {}).values():
                collect(below)

        collect(app)
        assert {name for ours in OPTIONS.values() for name in ours} <= known
        assert not set(NO_OPTION) & set(OPTIONS)

    def test_plan_takes_every_option_of_embed(self, run, texts, tiny_bert):
        # How numbers are written changes nothing of what a run would do and cost.
        assert options_of("embed") - {"--quantize"} <= options_of("plan")
        done = run("plan", texts, "-o", "v.parquet", "-m", tiny_bert, "--max-cost", "1")
        assert done.code == 0, done.err
        assert run("plan", "--text", "the cat", "-m", tiny_bert).code == 0
        assert run("plan", texts, "-o", "none/v.parquet", "-m", tiny_bert).code != 0

    def test_plan_says_what_the_run_would_stop_at(self, run, tmp_path, tiny_bert):
        (tmp_path / "a.txt").write_text(f"cat\n\n{'the cat ' * 100}\n")
        command = ["plan", "a.txt", "-m", tiny_bert, "--on-empty", "error", "--on-long", "error"]
        done = run(*command)
        assert "would stop: 1 over the limit" in done.out
        assert "would stop: 1 empty" in done.out


class TestCommands:
    @pytest.mark.parametrize("word", COMMANDS)
    def test_other_names_are_understood_and_not_listed(self, run, word):
        assert run(word, "--help").code == 0
        assert f"\n  {word} " not in run("--help").out

    @pytest.mark.parametrize("word", NO_COMMAND)
    def test_a_command_that_we_lack_is_answered(self, run, word):
        done = run(word)
        assert done.code == 2
        assert NO_COMMAND[word] in done.err

    def test_a_command_within_a_group_keeps_its_own_names(self, run):
        assert "No such command 'show'" in run("cache", "show").err


class TestFiles:
    def test_a_file_of_vectors_among_texts_is_searched(self, run, vectors, tiny_bert):
        for words in (["v.parquet", TEXTS[2]], [TEXTS[2], "v.parquet"]):
            done = run("similar", *words, "-m", tiny_bert, "-k", "1", "--json")
            assert done.code == 0, done.err
            assert json.loads(done.out)[0]["nearest"][0]["text"] == TEXTS[2]
            assert "--to v.parquet" in done.err

    def test_a_file_of_texts_among_texts_is_seen(self, run, texts):
        done = run("similar", texts, "the cat")
        assert done.code == 2
        assert "veclab similar --within a.txt" in done.err
        assert run("similar", texts).code == 2

    def test_a_missing_input_comes_before_a_missing_output(self, run, texts):
        assert "nosuch.csv does not exist" in run("embed", "nosuch.csv").err
        assert "did you mean a.txt" in run("embed", "b.txt").err
        assert "veclab embed --text 'what is this'" in run("embed", "what is this").err
        assert "veclab embed a.txt -o a.parquet" in run("embed", texts).err

    def test_a_name_with_spaces_is_quoted(self, run, tmp_path):
        (tmp_path / "my texts.txt").write_text("the cat")
        assert (
            "veclab embed 'my texts.txt' -o 'my texts.parquet'" in run("embed", "my texts.txt").err
        )

    def test_compare_refuses_what_it_cannot_write(self, run, texts):
        for name in ("x.pdf", "x.docx", "report"):
            done = run("compare", "-m", "a", "-d", texts, "-o", name)
            assert done.code == 2
            assert ".html" in done.err


class TestModels:
    def test_the_first_dimensions_of_a_model(self, run, texts, tiny_bert):
        done = run("embed", texts, "-o", "v.parquet", "-m", f"{tiny_bert}@16", "--json")
        assert json.loads(done.out)["space"]["dimensions"] == 16
        assert run("similar", TEXTS[0], "--to", "v.parquet", "-m", f"{tiny_bert}@16").code == 0
        assert run("similar", *TEXTS, "-m", f"{tiny_bert}@16").code == 0
        assert run("plan", texts, "-m", f"{tiny_bert}@16").code == 0
        assert run("inspect-text", texts, "-m", f"{tiny_bert}@16").code == 0
        for words in (["quantize", texts], ["distill", "-o", "static"]):
            done = run(*words, "-m", f"{tiny_bert}@16")
            assert done.code != 0
            assert f"-m {tiny_bert}" in done.err

    def test_two_sizes_contradict_each_other(self, run, texts, tiny_bert):
        done = run("plan", texts, "-m", f"{tiny_bert}@16", "--dimensions", "8")
        assert "say it once" in done.err

    def test_a_folder_with_such_a_name_is_a_folder(self, run, texts, tiny_bert, tmp_path):
        (tmp_path / "tiny@16").symlink_to(tiny_bert)
        assert run("plan", texts, "-m", "./tiny@16").code == 0

    def test_several_models_at_once(self, run, texts, tiny_bert):
        done = run("embed", texts, "-o", "v.parquet", "-m", "a,b")
        assert "veclab compare -m a -m b" in done.err

    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("text-embedding-3-small", "-m openai:text-embedding-3-small"),
            ("openai/text-embedding-3-large", "-m openai:text-embedding-3-large"),
            ("bge-small-en-v1.5", "-m BAAI/bge-small-en-v1.5"),
            ("hf:thenlper/gte-small", "-m thenlper/gte-small"),
            ("ollama/nomic-embed-text", "-m openai:nomic-embed-text --base-url http://localhost"),
            ("all-MiniLM-L6-v2+int8", "--precision int8"),
            ("all-MiniLM-L6-v2@main", "NAME@128"),
            ("all-minilm-l6", "Did you mean all-MiniLM-L6-v2"),
            ("gte-smal", "thenlper/gte-small"),
            ("multilingual-e5", "intfloat/multilingual-e5-base"),
        ],
    )
    def test_what_other_tools_call_a_model(self, run, texts, typed, meant):
        done = run("embed", texts, "-o", "v.parquet", "-m", typed)
        assert done.code == 1
        assert meant in done.err
        assert done.err.count("\n") == 1


class TestCompletion:
    def complete(self, line):
        words = shlex.split(line)
        incomplete = "" if line.endswith(" ") else words.pop()
        found = ShellComplete(app, {}, "veclab", "_VECLAB_COMPLETE").get_completions(
            words, incomplete
        )
        return [item.value for item in found]

    def test_models(self, tiny_bert, home):
        (home / "models").mkdir(parents=True)
        (home / "models" / "mine").symlink_to(tiny_bert)
        assert "mine" in self.complete("embed a.txt -m ")
        assert self.complete("compare -m openai:text-embedding-ada") == [
            "openai:text-embedding-ada-002"
        ]

    def test_every_option_that_takes_a_model_completes_it(self):
        def look(command):
            for parameter in command.params:
                if "--model" in parameter.opts:
                    yield bool(parameter._custom_shell_complete), command.name
            for below in getattr(command, "commands", {}).values():
                yield from look(below)

        assert [name for known, name in look(app) if not known] == []

    def test_names_of_tests(self):
        assert self.complete("bias -t flo") == ["flowers-insects"]

    def test_files(self):
        assert self.complete("embed my") == ["my"]
