"""What a server's refusal means: wait, ask again, ask for less at once, or give up.

Servers that call themselves compatible differ most in this. docs/openai.md has the table; the rows
of `tests/models/openai/test_compatible.py` say where each was seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veclab.models.openai.client import said_in
from veclab.models.openai.endpoint import Access
from veclab.models.openai.failures import Trouble
from veclab.models.openai.rate_limit import retry_after
from veclab.provider import Refused

if TYPE_CHECKING:
    from openai import APIStatusError

# More texts, or more tokens, in one request than the server takes; it names the number.
_MOST_TEXTS = (
    r"at most (\d+) requests can be in one batch",  # Gemini
    r"maximum allowed batch size (\d+)",  # text-embeddings-inference, SiliconFlow
    r"batch size is invalid, it should not be larger than (\d+)",  # DashScope
    r"max number of inputs is (\d+)",  # Azure
)
_MOST_TOKENS = (
    r"too many tokens in batch\. max is (\d+)",  # Mistral
    r"max (\d+) tokens per request",  # OpenAI
    r"max size: (\d+) tokens",  # Azure
    r"request too large.{0,200}? limit (\d+)",  # OpenAI, by the tokens a minute (429)
)
# Said with status 500, of one text, and the same each time.
_HOPELESS = (
    "is too large to process",  # llama.cpp: longer than its physical batch
    "unsupported value: nan",  # Ollama: the model gave no numbers
)
# The parts of a request that say how numbers are written; some servers know one form or none.
_FORMAT = re.compile(r"encoding.?format|base64", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TooMuch:
    """One request held more than the server takes: how many texts or tokens it does take."""

    texts: int | None = None
    tokens: int | None = None


class OtherFormat(Exception):
    """The server does not write numbers in the form that was asked for."""


def read_refusal(
    error: APIStatusError, access: Access, texts: int, tokens: int
) -> Exception | TooMuch:
    """Return what an answer with an error status means, for a request of so many texts and tokens.

    Returns:
        Trouble, where asking again may help; TooMuch; OtherFormat; Refused, where it is a text;
        any other error of the server is returned as it is.
    """
    status, headers = error.status_code, error.response.headers
    said = said_in(error, access)
    if texts > 1 and status != 500 and (most := _too_much(said, texts, tokens)) is not None:
        return most
    if status == 429:
        if error.code == "insufficient_quota":
            return error
        return Trouble(said, wait=retry_after(headers), innocent=True)
    if status == 500 and any(words in said.lower() for words in _HOPELESS):
        return Refused(said)
    # 424: text-embeddings-inference says it of its back end.
    if status in (408, 409, 424) or status >= 500:
        wait = retry_after(headers)
        return Trouble(said, wait=wait, innocent=wait is not None)
    if status in (400, 422) and _FORMAT.search(f"{error.param or ''} {said}"):
        return OtherFormat(said)
    blamed = error.param
    if status in (400, 413, 422) and (blamed is None or str(blamed).startswith("input")):
        return Refused(said)
    return error


def _too_much(said: str, texts: int, tokens: int) -> TooMuch | None:
    most_texts, most_tokens = _number(_MOST_TEXTS, said), _number(_MOST_TOKENS, said)
    if most_texts is not None and 0 < most_texts < texts:
        return TooMuch(texts=most_texts)
    if most_tokens is not None:
        # Where tokens are estimated, the estimate may already be below: then halves will do.
        return TooMuch(tokens=most_tokens if 0 < most_tokens < tokens else None)
    return None


def _number(patterns: tuple[str, ...], said: str) -> int | None:
    for pattern in patterns:
        if found := re.search(pattern, said, re.IGNORECASE):
            return int(found[1])
    return None
