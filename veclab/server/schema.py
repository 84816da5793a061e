"""The OpenAPI description of the server, from the types that it decodes requests with."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from veclab.server.bodies import AskRequest, EmbeddingRequest, RerankRequest, SearchRequest
from veclab.server.serving import Serving

_REF = "#/components/schemas/{name}"

_EVENT = {
    "description": "An event; its data is JSON.",
    "type": "object",
    "properties": {
        "event": {"enum": ["claim", "answer", "error"]},
        "data": {"type": "string"},
    },
    "required": ["event", "data"],
}


class Fault(Struct):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(Struct):
    """Every answer with a status of 400 or more."""

    error: Fault


class Embedding(Struct):
    """One vector: numbers, or their float32 bytes (little-endian) in base64."""

    object: Literal["embedding"]
    index: Annotated[int, Meta(ge=0)]
    embedding: list[float] | str


class Usage(Struct):
    """Tokens, as the model's own tokenizer counts them."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingAnswer(Struct):
    """Vectors in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class ModelAnswer(Struct):
    """A model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    dimensions: int
    max_tokens: int | None
    space: str


class ModelList(Struct):
    """The models that are served."""

    object: Literal["list"]
    data: list[ModelAnswer]


class Ranked(Struct):
    """A document's place among those given, and how well it answers the query, 0 to 1."""

    index: int
    relevance_score: float


class RerankAnswer(Struct):
    """Documents, best first."""

    id: str
    results: list[Ranked]
    meta: dict[str, Any]


class SearchAnswer(Struct):
    """Passages, best first, and the id of the Space of their vectors."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    space: str


class Status(Struct):
    """In which phase of its life the server is."""

    status: Literal["ok", "ready", "loading", "draining"]


# Path, method, what it is, request, answer, statuses of problems, whether it needs no key.
TABLE: tuple[tuple[str, str, str, type | None, Any, tuple[int, ...], bool], ...] = (
    (
        "/v1/embeddings",
        "post",
        "Embed texts. The header x-veclab-space names the Space of the vectors.",
        EmbeddingRequest,
        EmbeddingAnswer,
        (400, 404, 408, 413, 415, 429, 502, 503, 504),
        False,
    ),
    ("/v1/about", "get", "What this server has.", None, dict[str, Any], (503,), False),
    ("/v1/models", "get", "List the models.", None, ModelList, (503,), False),
    ("/v1/models/{model}", "get", "Describe a model.", None, ModelAnswer, (404, 503), False),
    (
        "/v1/spaces/{space}",
        "get",
        "The whole Space of an id that an answer carried.",
        None,
        dict[str, Any],
        (404, 503),
        False,
    ),
    (
        "/v1/rerank",
        "post",
        "Order documents by a query, in Cohere's form.",
        RerankRequest,
        RerankAnswer,
        (400, 404, 408, 413, 415, 429, 503, 504),
        False,
    ),
    (
        "/v1/search",
        "post",
        "Find passages of the store.",
        SearchRequest,
        SearchAnswer,
        (400, 404, 408, 413, 415, 429, 502, 503, 504),
        False,
    ),
    (
        "/v1/ask",
        "post",
        "Answer a question from the store with checked citations; with stream, as server-sent "
        "events: claim, then answer, or error.",
        AskRequest,
        dict[str, Any],
        (400, 404, 408, 413, 415, 429, 502, 503, 504),
        False,
    ),
    ("/health", "get", "Whether the process lives.", None, Status, (), True),
    ("/ready", "get", "Whether requests may come.", None, Status, (503,), True),
    ("/metrics", "get", "Figures for Prometheus.", None, None, (), False),
)


def describe(serving: Serving) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of this server, with the names of its own models."""
    types = [kind for row in TABLE for kind in row[3:5] if isinstance(kind, type)]
    structs = [kind for kind in [*types, ErrorAnswer] if issubclass(kind, Struct)]
    _, components = msgspec.json.schema_components(structs, ref_template=_REF)
    _name_models(components, serving)
    paths: dict[str, Any] = {}
    for path, method, said, body, answer, statuses, free in TABLE:
        told = _operation(path, said, body, answer, statuses, free or serving.settings.keys is None)
        paths.setdefault(path, {})[method] = told
    second = copy.deepcopy(paths["/v1/rerank"])
    second["post"]["operationId"] += "_v2"
    paths["/v2/rerank"] = second
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "veclab",
            "version": version("veclab"),
            "description": "Embeddings under OpenAI's interface, by veclab serve.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    path: str,
    said: str,
    body: type | None,
    answer: Any,
    statuses: tuple[int, ...],
    free: bool,
) -> dict[str, Any]:
    if not free:
        statuses = (401, *statuses)
    told: dict[str, Any] = {
        "operationId": path.strip("/").replace("/", "_").replace("{", "").replace("}", ""),
        "summary": said,
        "responses": {"200": _answer(path, answer)}
        | {str(status): _error(path) for status in statuses},
    }
    if not free:
        told["security"] = [{"key": []}]
    if body is not None:
        schema = {"$ref": _REF.format(name=body.__name__)}
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if "{" in path:
        name = path.partition("{")[2].rstrip("}")
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    return told


def _answer(path: str, answer: Any) -> dict[str, Any]:
    if answer is None:
        return {
            "description": "Figures.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    is_struct = isinstance(answer, type) and issubclass(answer, Struct)
    schema = {"$ref": _REF.format(name=answer.__name__)} if is_struct else {"type": "object"}
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if path == "/v1/ask":
        content["text/event-stream"] = {"schema": _EVENT}
    return {"description": "Done.", "content": content}


def _error(path: str) -> dict[str, Any]:
    name = "Status" if path == "/ready" else "ErrorAnswer"
    schema = {"$ref": _REF.format(name=name)}
    return {"description": "A problem.", "content": {"application/json": {"schema": schema}}}


def _name_models(components: Mapping[str, Any], serving: Serving) -> None:
    """Say which names there are, in the place of any string."""
    names = {
        "EmbeddingRequest": list(serving.models),
        "RerankRequest": list(serving.rerankers),
    }
    for kind, known in names.items():
        if known:
            components[kind]["properties"]["model"] = {"enum": known}
