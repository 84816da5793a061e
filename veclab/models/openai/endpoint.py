"""Where an OpenAI-compatible service is, the key to it, and what it told about itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from veclab.errors import InputError, MissingExtra, ModelUnavailable
from veclab.fingerprint import Fingerprint
from veclab.home import home
from veclab.jsontext import parse_json

DEFAULT_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"


@dataclass(frozen=True, slots=True)
class Service:
    """What one company's clients agree on: where it is, and what its key and URL are called.

    Attributes:
        name: of the provider, as in a Space.
        url: its own.
        keys: environment variables that hold the key, the first one that is set counts.
        url_variable: the one that holds another URL.
        extra: of veclab that asks it.
    """

    name: str
    url: str
    keys: tuple[str, ...]
    url_variable: str
    extra: str


OPENAI_SERVICE = Service("openai", DEFAULT_URL, (KEY_VARIABLE,), URL_VARIABLE, "openai")
# As Cohere's own client has it: the second name of the key is accepted, and not documented there.
COHERE_SERVICE = Service(
    "cohere", "https://api.cohere.com", ("CO_API_KEY", "COHERE_API_KEY"), "CO_API_URL", "cohere"
)
SERVICES = {service.name: service for service in (OPENAI_SERVICE, COHERE_SERVICE)}
_MEMORY = "endpoints.json"
_PORTS = {"http": 80, "https": 443}


def normal_url(url: str) -> str:
    """Normalize a URL: lower-case host, no port that is the scheme's own, no slash at the end.

    Raises:
        InputError: it is no http(s) URL, or holds what does not belong there: a password would
            travel into every file.
    """
    parts = urlsplit(url.strip())
    if parts.username or parts.password:
        raise InputError(
            "a base URL must not hold a name or password: give a key in the environment "
            f"({KEY_VARIABLE})"
        )
    if parts.query or parts.fragment:
        raise InputError(f"a base URL has no '?' or '#' part: {url.split('?')[0].split('#')[0]}")
    try:
        port = parts.port
    except ValueError:
        raise InputError(f"the base URL {url!r} has no valid port") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError(f"the base URL {url!r} must look like http://127.0.0.1:8000/v1")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint and the key to it.

    Attributes:
        url: normalized.
        source: where the key was found, in words; None when there is none.
        looked: what to tell a user who has none.
        note: what the user should know of the choice; empty where there is nothing.
    """

    url: str
    source: str | None
    looked: str
    _key: str | None = field(repr=False)
    note: str = ""
    service: Service = OPENAI_SERVICE

    @property
    def endpoint(self) -> str | None:
        """For the Space: None for the company's own."""
        return None if self.url == self.service.url else self.url

    @property
    def url_hint(self) -> str:
        """What to look at when a web page answers."""
        return f". Is the base URL right? (--base-url, {self.service.url_variable})"

    def key(self) -> str:
        """Return the key, to be handed to the client only.

        Raises:
            ModelUnavailable: there is none, and the company takes no request without.
        """
        if self._key is None and self.endpoint is None:
            raise ModelUnavailable(f"there is no key for {self.url}: {self.looked}")
        # Local servers mostly want none; the client does not start without.
        return self._key or "none"

    def hide(self, text: str) -> str:
        """Remove the key from a text, in case a server repeated it."""
        return text.replace(self._key, "[key]") if self._key and len(self._key) > 3 else text


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a key and a URL may be written: the environment, or a `.env` file."""

    name: str
    key: str | None
    url: str | None


def find_access(base_url: str | None = None, service: Service = OPENAI_SERVICE) -> Access:
    """Find the endpoint and key in force.

    Key and endpoint come from one place: the environment where it has OPENAI_API_KEY, else the
    nearest `.env` file in the working directory or above. So no place's key goes to another
    place's endpoint. `base_url`, which the user names, takes the key of either. Where the
    environment has OPENAI_BASE_URL and no key, and the file has a key and no URL, the
    environment's endpoint is used without a key. So it is for any other service.

    Raises:
        InputError: the URL cannot be used.
        MissingExtra: python-dotenv is not installed.
    """
    try:
        from dotenv import dotenv_values, find_dotenv
    except ImportError:
        raise MissingExtra(service.extra, f"models of {service.name} endpoints") from None
    key_variable, url_variable = service.keys[0], service.url_variable
    place = _place("the environment", os.environ, service)
    looked, note = f"{' or '.join(service.keys)} is not set in the environment, and ", ""
    if place.key is None:
        path = find_dotenv(usecwd=True)
        file = _place(path, dotenv_values(path, interpolate=False) if path else {}, service)
        looked += (
            f"{path} has no {key_variable} either"
            if path
            else f"there is no .env file in {Path.cwd()} or any folder above it"
        )
        looked += f". Set it, or write {key_variable}=... into a .env file"
        if base_url is not None:
            place = file
        elif file.key is not None and (file.url is not None or place.url is None):
            if place.url is not None:
                note = (
                    f"{url_variable} of the environment is not used: the key is from {path}, and "
                    "goes only to the endpoint that is named there (--base-url names another)"
                )
            place = file
        elif file.key is not None:
            looked = (
                f"the key in {path} is not sent to the endpoint that {url_variable} of the "
                f"environment names. If it is meant for it, say --base-url {place.url}"
            )
        elif place.url is None and file.url is not None:
            place = file
    chosen = normal_url(base_url or place.url or service.url)
    source = place.name if place.key else None
    return Access(chosen, source, looked, place.key, note, service)


def _place(name: str, values: Mapping[str, str | None], service: Service) -> _Place:
    keys = [(values.get(variable) or "").strip() for variable in service.keys]
    url = (values.get(service.url_variable) or "").strip()
    return _Place(name, next(filter(None, keys), None), url or None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What an endpoint told about a model, remembered so that it is asked once.

    Attributes:
        dimensions: length of its vectors.
        requests_per_minute, tokens_per_minute: the account's limits.
        served_space: the id of the Space of its vectors, where it is a veclab server.
        in_space: whether that is part of our Space of them: it was known before the first one.
        seen: the day it told.
    """

    dimensions: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    served_space: str | None = None
    in_space: bool | None = None
    seen: str | None = None


