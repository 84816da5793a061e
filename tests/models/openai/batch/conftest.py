"""A server with a Batch API on a real socket, a corpus, and veclab pointed at them."""

from __future__ import annotations

import json

import pytest

from tests.openai_batches import BatchServer
from veclab.models.openai.batch import remote
from veclab.models.openai.batch import submit as submitting
from veclab.models.openai.token_counts import ExactCounter

MODEL = "openai:text-embedding-3-small"


@pytest.fixture(scope="session")
def encoding():
    return ExactCounter("cl100k_base")


@pytest.fixture
def server(encoding, monkeypatch, home):
    """The server's state; the environment names its address, and its price is written down."""
    server = BatchServer(count=lambda text: encoding.count([text])[0])
    # A call that is cut off is in the list at once here, and nobody needs a rest between tries.
    monkeypatch.setattr(submitting, "SETTLE_S", 0.2)
    monkeypatch.setattr(remote, "PAUSE_S", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", server.key)
        home.mkdir(parents=True, exist_ok=True)
        price = {f"text-embedding-3-small@{server.url}": 0.02}
        (home / "prices.json").write_text(json.dumps({"dollars_per_million_tokens": price}))
        yield server


@pytest.fixture
def corpus(tmp_path):
    """A function that writes texts to a file, one a line."""

    def write(texts, name="corpus.txt"):
        path = tmp_path / name
        path.write_text("".join(f"{text}\n" for text in texts))
        return path

    return write
