"""An event loop in a thread of its own, which ends with its owner."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import finalize

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")


class EventLoop:
    """Runs coroutines from other threads; `owner` may be dropped without a word.

    The thread, the loop's files and its connections go with the owner: one for every model that
    was ever loaded would end at the limit of open files.

    Attributes:
        clients: opened in the loop; they are closed at its end.
    """

    def __init__(self, owner: object) -> None:
        self.clients: list[AsyncOpenAI] = []
        self._loop = asyncio.new_event_loop()
        arguments = (self._loop, self.clients)
        threading.Thread(target=_run, args=arguments, name="veclab-openai", daemon=True).start()
        self._end = finalize(owner, self._loop.call_soon_threadsafe, self._loop.stop)
        self._end.atexit = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in the loop, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Any) -> None:
        """Call it in the loop, and do not wait."""
        self._loop.call_soon_threadsafe(function)

    def abandon(self) -> None:
        """Let go, in a forked child, of what belongs to the parent."""
        self._end.detach()


def _run(loop: asyncio.AbstractEventLoop, clients: list[AsyncOpenAI]) -> None:
    try:
        loop.run_forever()
        for client in clients:
            loop.run_until_complete(client.close())
    finally:
        loop.close()
