"""Shards of texts, a model that computes from the text alone, and a bucket on loopback."""

import json
import urllib.request
from types import SimpleNamespace

import pytest

from tests.fakes import FakeProvider
from veclab.cluster import one_shard
from veclab.model import Model


def write_shards(folder, shards=4, rows=30, start=0):
    """Files of texts, a number among their columns; names and ids go on from shard to shard."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        numbers = range(start + shard * rows, start + (shard + 1) * rows)
        lines = [{"id": f"r{n}", "text": f"text number {n % 50} of all", "n": n} for n in numbers]
        path = folder / f"part-{start // rows + shard}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def shards(tmp_path):
    return write_shards(tmp_path / "data")


@pytest.fixture
def loaded(monkeypatch):
    """The providers that were loaded; `loaded.make` makes the next one."""
    made = SimpleNamespace(providers=[], make=FakeProvider)

    def load(name, **loading):
        made.loading = loading
        made.providers.append(made.make(name=name))
        return Model(made.providers[-1], None)

    monkeypatch.setattr(one_shard, "load", load)
    return made


@pytest.fixture(scope="session")
def s3_server():
    pytest.importorskip("obstore", reason="needs veclab[cloud]")
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path):
    """An empty bucket; the address of everything below `s3://shelf`."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-tester",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    ask(f"{s3_server}/moto-api/reset", "POST")
    ask(f"{s3_server}/shelf", "PUT")
    return "s3://shelf"


def ask(url, method, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
        return answer.read()
