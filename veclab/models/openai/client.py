"""OpenAI's own client at an endpoint: opening it, and what a server says when it refuses."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from veclab.errors import MissingExtra, ModelUnavailable
from veclab.models.openai.endpoint import Access

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError


def open_client(
    kind: Literal["OpenAI", "AsyncOpenAI"], access: Access, timeout: float, needed_for: str
) -> Any:
    """Open the client of that class; it asks once and leaves repeating to its user.

    Raises:
        MissingExtra: the extra `openai` is not installed; `needed_for` says what needs it.
        ModelUnavailable: there is no key, or the client cannot be opened.
    """
    try:
        import openai
    except ImportError:
        raise MissingExtra(access.service.extra, needed_for) from None
    try:
        return getattr(openai, kind)(
            api_key=access.key(),
            base_url=access.url,
            max_retries=0,
            timeout=timeout,
            # What the environment says of an account at OpenAI is nobody else's business.
            default_headers=_foreign() if access.service.name != "openai" else None,
        )
    except ModelUnavailable:
        raise
    except Exception as error:  # a proxy that is none, a missing part for SOCKS
        raise ModelUnavailable(
            f"cannot open a client for {access.url}: {access.hide(str(error))}"
        ) from None


def _foreign() -> dict[str, Any]:
    from openai import Omit

    return {"User-Agent": "veclab", "OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}


def was_sent(error: APIConnectionError) -> bool:
    """Return whether a request was on its way when the connection broke, and may be billed."""
    cause: BaseException | None = error
    while cause is not None:
        # Of the client's own library; there are two by now, with the same names.
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "ProxyError", "PoolTimeout"):
            return False
        cause = cause.__cause__
    return True


def said_in(error: APIStatusError, access: Access) -> str:
    """Return the status and the server's own message, in one line and without the key."""
    body = error.body
    if isinstance(body, list) and body:  # Gemini sends a list of one error
        body = body[0]
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    said = body.get("message") if isinstance(body, dict) else body
    if not isinstance(said, str) or not said:
        said = ""
        with suppress(Exception):  # a stream that was never read has no text
            said = error.response.text
    if re.match(r"\s*<[!?a-zA-Z]", said):
        said = "a web page"
    return f"{error.status_code} {' '.join(access.hide(said).split())[:300]}".strip()


def key_refused(said: str, access: Access) -> str:
    """Return the message for a 401: which key was used, or that there was none."""
    used = f"the key from {access.source}" if access.source else f"having no key ({access.looked})"
    return f"{access.url} refused {used}: {said}"
