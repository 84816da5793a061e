"""Texts of all clients in batches together; nobody waits for everybody else's work."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import openai
import pytest

import veclab
from tests.models.openai.test_canary import another
from tests.openai_server import KEY, OpenAIServer
from tests.server.conftest import LONG, Gated
from tests.waiting import wait_until
from veclab.errors import BadVectors
from veclab.unit_length import normalize


def together(server, inputs, **options):
    """Ask all at once, each as a client of its own; the answers in order."""
    with ThreadPoolExecutor(len(inputs)) as pool:
        return list(pool.map(lambda one: server.embed(one, **options), inputs))


def connections_waiting(server):
    """Count the connections whose texts are read and wait for the model."""
    batcher = server.serving.models["fake"].batcher
    with batcher._lock:
        queues = list(batcher._waiting.values())
        return sum(len(client.flows) for queue in queues for client in queue._clients.values())


def wait_for(server, name, value, **labels):
    """Wait until a figure of the server's has a value, which another thread brings about."""
    wait_until(lambda: figure(server, name, **labels) == value)


def figure(server, name, **labels):
    return server.serving.metrics._registry.get_sample_value(f"veclab_{name}", labels)


def test_what_waits_is_computed_together(threaded, gated):
    server = threaded(gated)
    texts = [f"text number {i}" for i in range(9)]
    with ThreadPoolExecutor(9) as pool:
        with gated.shut():
            first = pool.submit(server.embed, texts[0])
            gated.wait_until_begun()
            others = [pool.submit(server.embed, text) for text in texts[1:]]
            wait_for(server, "requests_in_flight", 9)
            cost = server.serving.models["fake"].batcher
            wait_until(lambda: cost.waiting() >= 8 * 5)
        answers = [first.result(), *(one.result() for one in others)]
    expected = normalize(np.stack([gated.vector(text) for text in texts]))
    given = [answer.json()["data"][0]["embedding"] for answer in answers]
    assert np.allclose(given, expected)
    assert [len(batch) for batch in gated.batches[2:]] == [1, 8]  # after two to warm up


def test_a_text_of_many_clients_is_looked_up_where_another_has_asked_it(server, gated):
    before = len(gated.embedded)
    assert server.embed("the very same").status_code == 200
    wait = threading.Event()
    cached = 0
    while not cached:  # it is kept after the answer
        answer = server.embed("the very same")
        assert answer.status_code == 200
        cached = figure(server, "cache_hits_total", model="fake")
        wait.wait(0.01)
    assert set(gated.embedded[before:]) == {"the very same"}


def test_a_client_with_thousands_of_texts_does_not_starve_one_with_one(threaded, gated):
    server = threaded(gated)
    many = [f"text number {i}" for i in range(2000)]
    with ThreadPoolExecutor(2) as pool:
        with gated.shut():
            big = pool.submit(server.embed, many)
            gated.wait_until_begun()
            small = pool.submit(server.embed, "a single one")
            wait_until(lambda: connections_waiting(server) == 2)
        assert small.result().status_code == 200
        assert big.result().status_code == 200
    before = gated.embedded.index("a single one")
    assert before < 400, "it waited for nearly all of the other's texts"


def leave_at_once(server, input):
    """Ask, and hang up without waiting for the answer; the socket, to be closed."""
    body = f'{{"model": "fake", "input": "{input}"}}'.encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        + f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return connection


def test_work_of_clients_that_left_is_not_computed(threaded, gated):
    server = threaded(gated)
    with ThreadPoolExecutor(1) as pool, gated.shut():
        busy = pool.submit(server.embed, "keeps the model busy")
        gated.wait_until_begun()
        gone = [leave_at_once(server, f"of one that left {i}") for i in range(300)]
        wait_for(server, "requests_in_flight", 301)
        for connection in gone:
            connection.close()
        wait_for(server, "cancelled_requests_total", 300, reason="left")
        gated.open.set()
        assert busy.result().status_code == 200
        assert server.embed("stays").status_code == 200
    assert not any("left" in text for text in gated.embedded)
    assert server.serving.models["fake"].batcher.admission.backlog == 0


