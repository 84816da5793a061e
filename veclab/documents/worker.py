"""A process of its own for parsing: what a hostile file takes or breaks is taken from it alone.

`Worker` is the parent's end. Asked with one line of JSON and the file's bytes, the child answers
with one line of JSON and the bytes of the characters' boxes. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from veclab.documents.document import Block, Extracted, Page
from veclab.documents.limits import Limits, Unreadable, human
from veclab.errors import InputError, MissingExtra
from veclab.jsontext import parse_json
from veclab.processes import import_path, python_command

_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")


class Worker:
    """Parses one file after another in a child process, which is started when it is needed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, kind: str, data: bytes, limit: int) -> Extracted:
        """What the reader of that kind makes of a file, which may unpack to `limit` bytes.

        Raises:
            Unreadable: the reader refused it, or it took too much time or memory.
            MissingExtra: the reader's library is not installed.
        """
        process = self._started()
        # The child counts its own processor time; this is for one that waits for something.
        deadline = time.monotonic() + 20 * self.limits.seconds
        seconds = self.limits.seconds
        request = json.dumps({"kind": kind, "bytes": len(data), "limit": limit, "seconds": seconds})
        try:
            _send(process, request.encode() + b"\n" + data, deadline)
            head = parse_json(_line(process, deadline))
            boxes = _exactly(process, head.get("boxes", 0), deadline)
        except TimeoutError:
            self.close()
            raise Unreadable(f"reading it took more than {20 * seconds:g} seconds") from None
        except (EOFError, BrokenPipeError, ValueError):
            code = process.wait()
            self.close()
            raise Unreadable(_ending(code, self.limits)) from None
        return _answer(head, boxes)

    def close(self) -> None:
        """End the child process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                python_command("-m", __name__, str(self.limits.memory_bytes)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
        return self._process


def _environment() -> dict[str, str]:
    """What Python needs to start, and no keys: none for a parser of strangers' files."""
    kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return kept | {"PYTHONPATH": import_path()}


def _ending(code: int, limits: Limits) -> str:
    if code == -24:  # SIGXCPU
        return f"reading it takes more than {limits.seconds:g} seconds of processor time"
    if code == _NO_MEMORY or code == -6:  # PDFium aborts when it is refused memory
        return f"reading it takes more memory than {human(limits.memory_bytes)}"
    return f"reading it ended the parser (exit status {code})"


def _send(process: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        _wait(process.stdin, selectors.EVENT_WRITE, deadline)
        view = view[os.write(process.stdin.fileno(), view[: 1 << 16]) :]  # type: ignore[union-attr]


def _line(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    size = int.from_bytes(_exactly(process, 8, deadline), "big")
    return _exactly(process, size, deadline)


def _exactly(process: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
    parts: list[bytes] = []
    while size:
        _wait(process.stdout, selectors.EVENT_READ, deadline)
        part = os.read(process.stdout.fileno(), min(size, 1 << 20))  # type: ignore[union-attr]
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _wait(stream: IO[bytes] | None, event: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, event)  # type: ignore[arg-type]
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError


def _answer(head: Mapping[str, Any], boxes: bytes) -> Extracted:
    if reason := head.get("unreadable"):
        raise Unreadable(reason)
    if extra := head.get("missing"):
        raise MissingExtra(*extra)
    return Extracted(
        head["text"],
        [Block(start, end, tuple(path), *rest) for start, end, path, *rest in head["blocks"]],
        head["title"],
        [Page(*page) for page in head["pages"]],
        head["metadata"],
        head["notes"],
        np.frombuffer(boxes, np.float32).reshape(-1, 4) if boxes else None,
    )


# The child's end.

_NO_MEMORY = 83


def _limit(name: str, value: float) -> None:
    """Set a soft limit of the operating system, where it has it and allows it."""
    try:
        import resource

        kind = getattr(resource, name)
        resource.setrlimit(kind, (math.ceil(value), resource.getrlimit(kind)[1]))
    except (ImportError, AttributeError, ValueError):
        pass


def _serve(memory: int) -> None:
    _limit("RLIMIT_AS", memory)
    _limit("RLIMIT_CORE", 0)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while line := source.readline():
        request = parse_json(line)
        _limit("RLIMIT_CPU", time.process_time() + request["seconds"])
        head, boxes = _parsed(request["kind"], source.read(request["bytes"]), request["limit"])
        answer = json.dumps(head).encode()
        target.write(len(answer).to_bytes(8, "big") + answer + boxes)
        target.flush()


def _parsed(kind: str, data: bytes, limit: int) -> tuple[dict[str, Any], bytes]:
    from veclab.documents.formats import FORMATS

    try:
        found = FORMATS[kind].read(data, limit)
    except Unreadable as error:
        return {"unreadable": str(error)}, b""
    except MissingExtra as error:
        return {"missing": [error.extra, error.needed_for]}, b""
    except InputError as error:
        return {"unreadable": str(error)}, b""
    except MemoryError:
        os._exit(_NO_MEMORY)
    except RecursionError:
        return {"unreadable": "it is nested too deep"}, b""
    except Exception as error:  # a library broke on it; the other files go on
        return {"unreadable": f"it is damaged ({type(error).__name__}: {error})"[:300]}, b""
    boxes = b"" if found.boxes is None else np.ascontiguousarray(found.boxes).tobytes()
    head = {
        "text": found.text,
        "blocks": list(found.blocks),
        "title": found.title,
        "pages": list(found.pages),
        "metadata": dict(found.metadata),
        "notes": list(found.notes),
        "boxes": len(boxes),
    }
    return head, boxes


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
