"""A real Ray cluster of two machines' worth of processes, one of which is killed in mid-job."""

import socket

import pytest

from tests.cluster.conftest import write_shards
from tests.cluster.test_embed_shards import bytes_of
from veclab.cli.app import main
from veclab.cluster.embed_shards import embed_shards
from veclab.errors import InputError, ModelUnavailable

pytestmark = pytest.mark.slow


@pytest.fixture
def ray(monkeypatch):
    """Ray, which reports nothing to anyone and serves no dashboard."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray", reason="needs veclab[ray]")
    yield ray
    ray.shutdown()


@pytest.fixture
def cluster(ray, home):
    from ray.cluster_utils import Cluster

    started = Cluster()
    try:
        for _ in range(2):
            started.add_node(num_cpus=1, include_dashboard=False, object_store_memory=80 << 20)
    except (
        Exception
    ) as error:  # Ray gives a raylet's helpers 15 s to start, whatever the machine does
        started.shutdown()
        pytest.skip(f"Ray did not start: {error}")
    yield started
    ray.shutdown()
    started.shutdown()


@pytest.fixture
def static(tmp_path):
    return str(pytest.importorskip("tests.models.static.test_model").make_static(tmp_path / "tiny"))


def test_a_raylet_that_is_killed_costs_nothing(cluster, ray, static, tmp_path):
    shards = write_shards(tmp_path / "data", shards=12, rows=200)
    for path in shards.iterdir():  # in words that the model knows
        path.write_text(path.read_text().replace("text number", "the cat sat on a mat."))
    (shards / "torn.parquet").write_bytes(b"PAR1")
    one = embed_shards(str(shards), str(tmp_path / "one"), model=static)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    finished = []

    def started(todo):
        def advance(done):
            finished.append(done)
            if len(finished) == 3:
                cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)

        return advance

    many = embed_shards(
        str(shards), str(tmp_path / "many"), model=static, ray="auto", on_start=started
    )
    assert (many.done, list(many.failed)) == (12, ["torn.parquet"])
    assert many.totals["rows"] == one.totals["rows"] == 2400
    assert sum(finished) == 13  # each shard once
    assert bytes_of(tmp_path / "many") == bytes_of(tmp_path / "one")
    sums = [{n: f.get("sha256") for n, f in made.shards.items()} for made in (one, many)]
    assert sums[0] == sums[1]
    with pytest.raises(ModelUnavailable):  # what a worker meets is told as it is here
        embed_shards(str(shards), str(tmp_path / "x"), model="/nowhere/at-all", ray="auto")


def test_what_needs_one_process_is_refused(shards, tmp_path, loaded):
    with pytest.raises(InputError, match="is kept by one process"):
        embed_shards(str(shards), str(tmp_path / "x"), model="fake", ray="auto", max_cost=1.0)


@pytest.fixture
def nobody():
    """An address where nobody listens, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_an_address_where_nobody_is(ray, shards, tmp_path, nobody, prefix, capsys):
    """Ray itself would try for ten minutes."""
    options = ["-m", "fake", "-o", f"{tmp_path / 'out'}/", f"--ray={prefix}{nobody}"]
    with pytest.raises(SystemExit) as left:
        main(["embed", str(shards), *options])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert f"no Ray cluster answers at {prefix}{nobody}" in said
    assert "ray start --head" in said


def test_the_address_of_a_cluster_that_was_killed(ray, shards, tmp_path, nobody, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", nobody)
    with pytest.raises(InputError, match=r"no Ray cluster answers at auto .*refused"):
        embed_shards(str(shards), str(tmp_path / "out"), model="fake", ray="auto")
