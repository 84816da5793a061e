"""How many requests may be on their way at once: what a server's answers teach.

One `Flow` stands before all requests to one endpoint. It opens as answers come back, halves when
the server says "too many", keeps everybody waiting as long as the server asks, and spends no more
requests and tokens than the server last said are left.

It lives in one event loop and is not thread-safe.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
# Nobody waits longer than this because of one header: a clock may be wrong, or a unit.
LONGEST_WAIT = 600.0


class Stopped(Exception):
    """A request that still waited for its turn was told not to be sent."""


def seconds(text: str | None) -> float | None:
    """Parse a span as the `x-ratelimit-reset-*` headers write it (`1s`, `6m0s`, `20ms`)."""
    if not text:
        return None
    parts = _PARTS.findall(text)
    if "".join(number + unit for number, unit in parts) != text.strip():
        return _number(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def backoff(number: int) -> float:
    """Return the seconds after the n-th failure: 0.5, 1, 2, ... 30, less up to half by chance."""
    return float(min(30.0, 0.5 * 2 ** (number - 1)) * random.uniform(0.5, 1.0))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how long a server asks to wait, in seconds from now; None when it does not say.

    Reads `retry-after-ms`, and `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3).
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return min(ms / 1000, LONGEST_WAIT)
    value = headers.get("retry-after")
    wait = _number(value)
    if wait is None and value:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        wait = max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None if wait is None else min(wait, LONGEST_WAIT)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


@dataclass(slots=True)
class Gauge:
    """What is left of one allowance (requests or tokens a minute), as the server last told.

    Attributes:
        limit: of the account, None until told.
        left: at the moment `at`; None until told.
        rate: how much comes back in a second.
        at: by the clock of the flow.
        spent: all that was ever taken here. An answer tells what was left when its own request
            came in, so what was taken after that request is taken off again.
        told: `spent` when the request of that answer was sent.
    """

    limit: float | None = None
    left: float | None = None
    rate: float = 0.0
    at: float = 0.0
    spent: float = 0.0
    told: float = -1.0

    def learn(self, headers: Mapping[str, str], kind: str, sent: float, now: float) -> None:
        """Read `x-ratelimit-{limit,remaining,reset}-{kind}`; `sent` is `spent` at sending."""
        limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
        remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
        reset = seconds(headers.get(f"x-ratelimit-reset-{kind}"))
        if limit is None or remaining is None or reset is None or sent < self.told:
            return
        self.limit, self.told, self.at = limit, sent, now
        self.left = remaining - (self.spent - sent)
        self.rate = max(0.0, limit - remaining) / reset if reset > 0 else limit / 60

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until `cost` can be taken; 0 when it can be now or none are known."""
        if self.left is None or self.limit is None:
            return 0.0
        there = min(self.limit, self.left + self.rate * (now - self.at))
        # A request over the whole allowance goes when that is full: the server has the last word.
        short = min(cost, self.limit) - there
        if short <= 0:
            return 0.0
        return min(short / self.rate, LONGEST_WAIT) if self.rate else 1.0

    def take(self, cost: float) -> float:
        """Take `cost`; gives `spent` for `learn`."""
        self.spent += cost
        if self.left is not None:
            self.left -= cost
        return self.spent


@dataclass(slots=True)
class Ticket:
    """One request on its way: what it took from each gauge, and when."""

    sent_requests: float
    sent_tokens: float
    at: float


@dataclass(slots=True)
class Flow:
    """The common limit; see the module.

    It grows as TCP's congestion window does (RFC 5681): by one for each answer until the first
    refusal, then by one for each round of answers.

    Attributes:
        most: never more requests than this at once.
        limit: how many may be on their way now.
        flying: how many are.
        resume_at: nobody sends before this moment.
    """

    most: int = 16
    limit: float = 4.0
    flying: int = 0
    resume_at: float = 0.0
    requests: Gauge = field(default_factory=Gauge)
    tokens: Gauge = field(default_factory=Gauge)
    clock: Callable[[], float] = time.monotonic
    _eased: bool = False
    _cut_at: float = -1.0
    _round: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.most)

    @asynccontextmanager
    async def turn(self, tokens: int) -> AsyncIterator[Ticket]:
        """Wait until a request of so many tokens may be sent, and count it while it is on its way.

        Raises:
            Stopped: `stop` was called while it waited.
        """
        ticket = await self._wait(tokens)
        try:
            yield ticket
        finally:
            self.flying -= 1
            self._wake()

    async def _wait(self, tokens: int) -> Ticket:
        begun = self._round
        while True:
            if begun != self._round:
                raise Stopped
            pause = self._pause(tokens)
            if pause == 0:
                break
            changed = self._changed
            try:
                async with asyncio.timeout(pause):
                    await changed.wait()
            except TimeoutError:
                pass
        self.flying += 1
        return Ticket(self.requests.take(1), self.tokens.take(tokens), self.clock())

    def _pause(self, tokens: int) -> float | None:
        """Return the seconds to wait, 0 for none, None until something changes."""
        now = self.clock()
        if now < self.resume_at:
            # Not all at the same instant afterwards.
            return self.resume_at - now + random.uniform(0, 0.05)
        if self.flying >= int(self.limit):
            return None
        return max(self.requests.wait(1, now), self.tokens.wait(tokens, now))

    async def sleep(self, pause: float) -> None:
        """Wait before asking again; raises Stopped as `turn` does."""
        begun, until = self._round, self.clock() + pause
        while (left := until - self.clock()) > 0 and begun == self._round:
            changed = self._changed
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                pass
        if begun != self._round:
            raise Stopped

    def learn(self, ticket: Ticket, headers: Mapping[str, str]) -> None:
        """Read the rate-limit headers of an answer, a good one or not."""
        now = self.clock()
        self.requests.learn(headers, "requests", ticket.sent_requests, now)
        self.tokens.learn(headers, "tokens", ticket.sent_tokens, now)

    def grow(self) -> None:
        """Allow a little more on its way: a request was answered."""
        self.limit = min(self.most, self.limit + (1 / self.limit if self._eased else 1))
        self._wake()

    def ease(self, ticket: Ticket, pause: float) -> None:
        """Halve what goes on, and let everybody wait: a request was refused as one too many.

        Refusals of requests that were sent before the last cut say nothing new, and cut no more.
        """
        now = self.clock()
        self.resume_at = max(self.resume_at, now + pause)
        if ticket.at > self._cut_at:
            self.limit, self._eased, self._cut_at = max(1.0, self.limit / 2), True, now
        self._wake()

    def stop(self) -> None:
        """Let everybody who waits raise Stopped; requests made later are not concerned."""
        self._round += 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
