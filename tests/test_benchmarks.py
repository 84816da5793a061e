"""The benchmark runs, and an engine that cannot run is a row that says why."""

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks import scale, table
from benchmarks.peers import REFERENCE
from tests.server.conftest import threaded  # noqa: F401

ROOT = Path(__file__).parents[1]
NAMES = [found.name for found in pkgutil.iter_modules(benchmarks.__path__, "benchmarks.")]


@pytest.mark.parametrize("name", NAMES)
def test_every_one_can_be_imported(name):
    """A name that is gone from veclab is seen here, not when somebody measures."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] in ("veclab", "benchmarks", "tests"):
            raise
        pytest.skip(f"needs {missing.name}, beside which it measures veclab")


@pytest.mark.slow
def test_a_quick_run_writes_both_files(tiny_bert, environment, tmp_path):
    (tmp_path / "not-a-model").mkdir()
    command = [sys.executable, "-m", "benchmarks.engines", "--quick", "--model", str(tiny_bert)]
    command += ["--engines", f"{REFERENCE},products-f32,st-onnx,veclab-static"]
    command += ["--work", str(tmp_path / "work"), "--output", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "engines.json").read_text())
    reference = result["engines"][REFERENCE]
    assert reference["error"] is None
    assert reference["cosine"]["min"] == pytest.approx(1)
    assert reference["long"]["tokens_per_s"] > 0
    assert reference["peak_mb"] > 50
    assert result["texts"]["short"] == {"texts": 24, "tokens": result["texts"]["short"]["tokens"]}
    for name, engine in result["engines"].items():
        assert engine["error"] or engine.get("long") or engine.get("many"), name
    page = (tmp_path / "out" / "engines.md").read_text()
    assert page == done.stdout.removesuffix("\n")
    assert "A quick run" in page
    assert result["machine"]["cpu"] in page


def test_an_unknown_engine_is_refused_with_those_there_are():
    command = [sys.executable, "-m", "benchmarks.engines", "--engines", "nonesuch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nonesuch; there are veclab," in done.stderr


class TestFigures:
    @pytest.fixture
    def task(self, tiny_bert):
        from benchmarks.peers import Task

        texts = {"long": ["the cat"], "short": ["a", "b"], "many": ["c"]}
        return Task("m", str(tiny_bert), "m", 32, 32, 2, 32, 64, 1, "", texts)

    def test_tokens_are_those_the_model_reads(self, task):
        assert table.tokens_of(task)["long"] == [0, 4]  # [CLS] the cat [SEP]

    def test_ratios_are_taken_within_a_round(self, task):
        """The machine was twice as slow in round two; the ratio is three all the same."""

        def runs(*walls):
            return {"long": [{"wall": wall, "cpu": wall, "texts": 1} for wall in walls]}

        sizes = table.tokens_of(task)
        rows = {REFERENCE: runs(3.0, 6.0, 3.0), "veclab": runs(1.0, 2.0, 1.0)}
        figures = table.summary("veclab", None, rows, "veclab", sizes)["long"]
        assert figures["times_reference"] == 3
        assert figures["times_reference_range"] == [3, 3]
        assert figures["tokens_per_s"] == 4


@pytest.mark.slow
def test_a_load_of_the_server_is_told(threaded):  # noqa: F811
    server = threaded()
    command = [sys.executable, "-m", "benchmarks.server", "ask", "--port", str(server.port)]
    command += ["--model", "fake", "--clients", "8", "--texts", "100"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(told["statuses"].values()) == 100
    assert told["texts_per_s"] > 0


@pytest.mark.slow
def test_the_million_run_made_small_is_killed_and_resumed(tmp_path, monkeypatch):
    """The whole way on texts of the repository: embed, kill -9 twice, resume, index, search."""
    pytest.importorskip("wordllama", reason="needs veclab[wordllama]")
    pytest.importorskip("lance", reason="needs veclab[store]")
    output = tmp_path / "million.json"
    command = [sys.executable, "-m", "benchmarks.million", "--model", "wordllama", "--example"]
    command += ["--texts", "24000", "--shard", "1200", "--work", str(tmp_path / "work")]
    done = subprocess.run(
        [*command, "--output", str(output)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(output.read_text())["wordllama"]
    first, second, last = told["embed"]["runs"]
    assert first["exit"] == second["exit"] == -9
    assert 0 < first["killed_with"] < second["killed_with"] < told["shards"] == 20
    assert last["exit"] == 0
    assert told["texts"] == told["index"]["passages"] == 24_000
    assert told["search"]["queries"] > 100


class TestSimulation:
    def test_shards_are_given_out_as_workers_become_free(self):
        """By hand: one worker has 4, the other 1, 1, 1 and then 3; both start for 2 s."""
        run = scale.simulate([4, 1, 1, 1, 3], 2, 2, start_s=2)
        assert (run.seconds, run.working, run.lost) == (8, 2, 0)
        assert run.share == pytest.approx(10 / 16)

    def test_four_workers_on_two_cores_are_two(self):
        shards = [1.0, 2.0, 1.5] * 5
        two, four = (scale.simulate(shards, workers, 2, start_s=1) for workers in (2, 4))
        assert four == two
        assert scale.simulate(shards, 4, 4, start_s=1).seconds < two.seconds
        assert scale.simulate(shards, 4, 8, threads=4, start_s=1) == two

    def test_a_worker_that_dies_costs_its_shard_again_and_a_start(self):
        shards = [1.0] * 400
        calm, rough = (scale.simulate(shards, 4, 4, start_s=5, death=d) for d in (0, 0.1))
        assert calm.lost == calm.failed == 0
        assert 20 < rough.lost < 80
        assert rough.seconds > calm.seconds
        hopeless = scale.simulate(shards, 4, 4, death=1)
        assert (hopeless.failed, hopeless.lost) == (400, 400 * scale.TRIES)

    def test_no_room_is_told(self):
        with pytest.raises(ValueError, match="no room on 2 cores"):
            scale.simulate([1.0], 1, 2, threads=4)

    def test_tries_are_those_of_the_cluster(self):
        from veclab.cluster import on_ray

        assert scale.TRIES == on_ray._TRIES
