"""The life of a server, as a real process."""

import contextlib
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest

import veclab
from tests.server.conftest import LONG
from tests.waiting import wait_until

TEXTS = ["the cat sits on the mat", "a feline rests on a carpet", "stock markets fell"]


@pytest.mark.slow
def test_openais_client_gets_the_vectors_that_python_gets(serve, tiny_bert, home):
    server = serve("-m", f"tiny={tiny_bert}")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none")
    assert [model.id for model in client.models.list()] == ["tiny"]
    answer = client.embeddings.create(model="tiny", input=TEXTS)
    model = veclab.load(str(tiny_bert), cache=False)
    expected = model.embed(TEXTS)
    given = np.array([one.embedding for one in answer.data], np.float32)
    assert np.allclose(given, expected.array, atol=1e-6)
    assert answer.usage.prompt_tokens == sum(model.count_tokens(TEXTS))
    assert httpx.get(server.url + "/health").json() == {"status": "ok"}
    assert httpx.get(server.url + "/ready").status_code == 200
    raw = client.embeddings.with_raw_response.create(model="tiny", input="cat")
    assert raw.headers["x-veclab-space"] == model.space.id
    space = httpx.get(f"{server.url}/v1/spaces/{model.space.id}").json()
    assert space.pop("id") == model.space.id
    assert veclab.Space.from_dict(space) == model.space
    assert server.stop() == 0
    assert not any("feline" in line for line in server.logged)
    # The cache is the user's own.
    again = veclab.load(str(tiny_bert)).embed(TEXTS)
    assert again.report.cached == 3


# A server whose model waits for a file before each batch, and takes its time before it is loaded.
SLOW = """
import pathlib, sys, time
import veclab.model
from tests.fakes import FakeProvider
from veclab.cli.app import main

gate, loading = map(pathlib.Path, sys.argv[1:3])

class Waiting(FakeProvider):
    def embed_batch(self, batch, role):
        while not gate.exists():
            time.sleep(0.01)
        return super().embed_batch(batch, role)

def load(name, **options):
    while not loading.exists():
        time.sleep(0.01)
    return veclab.model.Model(Waiting())

veclab.model.load = load
main(["serve", "--port", sys.argv[3], "-m", "fake", *sys.argv[4:]])
"""


@pytest.fixture
def slow(serve, environment, tmp_path, monkeypatch):
    """A function that starts that server; it has `gate` and `loading`, to be touched."""
    root = str(Path(__file__).resolve().parents[2])

    def start(*arguments, ready=True):
        gate, loading = tmp_path / "gate", tmp_path / "loading"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if ready:
            loading.touch()
        command = ["-c", SLOW, gate, loading, port, *arguments]
        server = serve(*command, ready=False, bare=True, PYTHONPATH=root)
        server.gate, server.loading = gate, loading
        server.url = f"http://127.0.0.1:{port}"
        if ready:
            gate.touch()  # for the batches that warm it up
            server.wait_until_ready()
            gate.unlink()
        return server

    return start


def embed(server, text="cat"):
    body = {"model": "fake", "input": text}
    return httpx.post(server.url + "/v1/embeddings", json=body, timeout=LONG)


def until(server, path, status):
    """Ask until the answer has a status: another process brings it about."""

    def asked():
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(server.url + path, timeout=LONG)
            return answer if answer.status_code == status else None

    return wait_until(asked, server.process)


def in_flight(server):
    figures = httpx.get(server.url + "/metrics", timeout=LONG).text
    return float(re.search(r"^veclab_requests_in_flight (.*)$", figures, re.M)[1])


@pytest.mark.slow
def test_sigterm_lets_requests_in_flight_be_answered(slow):
    server = slow()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(embed, server, f"cat {i}") for i in range(4)]
        wait_until(lambda: in_flight(server) == 4, server.process)
        server.process.send_signal(signal.SIGTERM)
        assert until(server, "/ready", 503).json() == {"status": "draining"}
        assert httpx.get(server.url + "/health").status_code == 200
        refused = embed(server, "too late")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "shutting_down"
        assert refused.headers["connection"] == "close"
        server.gate.touch()
        assert [one.result().status_code for one in waiting] == [200] * 4
    assert server.wait() == 0
    assert [line["in_flight"] for line in server.events("draining")] == [4]


@pytest.mark.slow
def test_the_end_is_bounded_and_a_second_signal_hurries_it(slow):
    for hurry in (False, True):
        server = slow("--shutdown-timeout", "600" if hurry else "0.2")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(embed, server)
            wait_until(lambda: in_flight(server) == 1, server.process)  # noqa: B023
            server.process.send_signal(signal.SIGTERM)
            if hurry:
                until(server, "/ready", 503)
                server.process.send_signal(signal.SIGINT)
            assert waiting.result().status_code == 503
        assert server.wait() == 0  # though the model is still at its batch


@pytest.mark.slow
def test_while_it_loads_it_is_alive_and_not_ready_and_can_be_stopped(slow):
    server = slow(ready=False)
    assert until(server, "/health", 200)
    answer = httpx.get(server.url + "/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "loading"})
    assert embed(server).json()["error"]["code"] == "loading"
    assert embed(server).headers["retry-after-ms"] == "1000"
    assert server.stop() == 0


@pytest.mark.slow
def test_what_cannot_be_served_ends_it_with_the_reason(serve, tmp_path):
    missing = serve("-m", tmp_path / "no-such-model", ready=False)
    assert missing.wait() == 1
    assert "no-such-model" in "".join(missing.logged)
    open_ = serve("--host", "0.0.0.0", ready=False)
    assert open_.wait() == 2
    assert "--insecure" in "".join(open_.logged)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = serve("--port", port, ready=False)
        assert busy.wait() == 2
    assert f"port {port}" in "".join(busy.logged)


@pytest.mark.slow
def test_a_store_brings_its_model_and_both_its_endpoints(serve, tiny_bert, tmp_path):
    path = tmp_path / "store"
    model = veclab.load(str(tiny_bert), cache=False)
    with veclab.Store.open(path, model, create=True) as store:
        store.add(TEXTS, ids=["mat", "carpet", "stocks"])
    server = serve("--store", path, "-m", f"tiny={tiny_bert}")
    assert httpx.get(server.url + "/v1/about").json()["store"] is True
    found = httpx.post(server.url + "/v1/search", json={"query": "cat on the mat"}, timeout=LONG)
    assert found.json()["data"][0]["document"] == "mat"
    assert found.headers["x-veclab-space"] == model.space.id
    body = {"question": "Where does the cat sit?", "threshold": 0}
    answer = httpx.post(server.url + "/v1/ask", json=body, timeout=LONG)
    assert answer.json()["outcome"] == "answered", answer.text
    assert server.stop(signal.SIGINT) == 0


def test_options_that_do_not_go_together():
    from click.testing import CliRunner

    from veclab.cli.app import app

    for arguments, said in (
        (["--llm", "openai:model"], "--store"),
        (["--llm-url", "http://127.0.0.1:1"], "requires --llm"),
        (["-m", "one", "-m", "one"], "two models are called"),
        (["-m", "=one"], "ALIAS=NAME"),
        (["--token-ids", "magic"], "cl100k_base"),
    ):
        done = CliRunner().invoke(app, ["serve", *arguments])
        assert done.exit_code == 2
        assert said in done.output
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # as it was before
