"""A server of the tests: an application on a free port of the loopback interface, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

import uvicorn
from starlette.applications import Starlette

from tests.waiting import HANG_S


class LoopbackServer:
    """Runs `app()` from `with` to its end.

    Attributes:
        port: 0 for a free one, which it then holds.
        tls: files of a certificate and its key, for https.
    """

    port: int
    tls: tuple[str, str] | None = None

    def app(self) -> Starlette:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        certificate, key = self.tls or (None, None)
        config = uvicorn.Config(
            self.app(),
            log_level="critical",
            lifespan="off",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def is_idle(self) -> bool:
        """Whether every request is answered and every connection closed."""
        state = self._server.server_state
        return not state.connections and not state.tasks

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(HANG_S)
