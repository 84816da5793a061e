"""Cohere's `POST /v2/embed` on loopback, held to the published specification (embed.json).

Messages of errors are those of Cohere's own page of errors.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.loopback import LoopbackServer
from tests.openai_server import hash_vectors

SPECIFICATION = json.loads(Path(__file__).with_name("embed.json").read_text(encoding="utf-8"))
KEY = "co-test-4242424242424242424242424242"
SIZES = {"embed-v4.0": (1536, 256, 512, 1024), "embed-english-light-v3.0": (384,)}
CONTEXT = 40  # words of a text


class CohereServer(LoopbackServer):
    """Attributes:
    bodies: of all requests, in order.
    headers: of the last one.
    faults: what becomes of the next requests: (status, message, headers), or a word.
    on_hang: called with a request that is left without an answer.
    """

    def __init__(self):
        self.port = 0
        self.bodies: list[dict] = []
        self.headers: dict[str, str] = {}
        self.faults: list[tuple[int, str, dict] | str] = []
        self.on_hang = lambda asked: None
        self.warnings: list[str] = []

    @property
    def url(self):
        return super().url.removesuffix("/v1")

    def app(self):
        return Starlette(routes=[Route("/v2/embed", self.embed, methods=["POST"])])

    async def embed(self, request: Request) -> Response:
        self.headers = dict(request.headers)
        body = json.loads(await request.body())
        self.bodies.append(body)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "hang":
            self.on_hang(SimpleNamespace(body=body))
            await asyncio.sleep(3600)
        if isinstance(fault, tuple):
            return self.error(*fault)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return self.error(401, "invalid api token")
        try:
            jsonschema.validate(body, SPECIFICATION["request"])
        except jsonschema.ValidationError as error:
            return self.error(400, f"invalid request: {error.message}"[:200])
        if body["model"] not in SIZES:
            return self.error(404, f"model '{body['model']}' not found")
        known = SIZES[body["model"]]
        size = body.get("output_dimension", known[0])
        if size not in known or ("output_dimension" in body and len(known) == 1):
            return self.error(400, "invalid request: output_dimension is not supported")
        texts = body["texts"]
        if "" in texts:
            where = texts.index("")
            return self.error(
                400, f"invalid request: inputs contains an element that is the empty string at "
                f"index {where}",
            )  # fmt: skip
        longest = max(len(text.split()) for text in texts)
        if longest > CONTEXT and body.get("truncate") == "NONE":
            return self.error(
                400,
                f"too many tokens: total number of tokens cannot exceed {CONTEXT} - received "
                f"{longest}",
            )
        if any("forbidden" in text for text in texts):
            return self.error(498, "text contains a deny-listed token")
        rows = hash_vectors([f"{body['input_type']}|{text}" for text in texts], size)
        return self.answer(texts, rows, fault)

    def answer(self, texts, rows, fault):
        rows = rows.astype(np.float64).tolist()
        if fault == "drop":
            rows.pop()
        if fault == "zero":
            rows[0] = [0.0] * len(rows[0])
        meta = {
            "api_version": {"version": "2"},
            "billed_units": {"input_tokens": sum(len(text.split()) for text in texts)},
        }
        if self.warnings:
            meta["warnings"] = self.warnings
        made = {
            "id": str(uuid.uuid4()),
            "texts": texts,
            "embeddings": {"float": rows},
            "meta": meta,
            "response_type": "embeddings_by_type",
        }
        shown = {**made, "embeddings": {"float": [row[:3] for row in rows]}}  # all takes seconds
        jsonschema.validate(shown, SPECIFICATION["response"])
        if fault == "half":
            return Response(json.dumps(made)[:-20], media_type="application/json")
        if fault == "html":
            return Response("<!doctype html><p>proxy", media_type="text/html")
        return JSONResponse(made)

    def error(self, status, message, headers=None):
        made = {"id": str(uuid.uuid4()), "message": message}
        jsonschema.validate(made, SPECIFICATION["error"])
        return JSONResponse(made, status, headers)
