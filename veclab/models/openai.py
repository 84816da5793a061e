"""Models of OpenAI and of every OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import copy
import os
import random
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from veclab.errors import (
    BadVectors,
    InputError,
    MissingExtra,
    ModelUnavailable,
    ProviderError,
    SpaceMismatch,
)
from veclab.models.answers import Fault, read_answer
from veclab.models.endpoint import URL_VARIABLE, Facts, find_access, recall, remember
from veclab.models.flow import Flow, Ticket, retry_after
from veclab.models.prices import Price, find_price
from veclab.models.provider import Answer, Limits, Piece, Refused
from veclab.models.tokens import Counter, EstimatingCounter, ExactCounter
from veclab.space import Role, Space

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, AsyncOpenAI
    from tenacity import RetryCallState

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What OpenAI publishes about a model: platform.openai.com/docs/guides/embeddings."""

    dimensions: int
    shortens: bool
    max_tokens: int = 8191
    encoding: str = "cl100k_base"


KNOWN = {
    "text-embedding-3-small": Known(1536, shortens=True),
    "text-embedding-3-large": Known(3072, shortens=True),
    "text-embedding-ada-002": Known(1536, shortens=False),
}
# Requests on their way at once, at most; `Flow` finds out how many the server bears.
CONCURRENCY = 16
# How often a request is sent at most: to a server in trouble, to one that was never reached, and
# to one whose answers cannot be used.
TRIES_TROUBLE = 8
TRIES_UNREACHED = 3
TRIES_FAULT = 4
# What is asked to learn a model's dimensions, or whether it is the request that is at fault and
# not a text in it.
PROBE = ["hello"]
# A proof that requests are sound as such holds for a while.
_PROOF_SECONDS = 10.0


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


