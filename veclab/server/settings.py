"""What the operator decides."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veclab.errors import InputError
from veclab.server.keys import VARIABLE, Keys
from veclab.space import OnLong


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes:
        models: name for clients -> name or path for `veclab.load`; empty for the store's model.
        loading: further arguments of `veclab.load`.
        store: of `/v1/search` and `/v1/ask`; None for none.
        rerankers: name for clients -> name or path of a cross-encoder.
        llm, llm_url: the chat model of `/v1/ask` and its endpoint; None for sentences alone.
        host, port: where to listen; port 0 for a free one.
        keys: that open it; None for no key.
        insecure: listen beyond loopback without a key.
        on_long: what becomes of a text over the limit: `error`, `truncate` or `split`.
        token_ids: the vocabulary of token ids that clients send; None to refuse them.
        matryoshka: the models were trained for shorter vectors (`dimensions`).
        max_wait: seconds of work that may queue.
        timeout: seconds that a request may take, queue included.
        body_timeout: seconds in which a request's head, and then its body, has to come in.
        max_body: bytes of a request.
        shutdown: seconds that requests in flight are given at the end.
        access_log: write a line for each request.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    loading: Mapping[str, Any] = field(default_factory=dict)
    store: str | None = None
    rerankers: Mapping[str, str] = field(default_factory=dict)
    llm: str | None = None
    llm_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys | None = None
    insecure: bool = False
    on_long: OnLong = "error"
    token_ids: str | None = None
    matryoshka: bool = False
    max_wait: float = 30.0
    timeout: float = 300.0
    body_timeout: float = 30.0
    max_body: int = 32 * 2**20
    shutdown: float = 30.0
    access_log: bool = True

    def check(self) -> None:
        """Raise InputError where nobody but this machine should get in, and others could."""
        if self.keys is None and not self.insecure and not is_loopback(self.host):
            raise InputError(
                f"listening on {self.host} without a key lets in whoever reaches it: give keys "
                f"(--api-key-file FILE, or {VARIABLE}), listen on 127.0.0.1, or allow it with "
                "--insecure"
            )
        if self.keys is not None and self.insecure:
            raise InputError("--insecure means no key, and keys were given: leave one of them out")

    @property
    def checks_host(self) -> bool:
        """Whether requests under foreign host names are refused.

        A web page whose name was made to point to this machine (DNS rebinding) could read from a
        server that asks for no key.
        """
        return self.keys is None and not self.insecure

    def knows_host(self, host: str) -> bool:
        """Return whether a `host` header names this machine: an address, or localhost."""
        name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host
        name = name.partition("]")[0].removeprefix("[") if name.startswith("[") else name
        return name.lower() in ("", "localhost", self.host.lower()) or _is_address(name)


def is_loopback(host: str) -> bool:
    """Return whether a host can be reached from this machine only."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
