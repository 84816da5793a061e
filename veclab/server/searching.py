"""`POST /v1/search` and `POST /v1/ask`, over a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from veclab.server.bodies import AskRequest, SearchRequest, decode, read_json
from veclab.server.problems import JSON, Problem
from veclab.server.waiting import patience, while_waited_for

if TYPE_CHECKING:
    from veclab.rag.answer import Line
    from veclab.server.documents import Documents
    from veclab.server.serving import Serving

Event = tuple[str, Any]


class _Left(Exception):
    """Nobody reads the answer any more."""


async def search(request: Request) -> Response:
    """Find passages of the store."""
    serving: Serving = request.app.state.serving
    asked = decode(await read_json(request), SearchRequest)
    documents = _documents(serving)
    options = msgspec.structs.asdict(asked)
    work = asyncio.ensure_future(documents.turns.do(lambda: documents.search(**options)))
    hits = await while_waited_for(request, serving, work, _seconds(request))
    request.scope["veclab"].facts.update(hits=len(hits))
    headers = _space(serving, documents)
    answer = {"object": "list", "data": hits, "space": headers["x-veclab-space"]}
    return Response(_json(answer), 200, headers, JSON)


async def ask(request: Request) -> Response:
    """Answer a question from the store, with checked citations; claim by claim if `stream`."""
    serving: Serving = request.app.state.serving
    asked = decode(await read_json(request), AskRequest)
    documents = _documents(serving)
    options = msgspec.structs.asdict(asked)
    if not options.pop("stream"):
        work = asyncio.ensure_future(documents.turns.do(lambda: documents.ask(None, **options)))
        answer = await while_waited_for(request, serving, work, _seconds(request))
        return Response(_json(answer), 200, _space(serving, documents), JSON)
    events = _answer(documents, options)
    # Nothing is sent before the first claim or the end: what goes wrong until then has a status.
    first = await while_waited_for(
        request, serving, asyncio.ensure_future(anext(events)), _seconds(request)
    )
    return StreamingResponse(
        _server_sent(first, events),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no", **_space(serving, documents)},
    )


def _space(serving: Serving, documents: Documents) -> dict[str, str]:
    return {"x-veclab-space": serving.remember(documents.store.space)}


async def _answer(documents: Documents, options: dict[str, Any]) -> AsyncGenerator[Event, None]:
    """Yield `claim` events as claims are checked, then `answer`; or raise Problem."""
    loop = asyncio.get_running_loop()
    said: asyncio.Queue[Event | None] = asyncio.Queue()
    left = False

    def on_line(line: Line) -> None:
        if left:
            raise _Left
        claim = {
            "text": line.text,
            "status": line.verdict.status,
            "citations": list(line.numbers),
            "reasons": list(line.verdict.reasons),
        }
        loop.call_soon_threadsafe(said.put_nowait, ("claim", claim))

    work = asyncio.ensure_future(documents.turns.do(lambda: documents.ask(on_line, **options)))
    work.add_done_callback(lambda done: said.put_nowait(None))
    try:
        while (event := await said.get()) is not None:
            yield event
        yield "answer", await work
    finally:
        left = True
        work.cancel()


async def _server_sent(first: Event, events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    try:
        async with aclosing(events):
            yield _event(first)
            async for event in events:
                yield _event(event)
    except Problem as problem:  # in the middle of an answer there is no status to say it with
        yield _event(("error", problem.to_dict()["error"]))


def _event(event: Event) -> bytes:
    kind, data = event
    return b"event: " + kind.encode() + b"\ndata: " + _json(data) + b"\n\n"


def _json(value: Any) -> bytes:
    # A user's fields may hold what has no JSON: dates are written as ISO 8601, others as text.
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


def _documents(serving: Serving) -> Documents:
    serving.require_ready()
    if serving.documents is None:
        raise Problem(404, "This server has no store: start it with --store PATH.", code="no_store")
    return serving.documents


def _seconds(request: Request) -> float:
    serving: Serving = request.app.state.serving
    return patience(request.scope["veclab"], serving.settings.timeout)
