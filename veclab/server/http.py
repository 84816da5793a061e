"""uvicorn as it is used here: signals are ours, and a slow head is let go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from veclab.server.settings import Settings

# Longer than the 60 seconds after which proxies let go of a connection: else one may send a
# request into a connection that is just being closed here.
KEEP_ALIVE = 75
# Seconds for connections to close when all answers are out.
_CLOSING = 5


class Server(uvicorn.Server):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: they are handled before anything is loaded."""
        yield


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 that lets a connection go whose request's head does not come in.

    uvicorn bounds the time between requests, and the gate that of a body.
    """

    head_seconds = 30.0
    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """Wait for the next request's head, on a connection that is in use."""
        super().on_message_begin()
        if self._head is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Be content: the head is there."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def open_server(app: ASGIApp, settings: Settings) -> Server:
    """Return a server for an application."""
    protocol = type("Protocol", (Protocol,), {"head_seconds": settings.body_timeout})
    return Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=_CLOSING,
            backlog=2048,
        )
    )
