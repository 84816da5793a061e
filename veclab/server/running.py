"""The life of the server: listen, load, serve, let go."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from veclab.errors import InputError, MissingExtra
from veclab.server.settings import Settings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings, on_ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what is in flight and return.

    Args:
        settings: of the operator.
        on_ready: is called with the URL when the models are loaded.

    Raises:
        InputError: the address is in use, or it would be open to strangers.
        MissingExtra: the extra `server` is not installed.
        And what loading a model or opening a store raises.
    """
    # Before anything is loaded: process 1 of a container ignores signals that it does not handle.
    with _leaving_early():
        settings.check()
        _run(settings, on_ready)


@contextlib.contextmanager
def _leaving_early() -> Iterator[None]:
    """End the process on a signal, and leave signals as they were found."""
    before = {number: signal.signal(number, _leave_early) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, signal.SIG_DFL if usual is None else usual)


def _run(settings: Settings, on_ready: Callable[[str], None]) -> None:
    try:
        import httptools  # noqa: F401
        import msgspec  # noqa: F401
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import uvloop
    except ImportError:
        raise MissingExtra("server", "veclab serve") from None
    listener = _listen(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, listener, on_ready))


def _leave_early(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0 if number == signal.SIGTERM else 130)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that reads nothing of its answer is let go, with the answer.
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * settings.timeout)
            )
        listener.bind(address)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. "
            "Choose another with --host and --port"
        ) from None
    return listener


async def _serve(
    settings: Settings, listener: socket.socket, on_ready: Callable[[str], None]
) -> None:
    from veclab.server.app import make_app
    from veclab.server.http import open_server
    from veclab.server.serving import Serving, load_all

    loop = asyncio.get_running_loop()
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signaled() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, signaled)
    serving = Serving(settings)
    server = open_server(make_app(serving), settings)
    listening = loop.create_task(server.serve(sockets=[listener]))
    try:
        loading = _in_thread(load_all, serving)
        await _first(stop.wait(), listening, loading)
        if loading.done():
            loading.result()
            serving.phase = "ready"
            on_ready(_url(settings, listener))
            serving.log.event("ready", models=list(serving.models))
            await _first(stop.wait(), listening)
        serving.phase = "draining"
        serving.log.event("draining", in_flight=serving.in_flight)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.shutdown):
                await _first(serving.rest(), hurry.wait(), listening)
    finally:
        server.should_exit = True
        await listening
        if serving.phase != "loading":
            await asyncio.to_thread(serving.close)
        serving.log.event("stopped")


def _url(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _in_thread(work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
    """Do it in a thread that does not keep the process alive: loading cannot be interrupted."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def target() -> None:
        failed: BaseException | None = None
        try:
            work(*arguments)
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, failed)

    threading.Thread(target=target, name="veclab-load", daemon=True).start()
    return future


async def _first(*waits: Any) -> None:
    """Wait until the first of several is done, and leave the others that were futures alone."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, given in zip(tasks, waits, strict=True):
        if task is not given:
            task.cancel()