class OpenAIModel:
    """A provider (see `veclab.models.provider`) for `POST /embeddings`.

    Requests run in an event loop in a thread of its own, all behind one `Flow`. Nothing is sent
    before the first batch, unless an unknown model's dimensions must be asked.
    """

    precision = "api"

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
        max_tokens: int | None = None,
        timeout: float = 120.0,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """See `veclab.load`.

        Args:
            model: its name at the endpoint.
            dimensions: ask for shorter vectors.
            base_url: of the endpoint; None for OPENAI_BASE_URL, else OpenAI's.
            max_tokens: read fewer tokens than the model could.
            timeout: seconds for one request, all in all.
            concurrency: most requests on their way at once.

        Raises:
            InputError: the model has no such dimensions, or the URL cannot be used.
            MissingExtra: the extra `openai` is not installed.
        """
        self.model = model
        self.access = find_access(base_url)
        self.known = KNOWN.get(model)
        self.asked_dimensions = _asked_dimensions(model, self.known, dimensions)
        self.counter: Counter = (
            EstimatingCounter() if self.known is None else ExactCounter(self.known.encoding)
        )
        self.tokenizer_digest = self.counter.digest
        self.price = find_price(model, self.access.endpoint)
        self.limits = _limits(self.known, max_tokens, concurrency, self.price)
        self.flow = Flow(most=concurrency)
        self.timeout = timeout
        self._space: Space | None = None
        self._proved_at = -_PROOF_SECONDS
        self._reached = False
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._client: AsyncOpenAI | None = None

    def __repr__(self) -> str:
        return f"<OpenAIModel {self.model} at {self.access.url}>"

    @property
    def notes(self) -> list[str]:
        """What a user of this model should know."""
        notes = []
        if self.known is None:
            notes.append(
                f"the tokenizer of {self.model} is not known here: token counts are estimates "
                "(one for two bytes), and what the endpoint does with texts over its limit is its "
                "own affair"
            )
        if self.access.url.startswith("http://") and not _is_local(self.access.url):
            notes.append(f"{self.access.url} is not encrypted: texts and key travel in the open")
        return notes

    @property
    def known_dimensions(self) -> int | None:
        """Length of its vectors as far as it is known without asking."""
        if self.asked_dimensions is not None:
            return self.asked_dimensions
        if self.known is not None:
            return self.known.dimensions
        return recall(self.access.url, self.model, None).dimensions

    @property
    def facts(self) -> Facts:
        """What the endpoint told about the model and the account, in this run or an earlier one."""
        return recall(self.access.url, self.model, self.asked_dimensions)

    def stand_in(self) -> OpenAIModel:
        """The same with made-up dimensions, for counting what need not be embedded."""
        other = copy.copy(self)
        other._space = Space("openai", self.model, 1, endpoint=self.access.endpoint)
        return other

    @property
    def space(self) -> Space:
        """What its vectors may be compared with; asks once for an unknown model's dimensions."""
        if self._space is None:
            size = self.known_dimensions
            if size is None:
                size = self._run(self._probe())
            remember(self.access.url, self.model, self.asked_dimensions, dimensions=size)
            self._space = Space(
                provider="openai",
                model=self.model,
                dimensions=size,
                endpoint=self.access.endpoint,
            )
        return self._space

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[Piece]:
        """Count tokens; roles have no prompts here."""
        counts = self.counter.count(texts)
        return [Piece(text, count) for text, count in zip(texts, counts, strict=True)]

    def embed_batch(self, pieces: Sequence[Piece], role: Role | None) -> Answer:
        """One request, asked again while that may help.

        Raises:
            Refused: the server does not take one of the texts.
            ProviderError: it refuses for good, or failed once too often.
            BadVectors: its answers cannot be used.
            SpaceMismatch: its vectors have another length than before.
            ModelUnavailable: there is no key.
        """
        limit = self.limits.max_tokens
        texts, counts = [], []
        for piece in pieces:
            long = limit is not None and piece.tokens > limit
            texts.append(self.counter.cut(piece.text, limit or 0) if long else piece.text)
            counts.append(limit or 0 if long else piece.tokens)
        dim = self.space.dimensions
        return self._run(self._embed(texts, counts, dim))

    def stop(self) -> None:
        """Let requests that wait for their turn fail; those on their way are answered as usual."""
        if self._loop is not None and self._pid == os.getpid():
            self._loop.call_soon_threadsafe(self.flow.stop)

    # Inside the event loop from here on.

    async def _embed(self, texts: list[str], counts: list[int], dim: int) -> Answer:
        tally = Tally()
        left = list(range(len(texts)))
        refused: dict[int, str] = {}
        while True:
            try:
                asked = [texts[i] for i in left]
                vectors = await self._ask(asked, [counts[i] for i in left], tally, dim)
                break
            except Fault as fault:
                # The same vectors are bad each time: it is these texts the model cannot embed.
                if not fault.rows or len(fault.rows) == len(left) > 1:
                    raise self._unusable(fault) from None
                refused |= {left[row]: f"{fault}, {TRIES_FAULT} times" for row in fault.rows}
                left = [i for row, i in enumerate(left) if row not in fault.rows]
                if not left:
                    vectors = np.zeros((0, dim), np.float32)
                    break
            except Refused as error:
                raise Refused(str(error), tally.requests, tally.tokens) from None
        if refused:
            whole = np.zeros((len(texts), dim), np.float32)
            whole[left] = vectors
            vectors = whole
        return Answer(vectors, refused, tally.requests, tally.tokens)

    async def _probe(self) -> int:
        """Ask one short text to learn the model's dimensions."""
        try:
            return int((await self._ask(PROBE, [1], Tally(), None)).shape[1])
        except Fault as fault:
            raise self._unusable(fault) from None
        except Refused as refused:
            raise ProviderError(self._final(str(refused))) from None

    async def _ask(
        self, texts: list[str], counts: list[int], tally: Tally, dim: int | None
    ) -> NDArray[np.float32]:
        """Send until a sound answer comes; raises what cannot be mended."""
        from tenacity import AsyncRetrying, retry_if_exception_type

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((Trouble, Fault)),
            stop=_enough,
            wait=_pause,
            sleep=self.flow.sleep,
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    number = attempt.retry_state.attempt_number
                    return await self._send(texts, counts, tally, dim, number)
        except Trouble as trouble:
            raise ProviderError(
                f"{self.access.url} did not answer, after {trouble.tries} tries: {trouble}. What "
                "was bought before is in the cache; run the same again later"
            ) from None
        raise AssertionError("a retry loop ends with an answer or an error")

    async def _send(
        self, texts: list[str], counts: list[int], tally: Tally, dim: int | None, number: int
    ) -> NDArray[np.float32]:
        from openai import APIConnectionError, APIError, APIStatusError

        client = self._get_client()
        options: dict[str, Any] = {}
        if self.asked_dimensions is not None:
            options["dimensions"] = self.asked_dimensions
        refusal: Exception | None = None
        async with self.flow.turn(sum(counts)) as ticket:
            tally.requests += 1
            try:
                async with asyncio.timeout(self.timeout):
                    raw = await client.embeddings.with_raw_response.create(
                        model=self.model, input=texts, encoding_format="base64", **options
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
        if requests is not None or tokens is not None:
            remember(
                self.access.url,
                self.model,
                self.asked_dimensions,
                requests_per_minute=requests,
                tokens_per_minute=tokens,
            )

    def _refusal(self, error: APIStatusError, ticket: Ticket, number: int) -> Exception:
        """What an answer with an error status means."""
        status, headers = error.status_code, error.response.headers
        said = self._said(error)
        wait = retry_after(headers)
        if status == 429 and error.code != "insufficient_quota":
            pause = _backoff(number) if wait is None else wait
            self.flow.ease(ticket, pause)
            return Trouble(said, wait=0.0)
        if status in (408, 409) or status >= 500:
            if wait is not None:  # the server is busy for everybody
                self.flow.ease(ticket, wait)
            return Trouble(said, wait=None if wait is None else 0.0)
        blamed = error.param
        if status in (400, 413, 422) and (blamed is None or blamed.startswith("input")):
            return Refused(said)
        return ProviderError(self._final(said))

    def _said(self, error: APIStatusError) -> str:
        """The server's own message, in one line and without the key."""
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        if not isinstance(said, str) or not said:
            text = error.response.text
            said = "a web page" if text.lstrip()[:1] == "<" else text[:200]
        said = " ".join(self.access.hide(said).split())[:300]
        return f"{error.status_code} {said}".strip()

    def _final(self, said: str) -> str:
        if said.startswith("401"):
            key = self.access.source
            used = f"the key from {key}" if key else f"having no key ({self.access.looked})"
            return f"{self.access.url} refused {used}: {said}"
        hint = (
            f". Is the base URL right? (--base-url, {URL_VARIABLE})" if "web page" in said else ""
        )
        return f"{self.access.url} refused the model {self.model!r}: {said}{hint}"

    async def _prove(self, said: str, tally: Tally) -> None:
        """Make sure that it is a text the server refuses, and not every request.

        Raises:
            ProviderError: a harmless text is refused as well.
        """
        if time.monotonic() - self._proved_at < _PROOF_SECONDS:
            return
        try:
            await self._ask(PROBE, [1], tally, None)
        except Refused:
            raise ProviderError(self._final(said)) from None
        except Fault:
            return  # it took the text

    def _unreached(self, error: APIConnectionError) -> Exception:
        """What a broken or missing connection means."""
        import ssl

        cause: BaseException = error
        while (deeper := cause.__cause__ or cause.__context__) is not None:
            cause = deeper
            if isinstance(cause, ssl.SSLCertVerificationError):
                return ProviderError(
                    f"the certificate of {self.access.url} is not trusted: {cause.verify_message}. "
                    "If it is your own, name the file that vouches for it: SSL_CERT_FILE=/path.pem"
                )
        reason = self.access.hide(str(cause) or str(error) or type(cause).__name__)
        proxies = [n for n in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if _environment(n)]
        if proxies:
            reason += f" ({' and '.join(proxies)} is set: the proxy may be at fault)"
        return Trouble(reason, tries=TRIES_TROUBLE if self._reached else TRIES_UNREACHED)

    def _unusable(self, fault: Fault) -> Exception:
        where, times = self.access.url, f"{TRIES_FAULT} times in a row"
        if fault.dimensions and self._space is not None:
            if self.asked_dimensions is None and self.known is None:
                remember(where, self.model, None, dimensions=None)
            return SpaceMismatch(
                f"{where} gave vectors of {fault.dimensions} dimensions for {self.model!r}, "
                f"{times}, where {self._space} has {self._space.dimensions}: another model "
                "answers under that name, or `dimensions` is not honoured there. Nothing of it "
                "was kept. If the change is meant, run again without --dimensions: that starts a "
                "new space"
            )
        hint = (
            f". Is the base URL right? (--base-url, {URL_VARIABLE})" if "page" in str(fault) else ""
        )
        return BadVectors(f"{where}: {fault}, {times}; nothing of it was kept{hint}")

    def _get_client(self) -> AsyncOpenAI:
        if self._client is None:
            try:
                from openai import AsyncOpenAI
            except ImportError:
                raise MissingExtra("openai", f"the model {self.model}") from None
            try:
                self._client = AsyncOpenAI(
                    api_key=self.access.key(),
                    base_url=self.access.url,
                    max_retries=0,
                    timeout=self.timeout,
                )
            except ModelUnavailable:
                raise
            except Exception as error:  # a proxy that is none, a missing part for SOCKS
                raise ModelUnavailable(
                    f"no client for {self.access.url}: {self.access.hide(str(error))}"
                ) from None
        return self._client

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it in the event loop, and wait."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():  # not begun, or a forked child
                self._pid, self._client = os.getpid(), None
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="veclab-openai", daemon=True
                ).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _asked_dimensions(model: str, known: Known | None, dimensions: int | None) -> int | None:
    """What to put into requests: nothing where it is the model's own size."""
    if dimensions is None:
        return None
    if dimensions < 1:
        raise InputError(f"dimensions must be 1 or more, not {dimensions}")
    if known is None:
        return dimensions
    if dimensions > known.dimensions:
        raise InputError(f"{model} has {known.dimensions:,} dimensions; {dimensions:,} is too many")
    if dimensions != known.dimensions and not known.shortens:
        raise InputError(
            f"{model} always gives {known.dimensions:,} dimensions; `dimensions` works with "
            "text-embedding-3-small and text-embedding-3-large"
        )
    return None if dimensions == known.dimensions else dimensions


