"""The application: which path leads where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from veclab.server.embeddings import embeddings
from veclab.server.gate import Gate
from veclab.server.problems import JSON, Problem, internal, json_response
from veclab.server.rerank import rerank
from veclab.server.searching import ask, search
from veclab.server.serving import ServedModel, Serving
from veclab.server.site import openapi, page, reference

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(serving: Serving) -> ASGIApp:
    """Return the ASGI application."""
    routes = [
        Route(path, _named(path, endpoint), methods=[method])
        for path, method, endpoint in (
            ("/v1/embeddings", "POST", embeddings),  # the first is found first
            ("/health", "GET", health),
            ("/ready", "GET", ready),
            ("/metrics", "GET", metrics),
            ("/v1/models", "GET", list_models),
            ("/v1/models/{model:path}", "GET", one_model),
            ("/v1/spaces/{space}", "GET", space),
            ("/v1/about", "GET", about),
            ("/v1/rerank", "POST", rerank),
            ("/v2/rerank", "POST", rerank),
            ("/v1/search", "POST", search),
            ("/v1/ask", "POST", ask),
            ("/openapi.json", "GET", openapi),
            ("/docs", "GET", reference),
            ("/", "GET", page),
            ("/page.css", "GET", page),
            ("/page.js", "GET", page),
        )
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={Problem: _problem, HTTPException: _http, Exception: _fault},
    )
    app.router.redirect_slashes = False
    app.state.serving = serving
    return Gate(app, serving)


def _named(path: str, endpoint: Endpoint) -> Endpoint:
    """Let the gate know by which pattern a request was found."""

    async def named(request: Request) -> Response:
        request.scope["veclab"].route = path
        return await endpoint(request)

    return named


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        said = f"{request.method} is not allowed here."
    else:
        said = "There is nothing at this address; /docs says what there is."
    return Problem(error.status_code, said, headers=error.headers).response()


async def _fault(request: Request, error: Exception) -> Response:
    return internal().response()


async def health(request: Request) -> Response:
    """Say that the process lives."""
    return json_response({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say whether requests may come: not while loading, nor at the end."""
    serving: Serving = request.app.state.serving
    if serving.phase == "ready":
        return json_response({"status": "ready"})
    return Response(orjson.dumps({"status": serving.phase}), 503, {"retry-after": "1"}, JSON)


async def metrics(request: Request) -> Response:
    """Give the figures for Prometheus."""
    serving: Serving = request.app.state.serving
    return Response(serving.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def about(request: Request) -> Response:
    """Say what this server is and has."""
    serving: Serving = request.app.state.serving
    serving.require_ready()
    return json_response(
        {
            "version": version("veclab"),
            "models": list(serving.models),
            "rerankers": list(serving.rerankers),
            "store": serving.documents is not None,
        }
    )


async def list_models(request: Request) -> Response:
    """List the models, as OpenAI does."""
    serving: Serving = request.app.state.serving
    serving.require_ready()
    data = [_describe(serving, served) for served in serving.models.values()]
    return json_response({"object": "list", "data": data})


async def one_model(request: Request) -> Response:
    """Describe one model."""
    serving: Serving = request.app.state.serving
    return json_response(_describe(serving, serving.find(request.path_params["model"])))


async def space(request: Request) -> Response:
    """Give the whole Space of an id that an answer carried."""
    serving: Serving = request.app.state.serving
    serving.require_ready()
    found = serving.spaces.get(request.path_params["space"])
    if found is None:
        raise Problem(404, "No vector of this server has that Space.", code="space_not_found")
    return json_response({"id": found.id, **found.to_dict()})


def _describe(serving: Serving, served: ServedModel) -> dict[str, object]:
    return {
        "id": served.name,
        "object": "model",
        "created": serving.started,
        "owned_by": "veclab",
        "dimensions": served.model.space.dimensions,
        "max_tokens": served.model.max_tokens,
        "space": served.model.space.id,
    }
