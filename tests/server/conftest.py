"""Servers for tests: real processes on loopback, or a server in a thread around a model of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from tests.fakes import FakeProvider
from tests.waiting import HANG_S, wait_until
from veclab.model import Model

LONG = HANG_S


class ServerProcess:
    """`veclab serve` as users run it."""

    def __init__(self, environment, *arguments, bare=False):
        command = [] if bare else ["-m", "veclab", "serve"]
        if not bare and "--port" not in arguments:
            command += ["--port", "0"]
        command = [sys.executable, *command, *map(str, arguments)]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.logged: list[str] = []
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.logged.append(line)

    def wait_until_ready(self):
        line = self.process.stdout.readline()
        assert line.startswith("veclab serves "), "".join(self.logged)
        self.url = line.split()[2].removesuffix("/v1")
        return self

    def events(self, kind):
        lines = [json.loads(line) for line in self.logged if line.startswith("{")]
        return [line for line in lines if line["event"] == kind]

    def stop(self, number=signal.SIGTERM):
        """Send a signal and wait for the end; return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(LONG)
        self._reader.join(LONG)
        return code


@pytest.fixture
def serve(environment):
    """A function that starts `veclab serve` with arguments, ready for requests."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, ready=True, bare=False, **variables):
            server = ServerProcess(environment | variables, *arguments, bare=bare)
            stack.callback(server.wait)
            stack.callback(server.process.kill)
            return server.wait_until_ready() if ready else server

        yield start


class Gated(FakeProvider):
    """A model that computes a batch only while its gate is open, and tells when it begins."""

    def __init__(self, **options):
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Semaphore(0)
        super().__init__(**options)

    def embed_batch(self, batch, role):
        self.begun.release()
        assert self.open.wait(LONG)
        return super().embed_batch(batch, role)

    @contextlib.contextmanager
    def shut(self):
        """Let every batch wait until the end of the block."""
        self.begun = threading.Semaphore(0)
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def wait_until_begun(self):
        assert self.begun.acquire(timeout=LONG)


class ThreadedServer:
    """The server with a model that exists only here; everything else is as in a process."""

    def __init__(self, models, **options):
        from veclab.server.app import make_app
        from veclab.server.http import open_server
        from veclab.server.log import Log
        from veclab.server.serving import Serving
        from veclab.server.settings import Settings

        self.settings = Settings(**options)
        self.lines: list[bytes] = []
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.port = listener.getsockname()[1]
        ready = threading.Event()

        async def main():
            self.serving = Serving(self.settings, Log(self.lines.append))
            for name, model in models.items():
                self.serving.add(name, model)
            self.serving.phase = "ready"
            self.loop = asyncio.get_running_loop()
            self.server = open_server(make_app(self.serving), self.settings)
            self.loop.call_soon(ready.set)
            await self.server.serve(sockets=[listener])

        self.thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        self.thread.start()
        assert ready.wait(LONG)

    def close(self):
        self.server.should_exit = True
        self.thread.join(LONG)
        self.serving.close()

    def post(self, path, body, **options):
        return httpx.post(self.url + path, json=body, timeout=LONG, **options)

    def embed(self, input, **fields):
        return self.post("/v1/embeddings", {"model": "fake", "input": input, **fields})

    def get(self, path, **options):
        return httpx.get(self.url + path, timeout=LONG, **options)

    def logged(self):
        return [json.loads(line) for line in self.lines]

    def wait_for_events(self, kind, number):
        """Events of a kind, when there are so many; a line is written after the answer."""

        def found():
            return [line for line in self.logged() if line["event"] == kind]

        wait_until(lambda: len(found()) >= number)
        return found()


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def threaded():
    """A function that starts a server around models of the test's own."""
    with contextlib.ExitStack() as stack:

        def start(provider=None, *, cache=None, **options):
            models = {"fake": Model(provider or Gated(), cache)}
            server = ThreadedServer(models, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def server(threaded, gated, cache):
    """A server of a small made-up model with a cache."""
    return threaded(gated, cache=cache)
