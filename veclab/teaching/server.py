"""A small server with the interface of OpenAI's embeddings, on this machine, to practice on.

It takes what `POST /v1/embeddings` takes and answers as OpenAI does, errors included, with the
vectors of a local model. It is for one reader and a handful of texts; it listens on the loopback
address alone, and remembers what it was asked.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from veclab.errors import InputError
from veclab.jsontext import parse_json
from veclab.model import Model

# OpenAI's own limits on one request.
MOST_INPUTS, MOST_BYTES = 2048, 32 * 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: how many texts it held, their tokens, and the HTTP status of the answer."""

    texts: int
    tokens: int
    status: int


class _Refused(Exception):
    """What the client did wrong, as OpenAI says it."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class TeachingServer:
    """Serves one model under OpenAI's interface, on loopback, until it is closed.

        with TeachingServer(model) as server:
            client = openai.OpenAI(base_url=server.url, api_key=server.key)

    Attributes:
        model: what computes.
        name: of the model, as clients ask for it.
        key: what clients must show. It opens this server and nothing else.
        url: the base URL, for instance http://127.0.0.1:40123/v1.
        asked: every request so far.
    """

    def __init__(
        self,
        model: Model,
        *,
        name: str = "teaching-embedding",
        key: str = "sk-teaching",
        port: int = 0,
    ) -> None:
        self.model, self.name, self.key = model, name, key
        self.asked: list[Asked] = []
        # A model's engine takes one call at a time here: this is no server for a crowd.
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"teaching": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __repr__(self) -> str:
        return f"<TeachingServer {self.name} at {self.url}, {len(self.asked)} requests>"

    def answer(self, body: Any) -> dict[str, Any]:
        """The answer to one request, as OpenAI's JSON."""
        texts, dimensions, as_floats = self._checked(body)
        with self._lock:
            vectors = self.model.embed(texts)
            tokens = sum(self.model.count_tokens(texts))
        if dimensions is not None:
            vectors = vectors.truncate(dimensions)
        self.asked.append(Asked(len(texts), tokens, 200))
        return {
            "object": "list",
            "model": self.name,
            "data": [
                {
                    "object": "embedding",
                    "index": i,
                    "embedding": row.tolist()
                    if as_floats
                    else base64.b64encode(row.astype("<f4").tobytes()).decode("ascii"),
                }
                for i, row in enumerate(vectors.array)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def _checked(self, body: Any) -> tuple[list[str], int | None, bool]:
        if not isinstance(body, dict):
            raise _Refused(400, "We could not parse the JSON body of your request.")
        if body.get("model") != self.name:
            name = body.get("model")
            raise _Refused(404, f"The model {name!r} does not exist; there is {self.name!r}.")
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
            raise _Refused(400, "'input' must be a string or an array of strings, not empty.")
        if len(texts) > MOST_INPUTS:
            raise _Refused(400, f"'input' holds {len(texts)} texts; {MOST_INPUTS} are allowed.")
        if not all(text.strip() for text in texts):
            raise _Refused(400, "'input' cannot hold an empty string.")
        dimensions = body.get("dimensions")
        whole = self.model.space.dimensions
        if dimensions is not None and not (isinstance(dimensions, int) and 0 < dimensions <= whole):
            raise _Refused(400, f"'dimensions' must be between 1 and {whole}.")
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise _Refused(400, "'encoding_format' is float or base64.")
        return texts, dimensions, encoding == "float"


class _Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for a TeachingServer."""

    teaching: TeachingServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: headers sent ahead would wait for an acknowledgment

    def do_GET(self) -> None:
        """`/v1/models`, as OpenAI lists them."""
        if self.path.rstrip("/") != "/v1/models":
            self._send(404, _error("Unknown request URL.", "invalid_request_error"))
            return
        model = {"id": self.teaching.name, "object": "model", "owned_by": "veclab"}
        self._send(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        """`/v1/embeddings`."""
        try:
            length = int(self.headers.get("content-length") or 0)
            if length > MOST_BYTES:
                self.close_connection = True
                raise _Refused(413, "The request is too large.")
            raw = self.rfile.read(length)  # also of a request that is refused: the next follows it
            if self.path.rstrip("/") != "/v1/embeddings":
                raise _Refused(404, "Unknown request URL.")
            if self.headers.get("authorization") != f"Bearer {self.teaching.key}":
                raise _Refused(401, "Incorrect API key provided.")
            try:
                body = parse_json(raw)
            except ValueError:
                body = None
            self._send(200, self.teaching.answer(body))
        except _Refused as refused:
            self._refuse(refused.status, str(refused), refused.kind)
        except InputError as error:
            self._refuse(400, str(error), "invalid_request_error")
        except Exception as error:  # a server answers, whatever happens inside
            self._refuse(500, f"{type(error).__name__}: {error}", "server_error")

    def _refuse(self, status: int, message: str, kind: str) -> None:
        self.teaching.asked.append(Asked(0, 0, status))
        self._send(status, _error(message, kind))

    def _send(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the reader's notebook is no log file."""


def _error(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
