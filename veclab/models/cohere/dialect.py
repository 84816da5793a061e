"""Cohere's `POST /v2/embed`.

Requests, answers and errors are as published: cohere-openapi.yaml and fern/pages/cohere-api/
errors.mdx of github.com/cohere-ai/cohere-developer-experience, commit e814c8a. Waiting is as in
Cohere's own client (cohere 7.3, core/http_client.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.jsontext import parse_json
from veclab.models.openai.client import said_in
from veclab.models.openai.dialect import Dialect
from veclab.models.openai.endpoint import Access
from veclab.models.openai.failures import Trouble
from veclab.models.openai.rate_limit import LONGEST_WAIT, retry_after
from veclab.models.openai.refusals import TooMuch
from veclab.models.openai.responses import Fault, check_answer, read_answer
from veclab.provider import Refused

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

# Said with 429 where waiting does not help: the month is used up.
_USED_UP = "/ month"
# 498: a text holds a token that Cohere does not take.
_OF_THE_TEXTS = (400, 413, 422, 498)


class CohereDialect(Dialect):
    """What differs from OpenAI's.

    Attributes:
        warnings: what Cohere wrote into its answers for people to read.
    """

    def __init__(self) -> None:
        self.warnings: dict[str, None] = {}

    async def send(self, client: AsyncOpenAI, texts: Sequence[str], body: Mapping[str, Any]) -> Any:
        """Send one request by the client's own means for other paths; the answer comes unread."""
        raw: Any = {"headers": {"X-Stainless-Raw-Response": "true"}}
        return await client.post(
            "/v2/embed", cast_to=object, body={**body, "texts": list(texts)}, options=raw
        )

    def read(
        self, body: bytes, n: int, dim: int | None, content_type: str
    ) -> tuple[NDArray[np.float32], int | None]:
        """Read `embeddings.float` and the tokens that were billed."""
        try:
            answer = parse_json(body)
        except ValueError:
            return read_answer(body, n, dim, content_type)  # says what else it is
        meta = _part(answer, "meta")
        warnings = meta.get("warnings")
        for said in warnings if isinstance(warnings, list) else ():
            self.warnings[str(said)[:300]] = None
        billed = _part(meta, "billed_units").get("input_tokens")
        tokens = int(billed) if isinstance(billed, (int, float)) and 0 <= billed < 1e12 else None
        rows = _part(answer, "embeddings").get("float")
        if not isinstance(rows, list):
            raise Fault(f"the answer has no list `embeddings.float`: {body[:80]!r}", tokens=tokens)
        data = [{"embedding": row} for row in rows]
        return check_answer({"data": data, "usage": {"total_tokens": tokens}}, n, dim)

    def meaning(
        self, error: APIStatusError, access: Access, texts: int, tokens: int
    ) -> Exception | TooMuch:
        """Return Trouble where asking again may help, Refused where it is a text, else the error.

        Cohere's client asks again on 408, 409, 429 and from 500 on; 499 says itself that one may.
        """
        status, said = error.status_code, said_in(error, access)
        headers = error.response.headers
        if status == 429:
            if _USED_UP in said:
                return error
            return Trouble(said, wait=_wait(headers), innocent=True)
        if status in (408, 409, 499) or (status >= 500 and status != 501):
            wait = _wait(headers)
            return Trouble(said, wait=wait, innocent=wait is not None)
        return Refused(said) if status in _OF_THE_TEXTS else error


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait: `retry-after`, else `x-ratelimit-reset`, a moment in Unix time."""
    if (asked := retry_after(headers)) is not None:
        return asked
    try:
        left = int(headers.get("x-ratelimit-reset") or "") - time.time()
    except ValueError:
        return None
    return min(left, LONGEST_WAIT) if left > 0 else None


def _part(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
