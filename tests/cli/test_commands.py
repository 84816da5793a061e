"""The command line, run as a user runs it: a process, its output, its exit code."""

import csv
import gzip
import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from veclab import read
from veclab.cache import Cache

ROOT = Path(__file__).parents[2]

TEXTS = ["the cat sits on the mat", "a feline rests on the carpet", "stock markets fell", "z"]


@pytest.fixture(autouse=True)
def converted(home, share_converted):
    share_converted(home)


@pytest.fixture
def run(environment, tmp_path):
    def run(*arguments, stdin=None, env=None):
        return subprocess.run(
            [sys.executable, "-m", "veclab", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment | (env or {}),
            text=not isinstance(stdin, bytes),
        )

    return run


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    rows = [{"id": f"r{i}", "text": text, "n": i} for i, text in enumerate(TEXTS * 3)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


class TestEmbed:
    def test_a_file_becomes_a_file_of_vectors_and_a_report(self, run, corpus, tmp_path, tiny_bert):
        done = run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert)
        assert done.returncode == 0, done.stderr
        lines = [line.strip() for line in done.stdout.splitlines()]
        assert "texts  12" in lines
        assert "distinct  4" in lines
        assert "embedded  4" in lines
        assert done.stderr == ""  # no bar in a pipe
        vectors = read(tmp_path / "v.parquet")
        assert list(vectors.ids) == [f"r{i}" for i in range(12)]
        assert vectors.columns["n"].to_pylist() == list(range(12))
        again = run("embed", corpus, "-o", "w.parquet", "-m", tiny_bert, "--json")
        report = json.loads(again.stdout)["report"]
        assert (report["cached"], report["embedded"]) == (4, 0)
        np.testing.assert_array_equal(read(tmp_path / "w.parquet").array, vectors.array)

    def test_every_format_gives_the_same_vectors(self, run, tmp_path, tiny_bert):
        rows = [{"name": str(i), "body": text} for i, text in enumerate(TEXTS)]
        (tmp_path / "a.txt").write_text("\n".join(TEXTS))
        (tmp_path / "a.jsonl.gz").write_bytes(
            gzip.compress("\n".join(map(json.dumps, rows)).encode())
        )
        for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
            with (tmp_path / f"a.{suffix}").open("w", newline="") as file:
                writer = csv.DictWriter(file, ["name", "body"], delimiter=delimiter)
                writer.writeheader()
                writer.writerows(rows)
        folder = tmp_path / "texts"
        folder.mkdir()
        for i, text in enumerate(TEXTS):
            (folder / f"{i}.txt").write_text(text)
        columns = ["--column", "body", "--id-column", "name"]
        runs = {
            "a.txt": [],
            "texts": [],
            "a.jsonl.gz": columns,
            "a.csv": columns,
            "a.tsv": columns,
        }
        arrays = []
        for name, options in runs.items():
            done = run("embed", name, "-o", "v.parquet", "-m", tiny_bert, *options)
            assert done.returncode == 0, done.stderr
            arrays.append(read(tmp_path / "v.parquet").array)
        for array in arrays[1:]:
            np.testing.assert_array_equal(array, arrays[0])

    def test_standard_input(self, run, tmp_path, tiny_bert):
        done = run("embed", "-", "-o", "v.parquet", "-m", tiny_bert, stdin="\n".join(TEXTS))
        assert done.returncode == 0, done.stderr
        assert read(tmp_path / "v.parquet").texts == TEXTS

    def test_one_text(self, run, tiny_bert):
        done = run("embed", "--text", "the cat", "-m", tiny_bert)
        assert "dimensions  32" in done.stdout
        assert "norm  1.0000" in done.stdout
        value = json.loads(run("embed", "--text", "the cat", "-m", tiny_bert, "--json").stdout)
        assert len(value["vectors"][0]["embedding"]) == 32

    def test_long_and_empty_texts_are_reported_by_id(self, run, tmp_path, tiny_bert):
        (tmp_path / "a.txt").write_text(f"cat\n\n{'the cat ' * 100}\n")
        done = run("embed", "a.txt", "-o", "v.parquet", "-m", tiny_bert)
        assert "1, 170 tokens never read: 3" in done.stdout
        assert "empty  1 left out: 2" in done.stdout
        refused = run("embed", "a.txt", "-o", "w.parquet", "-m", tiny_bert, "--on-long", "error")
        assert refused.returncode == 2
        assert "3 (202 tokens)" in refused.stderr
        assert not (tmp_path / "w.parquet").exists()
        refused = run("embed", "a.txt", "-o", "w.parquet", "-m", tiny_bert, "--on-empty", "error")
        assert refused.returncode == 2
        split = run("embed", "a.txt", "-o", "v.parquet", "-m", tiny_bert, "--on-long", "split")
        assert "1 over the limit: 3" in split.stdout

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "give either INPUT"),
            (["none.txt", "-o", "v.parquet"], "none.txt"),
            (["corpus.jsonl"], "-o corpus.parquet"),
            (["corpus.jsonl", "-o", "v.docx"], ".parquet"),
            (["corpus.jsonl", "-o", "none/v.parquet"], "mkdir -p none"),
            (["corpus.jsonl", "-o", "v.parquet", "--column", "txt"], "did you mean 'text'"),
            (["corpus.jsonl", "-o", "v.parquet", "-m", "./nowhere"], "no model folder"),
            (["corpus.jsonl", "-o", "v.parquet", "--role", "passage"], "'query', 'document'"),
        ],
    )
    def test_what_is_wrong_is_said_in_words(self, run, corpus, arguments, complaint):
        done = run("embed", *arguments)
        assert done.returncode in (1, 2)
        assert complaint in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_cannot_be_written(self, run, corpus, tmp_path):
        (tmp_path / "locked").mkdir(mode=0o500)
        done = run("embed", corpus, "-o", "locked/v.parquet")
        assert done.returncode == 1
        assert "cannot be written" in done.stderr

    def test_a_full_disk_is_said_and_the_vectors_are_kept(self, run, corpus, tmp_path, tiny_bert):
        script = tmp_path / "full.sh"
        script.write_text(
            "set -e; mkdir full; mount -t tmpfs -o size=4k tmpfs full\n"
            f"exec {sys.executable} -m veclab embed corpus.jsonl -o full/v.parquet -m {tiny_bert}\n"
        )
        environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(
            ["unshare", "-rm", "sh", str(script)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        if "unshare" in done.stderr or "mount" in done.stderr:
            pytest.skip("this machine allows no private mounts")
        assert done.returncode == 1
        assert "No space left" in done.stderr
        assert "is in the cache" in done.stderr
        again = run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert, "--json")
        assert json.loads(again.stdout)["report"]["embedded"] == 0

    def test_two_runs_at_once_both_end_well(self, environment, corpus, tmp_path, tiny_bert):
        command = [sys.executable, "-m", "veclab", "embed", corpus, "-o", "v.parquet", "-m"]
        runs = [
            subprocess.Popen(
                [*command, tiny_bert], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        assert [run.wait() for run in runs] == [0, 0]
        assert len(read(tmp_path / "v.parquet")) == 12
        assert [p.name for p in tmp_path.glob("*v.parquet*")] == ["v.parquet"]

    def test_ctrl_c_exits_with_130_and_keeps_the_cache(self, environment, tmp_path, tiny_bert):
        (tmp_path / "a.txt").write_text(
            "\n".join(f"the cat {i} {j}" for i in range(400) for j in range(100))
        )
        command = ["embed", "a.txt", "-o", "v.parquet", "-m", str(tiny_bert)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.telling", "0", *command],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        assert process.stderr.readline() == b"kept\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert process.returncode == 130
        assert b"interrupted" in err
        assert b"Traceback" not in err
        assert [p.name for p in tmp_path.glob("*parquet*")] == []
        with Cache.open(tmp_path / "home" / "cache") as cache:
            assert 0 < cache.stats().entries < 40_000

    def test_a_bar_with_rate_and_time_left_on_a_terminal(self, environment, corpus, tiny_bert):
        main, terminal = pty.openpty()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "veclab",
                "embed",
                corpus.name,
                "-o",
                "v.parquet",
                "-m",
                tiny_bert,
            ],
            cwd=corpus.parent,
            env={k: v for k, v in environment.items() if k != "NO_COLOR"} | {"TERM": "xterm"},
            stderr=terminal,
            stdout=subprocess.PIPE,
        )
        seen = b""
        while process.poll() is None or select.select([main], [], [], 0)[0]:
            if select.select([main], [], [], 0.1)[0]:
                seen += os.read(main, 65536)
        assert process.returncode == 0
        assert b"embedding" in seen
        assert b"12/12" in seen
        assert b"texts/s" in seen


class TestSimilar:
    def test_texts_among_themselves(self, run, tiny_bert):
        done = run("similar", *TEXTS[:3], "-m", tiny_bert)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 4
        matrix = json.loads(run("similar", *TEXTS[:3], "-m", tiny_bert, "--json").stdout)
        assert matrix["similarity"][0][0] == pytest.approx(1, abs=1e-5)

    def test_the_nearest_texts_of_a_file(self, run, corpus, tiny_bert):
        run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert)
        done = run(
            "similar", TEXTS[2], "--to", "v.parquet", "-m", tiny_bert, "--top", "1", "--json"
        )
        found = json.loads(done.stdout)[0]["nearest"]
        assert [hit["text"] for hit in found] == [TEXTS[2]]

    def test_a_query_of_another_model_is_refused(self, run, corpus, tiny_bert, tiny_e5):
        run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert)
        done = run("similar", "cat", "--to", "v.parquet", "-m", tiny_e5)
        assert done.returncode == 1
        assert "different spaces" in done.stderr
        assert "prompts" in done.stderr
        assert "Embed one of the two again" in done.stderr

    def test_one_text_alone_is_a_mistake(self, run):
        assert run("similar", "cat").returncode == 2


