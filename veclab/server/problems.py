"""What went wrong with a request, in the form that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"


class Problem(Exception):
    """An error that is told to the client: a status and OpenAI's error object.

    Attributes:
        status: of HTTP.
        message: in words, for people.
        kind: the error object's `type`.
        param: the field of the request at fault; None where there is none.
        code: for programs; None where the type says it all.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the error object, all four fields of it."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        """Return the answer that tells it."""
        # A message may quote what the client sent; what has no UTF-8 is shown as an escape.
        shown = self.to_dict()
        shown["error"]["message"] = self.message.encode("utf-8", "backslashreplace").decode()
        return Response(orjson.dumps(shown), self.status, self.headers, JSON)


def json_response(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    return Response(orjson.dumps(value), 200, headers, JSON)


def unknown_model(name: str, known: list[str]) -> Problem:
    """Return the problem of a model that is not served here."""
    shown = name if len(name) <= 100 else name[:99] + "…"
    return Problem(
        404,
        f"The model {shown!r} does not exist here; this server has {', '.join(known) or 'none'}.",
        param="model",
        code="model_not_found",
    )


def internal() -> Problem:
    """Return what a client is told of a fault of ours: nothing but that there was one."""
    return Problem(500, "The server had an error while processing your request.")
