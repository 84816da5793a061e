"""What every request passes: host, key, limits; and what every answer carries."""

import contextlib
import json
import socket

import httpx
import pytest

from tests.waiting import wait_until
from veclab.errors import InputError
from veclab.server.keys import Keys
from veclab.server.settings import Settings

KEY, SECOND = "sk-first-0123456789abcdef", "sk-second-0123456789abcdef"


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys.txt"
    file.write_text(f"# the team's\n{KEY}\n\n  {SECOND}  # the batch job's\r\n")
    return Keys.read(file)


def asked(server, key):
    headers = {"authorization": key} if key else {}
    return server.get("/v1/models", headers=headers)


def test_a_key_opens_it(threaded, keys):
    server = threaded(keys=keys)
    assert asked(server, f"Bearer {KEY}").status_code == 200
    assert asked(server, f"bearer {SECOND}").status_code == 200
    for wrong in (None, "", "Bearer", "Bearer x", KEY, f"Basic {KEY}", f"Bearer {KEY} {SECOND}"):
        answer = asked(server, wrong)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/ready", "/", "/docs", "/openapi.json"):
        assert server.get(path).status_code == 200
    assert server.get("/metrics").status_code == 401
    clients = {line["client"] for line in server.wait_for_events("request", 12)}
    assert {"key 1", "key 2"} <= clients
    assert not any(KEY.encode() in line for line in server.lines)


def test_keys_from_the_environment(monkeypatch):
    monkeypatch.setenv("VECLAB_API_KEYS", f"{KEY}\n{SECOND} ")
    keys = Keys.read(None)
    assert len(keys) == 2
    assert keys.owner(f"Bearer {SECOND}") == "key 2"
    assert KEY not in repr(keys)
    monkeypatch.setenv("VECLAB_API_KEYS", " ")
    assert Keys.read(None) is None


@pytest.mark.parametrize(
    "content", ["", "# nothing\n", "short", "two words of sixteen", "schlüssel" * 4]
)
def test_a_file_of_no_keys_is_refused(tmp_path, content):
    file = tmp_path / "keys.txt"
    file.write_text(content)
    with pytest.raises(InputError, match="key"):
        Keys.read(file)
    with pytest.raises(InputError, match="cannot be read"):
        Keys.read(tmp_path / "no such file")


def test_strangers_are_let_in_only_on_purpose(keys):
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(InputError, match="--insecure"):
            Settings(host=host).check()
        Settings(host=host, keys=keys).check()
        Settings(host=host, insecure=True).check()
    for host in ("127.0.0.1", "::1", "localhost", "127.5.5.5"):
        Settings(host=host).check()


def test_a_web_pages_name_for_this_machine_is_refused(server):
    """DNS rebinding: without a key, a page could read what this server answers."""
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example"):
        assert server.get("/v1/models", headers={"host": host}).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
        assert server.get("/v1/models", headers={"host": host}).status_code == 200


def test_no_page_of_others_may_read_answers(server):
    origin = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = httpx.options(server.url + "/v1/embeddings", headers=origin)
    assert answer.status_code == 405
    answer = server.get("/v1/models", headers=origin)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_request_id_is_the_clients_if_it_can_be(server):
    assert server.get("/health", headers={"x-request-id": "run-7.a"}).headers["x-request-id"] == (
        "run-7.a"
    )
    for odd in ("a b", "x" * 129, '"', "é"):
        given = server.get("/health", headers={"x-request-id": odd.encode()})
        assert len(given.headers["x-request-id"]) == 32


def test_the_log_has_ids_and_counts_and_no_texts(server):
    server.embed(["secret words", "more of them"], user="someone", dimensions=8)
    server.embed("secret words", user=5)
    lines = server.wait_for_events("request", 2)
    assert [line["status"] for line in lines] == [200, 400]
    assert lines[0].items() >= {"texts": 2, "tokens": 9, "model": "fake", "method": "POST"}.items()
    assert lines[0]["id"]
    assert not any(b"secret" in line or b"someone" in line for line in server.lines)


def test_addresses_and_methods(server):
    for path in ("/nothing", "/v1", "/v1/embeddings/", "/v1/models/none", "/../etc/passwd"):
        answer = server.get(path)
        assert answer.status_code == 404, path
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    answer = server.get("/v1/embeddings")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert httpx.head(server.url + "/health").status_code == 200


def test_a_body_over_the_limit_is_refused_announced_or_not(threaded):
    server = threaded(max_body=1000)
    big = json.dumps({"model": "fake", "input": "x" * 2000}).encode()
    headers = {"content-type": "application/json"}
    for content in (big, iter([big[:500], big[500:]])):
        answer = httpx.post(server.url + "/v1/embeddings", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "invalid_request_error"


def spoken(server, *lines):
    """Send these bytes and return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for line in lines:
            connection.sendall(line)
        return b"".join(iter(lambda: connection.recv(65536), b""))


HEAD = b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


def test_a_head_or_a_body_that_does_not_come_in_is_let_go(threaded):
    server = threaded(body_timeout=0.2)
    assert spoken(server) == b""
    assert spoken(server, HEAD) == b""
    answer = spoken(server, HEAD, b"content-length: 100\r\n\r\n", b'{"model"')
    assert answer.startswith(b"HTTP/1.1 408")

    def answered():  # on a busy machine this one's time may be over, too
        with contextlib.suppress(httpx.TransportError):
            return server.embed("cat").status_code == 200

    wait_until(answered)


def test_http_1_0_and_what_is_no_http(server):
    answer = spoken(server, b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"status":"ok"}')
    assert b"400" in spoken(server, b"HELLO\r\n\r\n").partition(b"\r\n")[0]
    injected = b"GET /health HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer a\r\n b\r\n"
    assert spoken(server, injected, b"connection: close\r\n\r\n")
    assert server.get("/health").status_code == 200


def test_figures_for_prometheus(server):
    from prometheus_client.parser import text_string_to_metric_families

    server.embed(["one", "two", "one"])
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["veclab_requests_total", "/v1/embeddings", "200"] == 1
    assert found["veclab_texts_total", "fake"] == 3
    assert found["veclab_tokens_total", "fake"] == 9
    assert found["veclab_computed_texts_total", "fake"] == 2
    assert found["veclab_queue_tokens", "fake"] == 0
    assert found["veclab_wait_seconds_count", "fake"] == 1
    server.get("/some/path/of/a/scanner")
    assert "scanner" not in server.get("/metrics").text
