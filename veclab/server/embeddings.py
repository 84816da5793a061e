"""`POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from veclab.provider import truncated_length
from veclab.server.bodies import EmbeddingRequest, decode, read_json, texts_of
from veclab.server.jobs import Job
from veclab.server.problems import JSON, Problem
from veclab.server.waiting import patience, while_waited_for
from veclab.unit_length import normalize

if TYPE_CHECKING:
    from veclab.server.gate import Call
    from veclab.server.serving import ServedModel, Serving

# Numbers in an answer above which it is written in another thread.
_MANY = 100_000
# Places of truncated texts that are named in a header.
_NAMED = 100


async def embeddings(request: Request) -> Response:
    """Embed texts, as OpenAI's endpoint does; the Space of the vectors is in `x-veclab-space`."""
    serving: Serving = request.app.state.serving
    call: Call = request.scope["veclab"]
    asked = decode(await read_json(request), EmbeddingRequest)
    served = serving.find(asked.model)
    size = served.dimensions(asked.dimensions)
    texts = texts_of(asked.input, serving.settings.token_ids)
    call.facts.update(model=served.name, texts=len(texts))
    if asked.user:
        call.flow = asked.user[:200]
    seconds = patience(call, serving.settings.timeout)
    job = Job(
        texts,
        role=asked.input_type,
        client=call.client,
        flow=call.flow,
        deadline=time.monotonic() + seconds,
    )
    await _compute(request, serving, served, job, seconds)
    vectors = job.vectors()
    if size != vectors.shape[1]:
        vectors = normalize(np.ascontiguousarray(vectors[:, :size]))
    limit = None if serving.settings.on_long == "split" else served.model.max_tokens
    tokens = sum(truncated_length(n, limit) for n in job.tokens().tolist())
    served.metrics.answered(len(texts), tokens, job.waited)
    call.facts.update(tokens=tokens, cached=job.cached)
    headers = {"x-veclab-space": serving.space_of(served, size)}
    if cut := job.truncated():
        headers["x-veclab-truncated"] = ",".join(map(str, cut[:_NAMED]))
        headers["x-veclab-truncated-count"] = str(len(cut))
    floats = asked.encoding_format != "base64"
    if vectors.size > _MANY:
        body = await asyncio.to_thread(write_answer, served.name, vectors, tokens, floats)
    else:
        body = write_answer(served.name, vectors, tokens, floats)
    return Response(body, 200, headers, JSON)


async def _compute(
    request: Request, serving: Serving, served: ServedModel, job: Job, seconds: float
) -> None:
    """Wait for a job; give it up when the client leaves or its time is over.

    Raises:
        Problem: the queue is full, a text cannot be embedded, or the time is over.
    """
    loop = asyncio.get_running_loop()
    work: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not work.done():
            work.set_result(None)

    def done(job: Job) -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(settle)

    job.on_done = done
    try:
        served.batcher.submit(job, _tries(request.scope["veclab"]))
    except Problem:
        serving.metrics.rejected.inc()
        raise
    try:
        await while_waited_for(request, serving, work, seconds)
    finally:
        served.batcher.leave(job)
    if job.error is not None:
        raise job.error


def write_answer(model: str, vectors: NDArray[np.float32], tokens: int, floats: bool) -> bytes:
    """Return OpenAI's JSON for vectors: float32 (n, dim)."""
    rows: list[Any] = (
        list(vectors)
        if floats
        else [base64.b64encode(row.astype("<f4").tobytes()).decode("ascii") for row in vectors]
    )
    return orjson.dumps(
        {
            "object": "list",
            "data": [
                {"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)
            ],
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _tries(call: Call) -> int:
    """Return how often OpenAI's client has sent this request before, as it says."""
    given = call.headers.get("x-stainless-retry-count", "")
    return int(given) if given.isdigit() and len(given) < 3 else 0
