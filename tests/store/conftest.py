"""Stores for tests, and a model whose vectors are sums over words: what shares words is near."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import FakeProvider
from veclab.model import Model
from veclab.store.store import Store

pytest.importorskip("lance", reason="needs veclab[store]")


class WordSums(FakeProvider):
    """8 dimensions; a text's vector is the sum of its words' random vectors."""

    def vector(self, text, role=None):
        words = text.lower().split()[: self.limits.max_tokens - 2]
        return np.sum([_of(self.space.model, word) for word in words], axis=0)


class Routed(WordSums):
    """The vectors of another model for documents, and some like them for queries."""

    def __init__(self, name="store", documents="fake"):
        super().__init__(max_tokens=64, name=name)
        self.documents = documents
        self.space = replace(self.space, configuration=(("modules", "Transformer Pooling Router"),))

    def vector(self, text, role=None):
        made = WordSums(max_tokens=64, name=self.documents).vector(text)
        return made * np.linspace(1, 1.2, 8, dtype=np.float32) if role == "query" else made


def _of(name, word):
    seed = hashlib.blake2b(f"{name}|{word}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).normal(size=8).astype(np.float32)


@pytest.fixture
def provider():
    return WordSums(max_tokens=64)


@pytest.fixture
def other_model(cache):
    return Model(WordSums(max_tokens=64, name="other"), cache)


@pytest.fixture
def store(address, model):
    with Store.open(address, model, create=True) as opened:
        yield opened


@pytest.fixture
def folder_store(tmp_path, model):
    """A store on disk, for what only those have."""
    with Store.open(tmp_path / "store", model, create=True) as opened:
        yield opened
