"""Sending requests for vectors until they are answered, or it is clear that they will not be."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from veclab.errors import ProviderError
from veclab.models.openai.client import key_refused, open_client, said_in, was_sent
from veclab.models.openai.dialect import OPENAI_DIALECT, Dialect
from veclab.models.openai.endpoint import Access, remember
from veclab.models.openai.event_loop import EventLoop
from veclab.models.openai.failures import (
    TRIES_TROUBLE,
    TRIES_UNREACHED,
    Failures,
    Tally,
    Trouble,
)
from veclab.models.openai.rate_limit import Flow, Ticket, backoff
from veclab.models.openai.refusals import OtherFormat, TooMuch
from veclab.models.openai.responses import Fault
from veclab.provider import Refused

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI
    from tenacity import RetryCallState

T = TypeVar("T")

# All there are, for a fork.
_all: WeakSet[Requests] = WeakSet()

# What is asked to learn a model's dimensions, or whether it is the request that is at fault and
# not a text in it.
PROBE = ["hello"]
# A proof that requests are sound as such holds for a while.
_PROOF_SECONDS = 10.0


class Requests:
    """All requests of one model to one endpoint, in an event loop in a thread of its own.

    Attributes:
        access: the endpoint and the key.
        body: of every request, without the texts.
        flow: how many may be on their way.
        timeout: seconds for one request, all in all.
        on_limit: called with what one request may hold, where the server says that it is less
            than was sent.
        on_space: called with the Space that a veclab server names in each answer.
    """

    def __init__(
        self,
        access: Access,
        body: Mapping[str, Any],
        *,
        most: int,
        timeout: float,
        dialect: Dialect = OPENAI_DIALECT,
    ) -> None:
        self.access = access
        self.dialect = dialect
        self.body = dict(body)
        self.flow = Flow(most=most)
        self.timeout = timeout
        self.on_limit: Callable[[TooMuch], None] = lambda most: None
        self.on_space: Callable[[str], None] = lambda served: None
        self._most = most
        self._proved_at = float("-inf")
        self._reached = False
        self._told: tuple[float | None, float | None] = (None, None)
        self._lock = threading.Lock()
        self._loop: EventLoop | None = None
        self._client: AsyncOpenAI | None = None
        _all.add(self)

    def start_anew(self) -> None:
        """Let go, in a forked child, of what belongs to the parent: its loop and its requests."""
        self._lock = threading.Lock()
        if self._loop is not None:
            self._loop.abandon()
        self._loop, self._client = None, None
        self.flow = Flow(most=self._most)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in the event loop, and wait."""
        with self._lock:
            if self._loop is None:
                self._loop = EventLoop(self)
            loop = self._loop
        return loop.run(work)

    def stop(self) -> None:
        """Let requests that wait for their turn fail; those on their way are answered as usual."""
        if self._loop is not None:
            self._loop.call(self.flow.stop)

    # Inside the event loop from here on.

    async def ask(
        self, texts: Sequence[str], counts: Sequence[int], tally: Tally, dim: int | None
    ) -> NDArray[np.float32]:
        """Send until a sound answer comes.

        Args:
            texts, counts: what to embed, and the tokens of each.
            tally: is added to.
            dim: how long vectors must be; None for any length.

        Raises:
            Refused: the server does not take one of the texts.
            Fault: its answers cannot be used.
            ProviderError: it refuses for good, or failed once too often.
            Stopped: `stop` was called while it waited.
        """
        failures = Failures(len(texts), suspect=texts is not PROBE)
        while True:
            try:
                return await self._repeat(texts, counts, tally, dim, failures)
            except (Fault, Trouble) as error:
                last = failures.summed(error) if isinstance(error, Fault) else error
            suspicious = not last.rows if isinstance(last, Fault) else failures.suspicious
            if failures.suspect and suspicious:
                if await self._is_well(tally, dim, fresh=len(texts) == 1):
                    return await self._last_word(texts, counts, tally, dim, last)
                if not failures.used_up:  # it is the server: go on, as long as for any text
                    failures.suspect = False
                    continue
            if isinstance(last, Fault):
                raise last
            raise self._gave_up(last, failures, tally)

    async def _repeat(
        self,
        texts: Sequence[str],
        counts: Sequence[int],
        tally: Tally,
        dim: int | None,
        failures: Failures,
    ) -> NDArray[np.float32]:
        """Send until a sound answer comes, or there were enough failures."""
        from tenacity import AsyncRetrying, retry_if_exception_type

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((Trouble, Fault)),
            stop=failures.enough,
            wait=_pause,
            sleep=self.flow.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                number = attempt.retry_state.attempt_number
                return await self._send(texts, counts, tally, dim, number)
        raise AssertionError("a retry loop ends with an answer or an error")

    async def _send(
        self,
        texts: Sequence[str],
        counts: Sequence[int],
        tally: Tally,
        dim: int | None,
        number: int,
    ) -> NDArray[np.float32]:
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        client, size = self._get_client(), sum(counts)
        body = dict(self.body)  # another request may find meanwhile that it must be another
        refusal: Exception | None = None
        async with self.flow.turn(size) as ticket:
            tally.requests += 1
            try:
                async with asyncio.timeout(self.timeout):
                    raw = await self.dialect.send(client, texts, body)
            except (TimeoutError, APITimeoutError):
                tally.lose(size)
                raise Trouble(f"no answer within {self.timeout:g} seconds", late=True) from None
            except APIStatusError as error:
                self._learn(ticket, error.response.headers)
                refusal = self._refusal(error, ticket, number, body, len(texts), size)
            except APIConnectionError as error:
                sent = was_sent(error)
                if sent:
                    tally.lose(size)
                raise self._unreached(error, sent) from None
            except APIError as error:
                tally.lose(size)
                raise Trouble(self.access.hide(str(error))) from None
            else:
                self._learn(ticket, raw.headers)
                self.flow.grow()
        if refusal is None and (served := raw.headers.get("x-veclab-space")):
            self.on_space(served)
        if refusal is not None:
            if isinstance(refusal, Refused) and texts is not PROBE:
                # For the last word on a text, the proof must be newer than the request.
                recent = ticket.at if len(texts) == 1 else ticket.at - _PROOF_SECONDS
                if self._proved_at < recent:
                    await self._prove(str(refusal), tally)
            raise refusal
        kind = raw.headers.get("content-type", "")
        try:
            vectors, tokens = await asyncio.to_thread(
                self.dialect.read, raw.content, len(texts), dim, kind
            )
        except Fault as fault:
            if fault.tokens is None:
                tally.lose(size)
            else:
                tally.tokens += fault.tokens
            raise
        tally.tokens += size if tokens is None else tokens
        self._proved_at, self._reached = time.monotonic(), True
        return vectors

    def _learn(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        self.flow.learn(ticket, headers)
        requests, tokens = self.flow.requests.limit, self.flow.tokens.limit
        if (requests, tokens) != self._told:
            self._told = requests, tokens
            remember(
                self.access.url,
                self.body["model"],
                self.body.get("dimensions"),
                requests_per_minute=requests,
                tokens_per_minute=tokens,
            )

    def _refusal(
        self,
        error: APIStatusError,
        ticket: Ticket,
        number: int,
        body: Mapping[str, Any],
        texts: int,
        tokens: int,
    ) -> Exception:
        """Return the error that an answer with an error status means."""
        meant = self.dialect.meaning(error, self.access, texts, tokens)
        if isinstance(meant, TooMuch):
            self.on_limit(meant)
            self._proved_at = time.monotonic()  # a smaller request is taken, by its own word
            return Refused(said_in(error, self.access))
        if isinstance(meant, OtherFormat):
            return self._other_format(str(meant), body)
        if isinstance(meant, Trouble):
            if error.status_code == 429:
                self.flow.ease(ticket, backoff(number) if meant.wait is None else meant.wait)
                meant.wait = 0.0
            elif meant.wait is not None:  # the server is busy for everybody
                self.flow.ease(ticket, meant.wait)
                meant.wait = 0.0
        if meant is error:
            return ProviderError(self.refused(said_in(error, self.access)))
        return meant

    def _other_format(self, said: str, body: Mapping[str, Any]) -> Exception:
        """Ask for numbers in another form from now on: base64, then lists, then not saying."""
        form = body.get("encoding_format")
        if form is None:
            return ProviderError(self.refused(said))
        if self.body.get("encoding_format") == form:
            del self.body["encoding_format"]
            if form == "base64":
                self.body["encoding_format"] = "float"
        return Trouble(said, wait=0.0, innocent=True)

    def refused(self, said: str) -> str:
        """Return the message of an error for what the server said."""
        if said.startswith("401"):
            return key_refused(said, self.access)
        hint = self.access.url_hint if "web page" in said else ""
        return f"{self.access.url} refused the model {self.body['model']!r}: {said}{hint}"

    async def _is_well(self, tally: Tally, dim: int | None, *, fresh: bool) -> bool:
        """Return whether a harmless text is answered, so that the trouble is another text's.

        Args:
            tally: is added to.
            dim: how long its vector must be.
            fresh: whether it must be answered now; else an answer of just now will do.
        """
        if not fresh and time.monotonic() - self._proved_at < _PROOF_SECONDS:
            return True
        for number in (1, 2):
            try:
                await self._send(PROBE, [1], tally, dim, number)
                return True
            except (Fault, Trouble, Refused, ProviderError):
                await self.flow.sleep(backoff(number))
        return False

    async def _last_word(
        self,
        texts: Sequence[str],
        counts: Sequence[int],
        tally: Tally,
        dim: int | None,
        last: Exception,
    ) -> NDArray[np.float32]:
        """Blame the texts, as another was answered; a text alone is sent once more before that.

        Raises:
            Refused: it is the texts.
        """
        if len(texts) == 1:
            try:
                return await self._send(texts, counts, tally, dim, 1)
            except (Fault, Trouble) as again:
                last = again
        raise Refused(f"{last}, again and again, while another text was answered") from None

    def _gave_up(self, last: Trouble, failures: Failures, tally: Tally) -> ProviderError:
        billed = ""
        if tally.unanswered:
            billed = (
                f" {tally.unanswered:,} requests of {tally.tokens_unanswered:,} tokens in all "
                "were sent, not answered, and may be billed."
            )
        return ProviderError(
            f"{self.access.url} did not answer, after {failures.troubles} tries: {last}."
            f"{billed} What was bought before is in the cache; run the same again later"
        )

    async def _prove(self, said: str, tally: Tally) -> None:
        """Make sure that it is a text the server refuses, and not every request.

        Raises:
            ProviderError: a harmless text is refused as well.
        """
        try:
            await self.ask(PROBE, [1], tally, None)
        except Refused:
            raise ProviderError(self.refused(said)) from None
        except Fault:
            return  # it took the text

    def _unreached(self, error: APIConnectionError, sent: bool) -> Exception:
        """Return the error that a broken or missing connection means."""
        import ssl

        cause: BaseException = error
        while (deeper := cause.__cause__ or cause.__context__) is not None:
            cause = deeper
            if isinstance(cause, ssl.SSLCertVerificationError):
                return ProviderError(
                    f"the certificate of {self.access.url} is not trusted: {cause.verify_message}. "
                    "If it is your own, name its CA certificate file: SSL_CERT_FILE=/path.pem"
                )
        reason = self.access.hide(str(cause) or str(error) or type(cause).__name__)
        proxies = [n for n in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if _environment(n)]
        if proxies:
            reason += f" ({' and '.join(proxies)} is set: the proxy may be at fault)"
        reached = sent or self._reached
        return Trouble(reason, tries=TRIES_TROUBLE if reached else TRIES_UNREACHED)

    def _get_client(self) -> AsyncOpenAI:
        if self._client is None:
            assert self._loop is not None
            model = f"the model {self.body['model']}"
            self._client = open_client("AsyncOpenAI", self.access, self.timeout, model)
            self._loop.clients.append(self._client)
        return self._client


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Trouble) and error.wait is not None:
        return error.wait
    # A server that answers nonsense is there: no long waits for it.
    most = 3 if isinstance(error, Fault) else state.attempt_number
    return backoff(min(most, state.attempt_number))


def _environment(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(name.lower()))


def _after_fork_in_child() -> None:
    # The parent's loop does not run here, nor does its lock ever open.
    for requests in list(_all):
        requests.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
