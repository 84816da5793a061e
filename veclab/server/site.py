"""The pages that a browser gets, and the description that they are made from."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from veclab.server.problems import json_response
from veclab.server.schema import describe

if TYPE_CHECKING:
    from veclab.server.serving import Serving

_WEB = Path(__file__).parent / "web"
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
# Nothing from elsewhere, nothing inline, in no other page's frame.
_POLICY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}


async def page(request: Request) -> Response:
    """Give the page to try similarity, search and answers."""
    name, kind = _FILES[request.url.path]
    return Response((_WEB / name).read_bytes(), media_type=kind, headers=_POLICY)


async def openapi(request: Request) -> Response:
    """Give the OpenAPI description."""
    return json_response(describe(request.app.state.serving))


async def reference(request: Request) -> Response:
    """Give the same as a page."""
    serving: Serving = request.app.state.serving
    body = "".join(_reference(describe(serving)))
    return Response(body, media_type="text/html", headers=_POLICY)


def _reference(described: dict[str, Any]) -> Iterator[str]:
    escape = html.escape
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<title>veclab: reference</title>"
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" '
        'href="/page.css"></head><body><main><h1>What this server answers</h1>'
        '<p class="quiet">For programs: <a href="/openapi.json">/openapi.json</a></p>'
    )
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            key = "" if "security" not in told else " It needs a key."
            yield f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(told['summary'])}{key}</p>"
            if "requestBody" in told:
                yield "<h3>Request</h3>"
                yield _schema(told["requestBody"], described)
            yield "<h3>Answer</h3>"
            yield _schema(told["responses"]["200"], described)
            others = ", ".join(code for code in told["responses"] if code != "200")
            yield f"<p class=quiet>Problems: {others or 'none'}</p></section>"
    yield "</main></body></html>"


def _schema(holder: dict[str, Any], described: dict[str, Any]) -> str:
    kind, content = next(iter(holder["content"].items()))
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    shown = described["components"]["schemas"].get(name, content["schema"])
    return f"<pre>{html.escape(kind)}\n{html.escape(json.dumps(shown, indent=2))}</pre>"