def test_models_lists_the_default_model(run):
    done = run("models", "--json")
    (default,) = [model for model in json.loads(done.stdout) if model["default"]]
    assert default["license"] == "Apache-2.0"
    assert (default["dimensions"], default["max_tokens"]) == (384, 256)
    assert "all-MiniLM-L6-v2 (default)" in run("models").stdout


def test_inspect_tells_what_a_file_is(run, corpus, tmp_path, tiny_e5):
    run("embed", corpus, "-o", "v.parquet", "-m", tiny_e5, "--role", "query")
    text = run("inspect", "v.parquet").stdout
    assert "12 x 32, float32" in text
    assert "1.000000 to 1.000000" in text
    facts = json.loads(run("inspect", "v.parquet", "--json").stdout)
    assert facts["rows"] == 12
    assert facts["recipe"]["role"] == "query"
    metadata = pq.read_schema(tmp_path / "v.parquet").metadata
    assert facts["space"] == json.loads(metadata[b"veclab.space"])
    assert run("inspect", "none.parquet").returncode == 2


def test_cache_stats_prune_and_clear(run, corpus, tiny_bert):
    assert json.loads(run("cache", "stats", "--json").stdout)["entries"] == 0
    run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert)
    assert json.loads(run("cache", "stats", "--json").stdout)["entries"] == 4
    assert "tiny-bert 32-d f32" in run("cache", "stats").stdout
    assert run("cache", "prune").returncode == 2
    assert run("cache", "prune", "--model", "none").returncode == 2
    assert json.loads(run("cache", "prune", "--older-than", "1d", "--json").stdout)["removed"] == 0
    assert "removed 4" in run("cache", "prune", "--model", "tiny-bert").stdout
    run("embed", corpus, "-o", "v.parquet", "-m", tiny_bert)
    assert run("cache", "clear", stdin="n\n").returncode == 130
    assert "removed 4" in run("cache", "clear", "--yes").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run, shell):
    assert "veclab" in run("completion", shell).stdout


