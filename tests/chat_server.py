"""A chat endpoint as OpenAI's, on loopback, whose model says what the test wants it to say.

Real sockets and server-sent events. `answers` are used up one by one; each is a text, or one of
the faults below with a text. It keeps what it was asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.loopback import LoopbackServer

KEY = "sk-test-4242424242424242424242424242"


@dataclass(frozen=True)
class Fault:
    """An answer with something wrong.

    Attributes:
        kind: `broken` (the connection ends in mid-answer), `unfinished` (the stream ends without a
            reason), `hang` (no answer at all), `length` (cut at the limit), `error` (one inside
            the stream), `html`, or a status code.
        text: said before that.
        param: of a 400: the parameter that is refused.
        headers: of a status.
    """

    kind: str
    text: str = ""
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class ChatServer(LoopbackServer):
    """The server and its controls.

    Attributes:
        answers: what to say next: a text, a Fault, or a function of the messages giving one.
        refused: parameters that make a request a 400, as endpoints do that do not know them.
        usage: whether to tell tokens at the end, where asked.
        asked: the body of every request.
    """

    answers: list[str | Fault | Callable[[list[dict[str, str]]], str | Fault]] = field(
        default_factory=list
    )
    refused: set[str] = field(default_factory=set)
    usage: bool = True
    key: str | None = KEY
    asked: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])

    async def _chat(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.asked.append(body)
        authorization = request.headers.get("authorization", "")
        if self.key is not None and authorization != f"Bearer {self.key}":
            return _no(401, f"Incorrect API key provided: {authorization.removeprefix('Bearer ')}.")
        for name in sorted(self.refused & set(body)):
            return _no(400, f"Unsupported parameter: '{name}'.", param=name)
        answer = self.answers.pop(0) if self.answers else ""
        if callable(answer):
            answer = answer(body["messages"])
        fault = answer if isinstance(answer, Fault) else None
        if fault is not None and fault.kind.isdecimal():
            return _no(int(fault.kind), f"this is a {fault.kind}", fault.param, fault.headers)
        if fault is not None and fault.kind == "hang":
            while not await request.is_disconnected():
                await asyncio.sleep(0.05)
        if fault is not None and fault.kind == "html":
            return Response("<!doctype html><title>Gateway</title>", 404, media_type="text/html")
        text = fault.text if fault is not None else answer
        events = self._events(body, text, None if fault is None else fault.kind)
        if fault is not None and fault.kind == "broken":
            return _Broken(events, media_type="text/event-stream")
        return StreamingResponse(events, media_type="text/event-stream")

    async def _events(self, body: dict[str, Any], text: str, fault: str | None):
        for start in range(0, len(text), 7):  # in the midst of words, as tokens are
            yield _event({"choices": [_choice(text[start : start + 7])]})
            await asyncio.sleep(0)
        if fault in ("broken", "unfinished"):
            return
        if fault == "error":
            yield _event({"error": {"message": "the GPU is gone", "type": "server_error"}})
            return
        yield _event({"choices": [_choice(None, "length" if fault == "length" else "stop")]})
        if self.usage and body.get("stream_options", {}).get("include_usage"):
            usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
            yield _event({"choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"


class _Broken(StreamingResponse):
    """Breaks the connection where the events end, without the mark of the end."""

    async def __call__(self, scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for chunk in self.body_iterator:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        raise ConnectionAbortedError("broken")


def _event(value: dict[str, Any]) -> bytes:
    whole = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m"} | value
    return f"data: {json.dumps(whole)}\n\n".encode()


def _choice(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}


def _no(status: int, message: str, param=None, headers=None) -> Response:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return JSONResponse({"error": error}, status, headers=headers)