def recall(url: str, model: str, asked: int | None) -> Facts:
    """Recall what was kept of a model at an endpoint, for `asked` dimensions."""
    value = _memory().get(_name(url, model, asked))
    if not isinstance(value, dict):
        return Facts()
    known = {name: value.get(name) for name in Facts.__dataclass_fields__}
    size = known["dimensions"]
    return Facts(**known) if isinstance(size, int) or size is None else Facts()


def recall_canaries(
    url: str, model: str, dimensions: int
) -> tuple[list[Fingerprint], int, str | None]:
    """Recall the fingerprints of a model, which is the present one, and the day it last answered.

    What is damaged is as good as nothing: the model is met anew.
    """
    value = _memory().get(_name(url, model, dimensions))
    facts = value if isinstance(value, dict) else {}
    try:
        known = [Fingerprint.parse(text) for text in facts.get("canaries") or ()]
    except (TypeError, ValueError):
        return [], 0, None
    current, checked = facts.get("canary", 0), facts.get("checked")
    if not isinstance(current, int) or not 0 <= current < max(1, len(known)):
        return [], 0, None
    return known, current, checked if isinstance(checked, str) else None


def is_known(url: str) -> bool:
    """Return whether this user has used that endpoint before."""
    return any(name.startswith(f"{url} ") for name in _memory())


def remember(url: str, model: str, asked: int | None, **facts: Any) -> None:
    """Keep what an endpoint told; None forgets. Where it cannot be written, it is asked again."""
    memory, name = _memory(), _name(url, model, asked)
    old = memory.get(name) or {}
    new = {k: v for k, v in {**old, **facts}.items() if v is not None and k != "seen"}
    if new == {k: v for k, v in old.items() if k != "seen"}:
        return
    memory[name] = new | {"seen": datetime.now(UTC).date().isoformat()}
    path = home() / _MEMORY
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(memory, indent=1), encoding="utf-8")
        temporary.replace(path)


def _name(url: str, model: str, asked: int | None) -> str:
    return f"{url} {model} {asked or ''}".rstrip()


def _memory() -> dict[str, Any]:
    try:
        memory = parse_json((home() / _MEMORY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}