def _limits(
    known: Known | None, max_tokens: int | None, concurrency: int, price: Price | None
) -> Limits:
    dollars = None if price is None else price.per_million
    if known is None:
        # A server on one machine works on a request for as long as it is big, and its requests
        # cost nothing: rather more of them than time-outs.
        return Limits(
            max_tokens=max_tokens,
            batch_tokens=32_768,
            batch_texts=256,
            concurrency=concurrency,
            padded=False,
            price=dollars,
        )
    return Limits(
        max_tokens=min(max_tokens or known.max_tokens, known.max_tokens),
        batch_tokens=300_000,
        batch_texts=2048,
        concurrency=concurrency,
        padded=False,
        block_texts=65_536,
        price=dollars,
    )


def _enough(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome is not None else None
    tries = error.tries if isinstance(error, Trouble) else TRIES_FAULT
    return state.attempt_number >= tries


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Trouble) and error.wait is not None:
        return error.wait
    return _backoff(state.attempt_number)


def _backoff(number: int) -> float:
    """Seconds after the n-th failure: 0.5, 1, 2, ... up to 30, less up to half by chance."""
    return float(min(30.0, 0.5 * 2 ** (number - 1)) * random.uniform(0.5, 1.0))


def _is_local(url: str) -> bool:
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _environment(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(name.lower()))
