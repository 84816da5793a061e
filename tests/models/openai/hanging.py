"""Requests that time out when the server leaves them without an answer, not after some seconds."""

import asyncio
import sys
from types import SimpleNamespace

from veclab.models.openai import requests


def let_hanging_time_out(server, monkeypatch):
    """Make the time of a request end when the server lets it hang, and never before.

    So what hangs is found at once, and what is answered late, on a busy machine, is no time-out.
    """
    flying = {}

    def timeout(seconds):
        assert seconds > 0
        timer = asyncio.timeout(None)
        flying[tuple(sys._getframe(1).f_locals["texts"])] = asyncio.get_running_loop(), timer
        return timer

    def time_out(asked):
        texts = asked.body["input"] if "input" in asked.body else asked.body["texts"]
        loop, timer = flying[tuple(texts)]
        loop.call_soon_threadsafe(lambda: timer.reschedule(loop.time()))

    monkeypatch.setattr(
        requests, "asyncio", SimpleNamespace(**vars(asyncio) | {"timeout": timeout})
    )
    server.on_hang = time_out
