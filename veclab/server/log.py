"""The log: a JSON object a line, without texts and without keys."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import orjson

# The same fault is told so often in a minute; the rest is counted.
_OFTEN = 10


class Log:
    """Writes events to standard error, or wherever `write` puts a line."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or _to_stderr
        self._lock = threading.Lock()
        self._minute, self._told = 0, 0

    def event(self, event: str, **fields: Any) -> None:
        """Write an event; fields that are None are left out."""
        line: dict[str, Any] = {"time": round(time.time(), 3), "event": event}
        line.update((name, value) for name, value in fields.items() if value is not None)
        self._write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def fault(self, what: str, error: BaseException) -> None:
        """Write an error of ours: its kind and where it came up.

        Its message is left out, as it may hold a text; so are faults that come in numbers.
        """
        with self._lock:
            minute = int(time.monotonic() // 60)
            self._told = self._told + 1 if minute == self._minute else 1
            self._minute = minute
            if self._told > _OFTEN:
                return
        frames = traceback.extract_tb(error.__traceback__)[-6:]
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self.event("fault", what=what, error=type(error).__name__, where=where)


def _to_stderr(line: bytes) -> None:
    stream = sys.stderr
    stream.write(line.decode("utf-8", "replace"))
    stream.flush()
