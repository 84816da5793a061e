"""OpenAI's own client at an endpoint: opening it, and what a server says when it refuses."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from veclab.errors import MissingExtra, ModelUnavailable
from veclab.models.openai.endpoint import Access

if TYPE_CHECKING:
    from openai import APIStatusError


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
        raise MissingExtra("openai", needed_for) from None
    try:
        return getattr(openai, kind)(
            api_key=access.key(), base_url=access.url, max_retries=0, timeout=timeout
        )
    except ModelUnavailable:
        raise
    except Exception as error:  # a proxy that is none, a missing part for SOCKS
        raise ModelUnavailable(
            f"cannot open a client for {access.url}: {access.hide(str(error))}"
        ) from None


def said_in(error: APIStatusError, access: Access) -> str:
    """Return the status and the server's own message, in one line and without the key."""
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    if not isinstance(said, str) or not said:
        text = ""
        with suppress(Exception):  # a stream that was never read has no text
            text = error.response.text
        said = "a web page" if text.lstrip()[:1] == "<" else text[:200]
    return f"{error.status_code} {' '.join(access.hide(said).split())[:300]}".strip()


def key_refused(said: str, access: Access) -> str:
    """Return the message for a 401: which key was used, or that there was none."""
    used = f"the key from {access.source}" if access.source else f"having no key ({access.looked})"
    return f"{access.url} refused {used}: {said}"
