"""What clients send: the fields of each request, decoded strictly."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request

from veclab.server.problems import JSON, Problem

MOST_TEXTS = 2048
# Characters of one text. No model here reads a tenth of it, and counting its tokens takes long.
MOST_CHARS = 200_000

T = TypeVar("T")
Text = Annotated[str, Meta(min_length=1, max_length=MOST_CHARS)]


_IDS = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
_INPUT = {
    "description": "One text, several, token ids, or several lists of token ids.",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": MOST_CHARS},
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_TEXTS,
            "items": {"type": "string", "minLength": 1, "maxLength": MOST_CHARS},
        },
        _IDS,
        {"type": "array", "minItems": 1, "maxItems": MOST_TEXTS, "items": _IDS},
    ],
}


class EmbeddingRequest(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/embeddings`, as OpenAI's, and `input_type`, which is ours."""

    input: Annotated[Any, Meta(extra_json_schema=_INPUT)]
    model: str
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None
    input_type: Literal["query", "document"] | None = None


class RerankRequest(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/rerank` and `/v2/rerank`, as Cohere's."""

    query: Text
    documents: Annotated[list[str | dict[str, Any]], Meta(min_length=1, max_length=1000)]
    model: str | None = None
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Annotated[int, Meta(ge=1)] | None = None


class SearchRequest(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/search`."""

    query: Text
    top: Annotated[int, Meta(ge=1, le=1000)] = 10
    mode: Literal["hybrid", "vector", "keyword"] = "hybrid"
    where: str | None = None
    min_score: float | None = None


class AskRequest(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/ask`."""

    question: Text
    top: Annotated[int, Meta(ge=1, le=100)] = 8
    mode: Literal["hybrid", "vector", "keyword"] = "hybrid"
    where: str | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    stream: bool = False


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}
_PATH = re.compile(r"\$\.(\w+)")
_FIELD = re.compile(r"field `([^`]*)`")


def decode(body: bytes, kind: type[T]) -> T:
    """Decode a request.

    Raises:
        Problem: it is not JSON, or a field is missing, unknown or of another kind.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        decoded: T = decoder.decode(body)
    except msgspec.ValidationError as error:
        said = str(error)
        found = _PATH.search(said) or _FIELD.search(said)
        raise Problem(400, f"{said}.", param=found[1] if found else None) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        said = "it is not valid UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise Problem(400, f"The body of the request cannot be read as JSON: {said}.") from None
    except RecursionError:
        raise Problem(400, "The body of the request is nested too deeply.") from None
    return decoded


async def read_json(request: Request) -> bytes:
    """Return the body of a request that says it is JSON.

    A web page of others can send anything else without asking the browser's leave.

    Raises:
        Problem: it says something else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Problem(
            415, "Send the request as JSON, with the header 'Content-Type: application/json'."
        )
    return await request.body()


def texts_of(given: Any, vocabulary: str | None) -> list[str]:
    """Return the texts of an `input`: a string, strings, token ids or lists of token ids.

    Args:
        given: as decoded.
        vocabulary: of token ids; None where none was told.

    Raises:
        Problem: it is none of these, or holds nothing, too much or an empty text.
    """
    if isinstance(given, str):
        return [_checked(given, 0)]
    if not isinstance(given, list):
        raise _bad("must be a string, an array of strings, or an array of token ids")
    if not given:
        raise _bad("is an empty array: there is nothing to embed")
    if all(type(one) is str for one in given):
        if len(given) > MOST_TEXTS:
            raise _too_many(len(given))
        return [_checked(text, i) for i, text in enumerate(given)]
    lists = [given] if not isinstance(given[0], list) else given
    if len(lists) > MOST_TEXTS:
        raise _too_many(len(lists))
    from veclab.server.token_ids import decode_all

    return [_checked(text, i) for i, text in enumerate(decode_all(lists, vocabulary))]


def _checked(text: str, i: int) -> str:
    if not text or text.isspace():
        raise _bad(f"cannot hold an empty text: the one at index {i} is")
    if len(text) > MOST_CHARS:
        raise Problem(
            400,
            f"'input': the text at index {i} has {len(text):,} characters; this server takes at "
            f"most {MOST_CHARS:,}. Cut it into passages.",
            param="input",
            code="context_length_exceeded",
        )
    return text


def _too_many(n: int) -> Problem:
    return _bad(f"holds {n:,} texts; at most {MOST_TEXTS:,} are taken in a request")


def _bad(said: str) -> Problem:
    return Problem(400, f"'input' {said}.", param="input")
