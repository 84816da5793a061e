"""A small store, a model whose vectors go by words, and a chat endpoint that a test controls."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tests.chat_server import KEY, ChatServer
from tests.fakes import FakeProvider
from veclab.model import Model
from veclab.rag.keywords import content_words, stem
from veclab.store.store import Store

TEXTS = {
    "server": "By default, the server listens on port 8080. It doesn't cache results unless told "
    "so in the file foo.conf.",
    "debian": "Debian was founded by Ian Murdock in 1993. It is not a company.",
    "memory": "Version 1.5.2 needs 512 MB of memory. Users must not run it as root.",
    "library": "The library opens at nine in the morning. On Sundays the library stays closed.",
    "cats": "Cats sleep for sixteen hours a day. A kitten sleeps even longer.",
    "water": "Water boils at 100 degrees Celsius at sea level. Salt raises the boiling point.",
}


class WordProvider(FakeProvider):
    """Texts that share words are near each other, as with a real model; 64 dimensions."""

    def __init__(self):
        super().__init__(max_tokens=128, name="words")
        from dataclasses import replace

        self.space = replace(self.space, dimensions=64)

    def vector(self, text, role=None):
        total = np.full(64, 0.01)
        for word in content_words(text):
            digest = hashlib.blake2b(stem(word).encode(), digest_size=8).digest()
            total += np.random.default_rng(int.from_bytes(digest, "big")).normal(size=64)
        return total.astype(np.float32)


@pytest.fixture(scope="session")
def word_model():
    return Model(WordProvider(), None)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory, word_model):
    path = tmp_path_factory.mktemp("rag") / "store"
    with Store.open(path, word_model, create=True) as store:
        store.add(TEXTS.values(), ids=list(TEXTS))
    return path


@pytest.fixture
def store(store_path, word_model):
    with Store.open(store_path, word_model) as opened:
        yield opened


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with ChatServer() as running:
        yield running