def test_a_reader_that_stops_early_is_no_error(environment):
    done = subprocess.run(
        f"{sys.executable} -m veclab --help | head -1",
        shell=True,
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0
    assert done.stderr == b""


def test_help_and_import_load_nothing_heavy(environment):
    heavy = ("torch", "transformers", "sentence_transformers", "openvino", "pyarrow", "pandas")
    code = (
        "import sys, veclab\n"
        "from veclab.cli import main\n"
        "try: main(['--help'])\n"
        f"finally: sys.stderr.write(','.join(m for m in {heavy} if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0
    assert done.stderr == ""


class TestAudit:
    @pytest.fixture
    def vectors(self, tmp_path):
        array = np.random.default_rng(0).normal(size=(300, 96)).astype(np.float32)
        array /= np.linalg.norm(array, axis=1, keepdims=True)
        np.save(tmp_path / "good.npy", array)
        array[7] = np.nan
        np.save(tmp_path / "bad.npy", array)

    def test_exit_code_0_without_a_problem_and_1_with_one(self, run, vectors):
        good, bad = run("audit", "good.npy"), run("audit", "bad.npy")
        assert good.returncode == 0, good.stderr
        assert "the file does not record" in good.stdout
        assert "0 problem" not in good.stdout
        assert bad.returncode == 1
        assert "not finite: 1 row with NaN" in bad.stdout
        assert "- row 8" in bad.stdout
        assert "What to do: Re-embed these texts" in bad.stdout
        assert "1 problem" in bad.stdout.splitlines()[-1]

    def test_json_has_every_figure(self, run, vectors):
        done = run("audit", "bad.npy", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["worst"], found["rows"]) == (1, "problem", 300)
        names = [finding["name"] for finding in found["findings"]]
        assert {"space", "proof", "norms", "rank", "hubness", "mixed origins"} <= set(names)

    def test_what_cannot_be_read_is_exit_code_2(self, run, tmp_path):
        (tmp_path / "x.parquet").write_bytes(b"no")
        done = run("audit", "x.parquet")
        assert done.returncode == 2
        assert done.stderr.startswith("veclab: ")
        assert done.stderr.count("\n") == 1


class TestInspectText:
    def test_a_page_of_lengths_faults_and_options(self, run, tiny_e5, tmp_path):
        texts = ["the cat sits", "the cat  sits", "cat " * 60, ""]
        rows = [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)]
        (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
        done = run("inspect-text", "c.jsonl", "-m", tiny_e5)
        assert done.returncode == 0, done.stderr
        assert "(limit 32 tokens)" in done.stdout
        assert "\u2588" in done.stdout
        assert "empty  1: r3" in done.stdout
        command = done.stdout.strip().splitlines()[-1]
        assert "--role document --chunks --prepare whitespace" in command
        asked = run(*command.split()[1:])
        assert asked.returncode == 0, asked.stderr

    def test_the_chart_is_plain_where_the_terminal_cannot_do_more(self, run, tiny_bert, tmp_path):
        (tmp_path / "c.txt").write_text("the cat\n")
        plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        done = run("inspect-text", "c.txt", "-m", tiny_bert, env=plain)
        assert done.returncode == 0, done.stderr
        assert "####" in done.stdout

    def test_json(self, run, tiny_bert, corpus):
        done = run("inspect-text", corpus, "-m", tiny_bert, "--json")
        found = json.loads(done.stdout)
        assert found["texts"] == 12
        assert found["distinct"] == 4
        assert sum(row["texts"] for row in found["histogram"]) == 12