def test_nor_that_whose_time_is_over(threaded, gated):
    server = threaded(gated)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="x", max_retries=0)
    with ThreadPoolExecutor(1) as pool, gated.shut():
        busy = pool.submit(server.embed, "keeps the model busy")
        gated.wait_until_begun()
        hasty = {"x-stainless-read-timeout": "0.05"}
        answer = server.post(
            "/v1/embeddings", {"model": "fake", "input": "in a hurry"}, headers=hasty
        )
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "timeout"
        # It tells the server its time: who finds first that it is over is a matter of chance.
        with pytest.raises((openai.APITimeoutError, openai.InternalServerError)):
            client.embeddings.create(model="fake", input="in a hurry too", timeout=0.05)
        gated.open.set()
        assert busy.result().status_code == 200
        assert server.embed("stays").status_code == 200
    assert not any("hurry" in text for text in gated.embedded)


class Slow(Gated):
    """100 batches a second of one text each."""

    def __init__(self):
        super().__init__(batch_texts=1, batch_tokens=8)

    def embed_batch(self, batch, role):
        threading.Event().wait(0.01)
        return super().embed_batch(batch, role)


def test_the_official_clients_two_retries_suffice_at_twice_the_load(threaded):
    """40 clients, each with several calls one after the other, where 20 may wait at most."""
    server = threaded(Slow(), max_wait=0.1)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="x", timeout=LONG)
    assert client.max_retries == 2

    def calls(number):
        return [
            len(client.embeddings.create(model="fake", input=f"text {number} {i}").data)
            for i in range(4)
        ]

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(calls, range(40))) == [[1] * 4] * 40
    assert figure(server, "rejected_requests_total") > 0, "the load was not over what it bears"


class Picky(Gated):
    """Fails on any batch with one text in it, as an engine may."""

    def embed_batch(self, batch, role):
        if any("poison" in one.text for one in batch):
            raise RuntimeError("the engine's message, with poison in it")
        return super().embed_batch(batch, role)


def test_a_text_that_breaks_the_model_fails_alone(threaded):
    picky = Picky()
    server = threaded(picky)
    with ThreadPoolExecutor(9) as pool:
        with picky.shut():
            first = pool.submit(server.embed, "first")
            picky.wait_until_begun()
            others = [pool.submit(server.embed, f"other {i}") for i in range(7)]
            bad = pool.submit(server.embed, "poison")
            wait_for(server, "requests_in_flight", 9)
        assert first.result().status_code == 200
        assert {one.result().status_code for one in others} == {200}
        answer = bad.result()
    assert answer.status_code == 500
    assert "poison" not in answer.text
    assert not any(b"poison" in line for line in server.lines)
    assert any(line["event"] == "fault" for line in server.logged())


class Nonsense(Gated):
    def embed_batch(self, batch, role):
        vectors = super().embed_batch(batch, role)
        for row, one in enumerate(batch):
            if "nan" in one.text:
                vectors[row] = np.nan
        return vectors


def test_what_is_no_vector_is_never_given_out(threaded):
    server = threaded(Nonsense())
    assert server.embed(["good", "nan"]).status_code == 500
    assert server.embed("good").status_code == 200
    assert any(line.get("error") == BadVectors.__name__ for line in server.logged())


def test_a_cache_that_fails_costs_nobody_an_answer(threaded, gated, cache):
    server = threaded(gated, cache=cache)
    assert server.embed("before").status_code == 200
    server.serving.models["fake"].batcher._keeper.close()
    cache.close()
    assert server.embed("after").status_code == 200
    assert [line["what"] for line in server.logged() if line["event"] == "fault"] == ["reading"]


def test_half_closed_and_dropped_connections_leave_nothing_behind(threaded, gated):
    server = threaded(gated)
    for end in (lambda c: c.shutdown(socket.SHUT_WR), lambda c: c.close()):
        connection = leave_at_once(server, "half")
        end(connection)
        connection.close()
    wait_for(server, "requests_in_flight", 0)
    assert httpx.get(server.url + "/health").status_code == 200
    assert server.serving.models["fake"].batcher.admission.backlog == 0


def test_a_swap_at_an_endpoint_is_told_of_and_what_it_answered_is_kept(threaded, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer() as endpoint:

        def load():
            return veclab.load("openai:text-embedding-3-small", base_url=endpoint.url)

        model = load()
        model.embed(["before"])
        server = threaded(model.provider, cache=model.cache)
        endpoint.vectors = another
        for text in ("first", "second"):
            answer = server.embed([text, f"{text} too"])
            assert answer.status_code == 502
            assert "another model than when this server began" in answer.text
        server.serving.models["fake"].batcher._keeper.close()
        assert endpoint.bought == {"before": 1, "first": 1, "first too": 1}
        texts = ["first", "first too", "before"]
        assert np.allclose(load().embed(texts).array, another(texts, 1536), atol=1e-6)
        assert endpoint.bought == {"before": 2, "first": 1, "first too": 1}
