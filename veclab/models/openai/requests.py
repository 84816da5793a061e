"""Sending requests for vectors until they are answered, or it is clear that they will not be."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from veclab.errors import ProviderError
from veclab.models.openai.client import key_refused, open_client, said_in
from veclab.models.openai.endpoint import URL_VARIABLE, Access, remember
from veclab.models.openai.rate_limit import Flow, Ticket, backoff, retry_after
from veclab.models.openai.responses import Fault, read_answer
from veclab.provider import Refused

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI
    from tenacity import RetryCallState

T = TypeVar("T")

# How often a request is sent at most: to a server in trouble, to one that was never reached, and
# to one whose answers cannot be used.
TRIES_TROUBLE = 8
TRIES_UNREACHED = 3
TRIES_FAULT = 6
# What is asked to learn a model's dimensions, or whether it is the request that is at fault and
# not a text in it.
PROBE = ["hello"]
# A proof that requests are sound as such holds for a while.
_PROOF_SECONDS = 10.0
# What to look at when a web page answers.
URL_HINT = f". Is the base URL right? (--base-url, {URL_VARIABLE})"


class Trouble(Exception):
    """A request that failed in a way that may pass.

    Attributes:
        wait: seconds to wait as the server asked, None where it did not.
        tries: how often to try in all.
    """

    def __init__(
        self, reason: str, *, wait: float | None = None, tries: int = TRIES_TROUBLE
    ) -> None:
        super().__init__(reason)
        self.wait = wait
        self.tries = tries


@dataclass(slots=True)
class Tally:
    """What one batch took."""

    requests: int = 0
    tokens: int = 0


@dataclass(slots=True)
class Failures:
    """Of one request, sent again and again: troubles and useless answers are counted apart."""

    troubles: int = 0
    faults: list[Fault] = field(default_factory=list)

    def enough(self, state: RetryCallState) -> bool:
        """Return whether one more failure, the outcome in `state`, was the last allowed."""
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, Fault):
            self.faults.append(error)
            return len(self.faults) >= TRIES_FAULT
        self.troubles += 1
        return self.troubles >= (error.tries if isinstance(error, Trouble) else 1)

    def summed(self, last: Fault) -> Fault:
        """Return the last fault; it blames a row only if every answer was bad in that row."""
        rows = set.intersection(*(set(fault.rows) for fault in self.faults))
        return Fault(str(last), rows=sorted(rows), dimensions=last.dimensions)


class Requests:
    """All requests of one model to one endpoint, in an event loop in a thread of its own.

    Attributes:
        access: the endpoint and the key.
        body: of every request, without the texts.
        flow: how many may be on their way.
        timeout: seconds for one request, all in all.
    """

    def __init__(
        self, access: Access, body: Mapping[str, Any], *, most: int, timeout: float
    ) -> None:
        self.access = access
        self.body = dict(body)
        self.flow = Flow(most=most)
        self.timeout = timeout
        self._proved_at = float("-inf")
        self._reached = False
        self._told: tuple[float | None, float | None] = (None, None)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._client: AsyncOpenAI | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in the event loop, and wait."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():  # not begun, or a forked child
                self._pid, self._client = os.getpid(), None
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="veclab-openai", daemon=True
                ).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """Let requests that wait for their turn fail; those on their way are answered as usual."""
        if self._loop is not None and self._pid == os.getpid():
            self._loop.call_soon_threadsafe(self.flow.stop)

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
        from tenacity import AsyncRetrying, retry_if_exception_type

        failures = Failures()
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((Trouble, Fault)),
            stop=failures.enough,
            wait=_pause,
            sleep=self.flow.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    number = attempt.retry_state.attempt_number
                    return await self._send(texts, counts, tally, dim, number)
        except Fault as fault:
            raise failures.summed(fault) from None
        except Trouble as trouble:
            raise ProviderError(
                f"{self.access.url} did not answer, after {failures.troubles} tries: {trouble}. "
                "What was bought before is in the cache; run the same again later"
            ) from None
        raise AssertionError("a retry loop ends with an answer or an error")

    async def _send(
        self,
        texts: Sequence[str],
        counts: Sequence[int],
        tally: Tally,
        dim: int | None,
        number: int,
    ) -> NDArray[np.float32]:
        from openai import APIConnectionError, APIError, APIStatusError

        client = self._get_client()
        refusal: Exception | None = None
        async with self.flow.turn(sum(counts)) as ticket:
            tally.requests += 1
            try:
                async with asyncio.timeout(self.timeout):
                    raw = await client.embeddings.with_raw_response.create(
                        input=list(texts), **self.body
                    )
            except TimeoutError:
                raise Trouble(f"no answer within {self.timeout:g} seconds") from None
            except APIStatusError as error:
                self._learn(ticket, error.response.headers)
                refusal = self._refusal(error, ticket, number)
            except APIConnectionError as error:
                raise self._unreached(error) from None
            except APIError as error:
                raise Trouble(self.access.hide(str(error))) from None
            else:
                self._learn(ticket, raw.headers)
                self.flow.grow()
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
                read_answer, raw.content, len(texts), dim, kind
            )
        except Fault as fault:
            tally.tokens += fault.tokens
            raise
        tally.tokens += sum(counts) if tokens is None else tokens
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

    def _refusal(self, error: APIStatusError, ticket: Ticket, number: int) -> Exception:
        """Return the error that an answer with an error status means."""
        status, headers = error.status_code, error.response.headers
        said = said_in(error, self.access)
        wait = retry_after(headers)
        if status == 429 and error.code != "insufficient_quota":
            pause = backoff(number) if wait is None else wait
            self.flow.ease(ticket, pause)
            return Trouble(said, wait=0.0)
        if status in (408, 409) or status >= 500:
            if wait is not None:  # the server is busy for everybody
                self.flow.ease(ticket, wait)
            return Trouble(said, wait=None if wait is None else 0.0)
        blamed = error.param
        if status in (400, 413, 422) and (blamed is None or str(blamed).startswith("input")):
            return Refused(said)
        return ProviderError(self.refused(said))

    def refused(self, said: str) -> str:
        """Return the message of an error for what the server said."""
        if said.startswith("401"):
            return key_refused(said, self.access)
        hint = URL_HINT if "web page" in said else ""
        return f"{self.access.url} refused the model {self.body['model']!r}: {said}{hint}"

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

    def _unreached(self, error: APIConnectionError) -> Exception:
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
        return Trouble(reason, tries=TRIES_TROUBLE if self._reached else TRIES_UNREACHED)

    def _get_client(self) -> AsyncOpenAI:
        if self._client is None:
            model = f"the model {self.body['model']}"
            self._client = open_client("AsyncOpenAI", self.access, self.timeout, model)
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
