"""The life of a server, as a real process."""

import httpx
import numpy as np
import openai
import pytest

import veclab

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
