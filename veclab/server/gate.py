"""What every request passes: its id, the key, limits; and what every answer carries.

Plain ASGI: a tenth of the cost of Starlette's `BaseHTTPMiddleware`.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veclab.server.problems import Problem, internal
from veclab.server.serving import Serving

# Probes and the page itself: nothing in them is anybody's.
OPEN = frozenset({"/", "/health", "/ready", "/openapi.json", "/docs", "/page.css", "/page.js"})
_PROBES = frozenset({"/health", "/ready", "/metrics"})
_REQUEST_ID = re.compile(r"[\w.\-]{1,128}", re.ASCII)
# Ids of requests are unique; what makes them so is asked of the system once.
_PROCESS, _NUMBERS = uuid.uuid4().hex[:20], count(1)
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
]


@dataclass(slots=True)
class Call:
    """A request as the gate sees it; endpoints add what the log and the metrics should say.

    Attributes:
        id: of the request, in the answer's `x-request-id` and in the log.
        client: for whom: a key's number, else an address.
        flow: the connection, or the `user` that the client names.
        headers: lower-case names.
        route: the pattern of its path.
        facts: for the log.
    """

    id: str
    client: str
    flow: str
    headers: dict[str, str]
    route: str = "other"
    facts: dict[str, Any] = field(default_factory=dict)


class Gate:
    """The outermost layer."""

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        self._app, self._serving = app, serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever comes up."""
        if scope["type"] != "http":
            await _refuse_others(scope, receive, send)
            return
        serving, start = self._serving, time.perf_counter()
        call = scope["veclab"] = _call(scope)
        answer = _Answer(send, call, closing=serving.phase == "draining")
        counted = scope["path"] not in _PROBES
        if counted:
            serving.enter()
        try:
            call.client = self._admit(scope, call)
            await self._app(scope, _bounded(receive, serving, call), answer)
        except Problem as problem:
            await answer.tell(problem, scope, receive)
        except Exception as error:
            serving.log.fault(f"answering {call.route}", error)
            await answer.tell(internal(), scope, receive)
        finally:
            if counted:
                serving.leave()
            self._count(scope, call, answer.status, time.perf_counter() - start)

    def _admit(self, scope: Scope, call: Call) -> str:
        """Return who asks; raises Problem where nobody may."""
        settings = self._serving.settings
        if settings.checks_host and not settings.knows_host(call.headers.get("host", "")):
            raise Problem(
                403,
                "This server answers under its address only: a name in the request's host could "
                "be a web page's. Ask http://127.0.0.1, or start it with a key.",
                code="host_not_allowed",
            )
        if settings.keys is None or scope["path"] in OPEN:
            return call.client
        owner = settings.keys.owner(call.headers.get("authorization", ""))
        if owner is None:
            given = "authorization" in call.headers
            raise Problem(
                401,
                "Incorrect API key provided."
                if given
                else "You did not provide an API key: "
                "send it in the header 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        return owner

    def _count(self, scope: Scope, call: Call, status: int, seconds: float) -> None:
        metrics = self._serving.metrics
        metrics.requests.labels(call.route, str(status)).inc()
        metrics.seconds.labels(call.route).observe(seconds)
        if self._serving.settings.access_log and scope["path"] not in _PROBES:
            self._serving.log.event(
                "request",
                id=call.id,
                method=scope["method"] if scope["method"].isalpha() else "other",
                route=call.route,
                status=status,
                ms=round(1000 * seconds, 2),
                client=call.client,
                **call.facts,
            )


class _Answer:
    """`send`, with the headers that every answer carries."""

    def __init__(self, send: Send, call: Call, *, closing: bool) -> None:
        self._send, self._call, self._closing = send, call, closing
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"] = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            headers += [pair for pair in _ALWAYS if pair[0] not in there]
            headers.append((b"x-request-id", self._call.id.encode()))
            if self._closing and b"connection" not in there:
                headers.append((b"connection", b"close"))
        await self._send(message)

    async def tell(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Answer with a problem, unless another answer has begun."""
        if not self.status:
            await problem.response()(scope, receive, self)


def _call(scope: Scope) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    given = headers.get("x-request-id", "")
    host, port = scope.get("client") or ("unknown", 0)
    return Call(
        id=given if given and _REQUEST_ID.fullmatch(given) else f"{_PROCESS}{next(_NUMBERS):012x}",
        client=host,
        flow=f"{host}:{port}",
        headers=headers,
    )


def _bounded(receive: Receive, serving: Serving, call: Call) -> Receive:
    """Receive a body within limits of size and time; after it, only that the client has left."""
    settings = serving.settings
    size, whole = 0, False
    end = time.monotonic() + settings.body_timeout
    announced = call.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > settings.max_body:
        too_large = True
    else:
        too_large = False

    async def bounded() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()
        if too_large:
            raise _too_large(settings.max_body)
        try:
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                message = await receive()
        except TimeoutError:
            raise Problem(
                408,
                f"The request's body did not come in within {settings.body_timeout:g} seconds.",
                headers={"connection": "close"},
            ) from None
        size += len(message.get("body", b""))
        if size > settings.max_body:
            raise _too_large(settings.max_body)
        whole = not message.get("more_body", False)
        return message

    return bounded


def _too_large(most: int) -> Problem:
    return Problem(
        413,
        f"The request's body is over {most:,} bytes; send fewer texts at once.",
        headers={"connection": "close"},
    )


async def _refuse_others(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
