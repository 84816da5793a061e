"""A stand-in for a Qdrant server: its REST interface on loopback, over the client's local mode.

It answers what reading asks (collections, count, scroll), in the shape of the client's own models.
A real server was not to be had: no package registry carries one.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.loopback import LoopbackServer


class QdrantServer(LoopbackServer):
    """Serves what is in `client`; `key` is the API key that it wants, if any."""

    def __init__(self, client: Any, key: str | None = None) -> None:
        self.client, self.key, self.port = client, key, 0
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"qdrant://127.0.0.1:{self.port}"

    def app(self) -> Starlette:
        one = "/collections/{name}"
        return Starlette(
            routes=[
                Route("/", self._root),
                Route("/collections", self._collections),
                Route(one, self._collection),
                Route(f"{one}/points/count", self._count, methods=["POST"]),
                Route(f"{one}/points/scroll", self._scroll, methods=["POST"]),
            ]
        )

    def _answer(self, request: Request, result: Any) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.key is not None and request.headers.get("api-key") != self.key:
            return JSONResponse({"status": {"error": "Must provide an API key"}}, 401)
        return JSONResponse({"result": result, "status": "ok", "time": 0.0})

    async def _root(self, request: Request) -> Response:
        return JSONResponse({"title": "qdrant", "version": version("qdrant-client")})

    async def _collections(self, request: Request) -> Response:
        return self._answer(request, self.client.get_collections().model_dump(mode="json"))

    async def _collection(self, request: Request) -> Response:
        found = self.client.get_collection(request.path_params["name"])
        return self._answer(request, found.model_dump(mode="json"))

    async def _count(self, request: Request) -> Response:
        found = self.client.count(request.path_params["name"])
        return self._answer(request, found.model_dump(mode="json"))

    async def _scroll(self, request: Request) -> Response:
        asked = await request.json()
        points, offset = await run_in_threadpool(
            self.client.scroll,
            request.path_params["name"],
            limit=asked["limit"],
            offset=asked.get("offset"),
            with_payload=asked["with_payload"],
            with_vectors=asked.get("with_vector", False),
        )
        rows = [point.model_dump(mode="json") for point in points]
        return self._answer(request, {"points": rows, "next_page_offset": offset})
