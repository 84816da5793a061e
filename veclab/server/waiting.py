"""Waiting for work on behalf of a client, as long as the client waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from veclab.server.problems import Problem

if TYPE_CHECKING:
    from veclab.server.gate import Call
    from veclab.server.serving import Serving

T = TypeVar("T")
# What a client is never told: it has left.
LEFT = 499


def patience(call: Call, most: float) -> float:
    """Return how many seconds the client waits, as OpenAI's says, within our own limit."""
    try:
        seconds = float(call.headers.get("x-stainless-read-timeout", ""))
    except ValueError:
        return most
    return min(seconds, most) if seconds > 0 else most


async def while_waited_for(
    request: Request, serving: Serving, work: asyncio.Future[T], seconds: float
) -> T:
    """Return the result of some work; cancel it when the client leaves or the time is over.

    Raises:
        Problem: the client has left (499, which nobody reads), the time is over (504), or the
            server ends (503).
        And what the work raises.
    """
    loop = asyncio.get_running_loop()
    why = "end"

    def give_up(reason: str) -> None:
        nonlocal why
        if not work.done():
            why = reason
            work.cancel()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        give_up("left")

    watching = loop.create_task(watch())
    timer = loop.call_later(seconds, give_up, "deadline")
    try:
        return await work
    except asyncio.CancelledError:
        pass
    finally:
        watching.cancel()
        timer.cancel()
        work.cancel()
    serving.metrics.cancelled.labels(why).inc()
    if why == "left":
        raise Problem(LEFT, "The client has left.")
    if why == "end":  # the time that requests in flight are given is over
        raise Problem(503, "This server is shutting down.", code="shutting_down")
    raise Problem(
        504,
        f"The request was not done within {seconds:g} seconds.",
        code="timeout",
        kind="timeout_error",
    )
