"""The teaching server, driven by OpenAI's own client and by veclab's."""

import json
import urllib.error
import urllib.request

import numpy as np
import pytest

import veclab
from veclab.teaching import TeachingServer

openai = pytest.importorskip("openai", reason="needs veclab[openai]")


@pytest.fixture
def server(tiny_bert):
    model = veclab.load(str(tiny_bert), cache=False, engine="torch")
    with TeachingServer(model) as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_gives_the_models_vectors(server, client, encoding):
    texts = ["the cat sits", "a feline rests"]
    more = {} if encoding is None else {"encoding_format": encoding}
    answer = client.embeddings.create(model=server.name, input=texts, **more)
    got = [row.embedding for row in answer.data]
    if encoding == "base64":
        import base64

        got = [np.frombuffer(base64.b64decode(row), "<f4") for row in got]
    np.testing.assert_allclose(got, server.model.embed(texts).array, atol=1e-6)
    assert answer.usage.total_tokens == sum(server.model.count_tokens(texts))
    assert [(a.texts, a.status) for a in server.asked] == [(2, 200)]


def test_shorter_vectors_have_unit_length(server, client):
    row = client.embeddings.create(model=server.name, input="the cat", dimensions=8).data[0]
    assert len(row.embedding) == 8
    assert np.linalg.norm(row.embedding) == pytest.approx(1)


@pytest.mark.parametrize(
    ("error", "given"),
    [
        (openai.BadRequestError, {"input": ""}),
        (openai.BadRequestError, {"input": []}),
        (openai.BadRequestError, {"input": ["a"] * 2049}),
        (openai.BadRequestError, {"input": "a", "dimensions": 9999}),
        (openai.NotFoundError, {"input": "a", "model": "gpt"}),
    ],
)
def test_refuses_as_openai_does_and_goes_on(server, client, error, given):
    with pytest.raises(error):
        client.embeddings.create(**{"model": server.name} | given)
    assert client.embeddings.create(model=server.name, input="a").data


def test_a_wrong_key_is_refused(server):
    with (
        openai.OpenAI(base_url=server.url, api_key="sk-other", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.embeddings.create(model=server.name, input="a")


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"model": 1}', b"\xff"])
def test_nonsense_is_answered_with_an_error_and_no_traceback(server, body, capfd):
    request = urllib.request.Request(
        f"{server.url}/embeddings", body, {"authorization": f"Bearer {server.key}"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code in (400, 404)
    assert json.load(caught.value)["error"]["message"]
    assert capfd.readouterr().err == ""


def test_veclab_embeds_through_it(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", server.key)
    model = veclab.load(f"openai:{server.name}", base_url=server.url, cache=False)
    texts = ["the cat sits", "a feline rests"]
    np.testing.assert_allclose(model.embed(texts).array, server.model.embed(texts).array, atol=1e-6)


def test_lists_its_model(server, client):
    assert [model.id for model in client.models.list()] == [server.name]
