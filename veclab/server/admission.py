"""Who may wait: as much work as can be done in a bearable time; the others are told when to come.

OpenAI's client asks twice more. It comes when `retry-after-ms` says, so everybody sent away is
given a time of their own, in the order in which room will be there; and who comes again finds more
room than a newcomer, so that the second try does not fail where the first did.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from veclab.server.problems import Problem

# How far beyond the limit those may queue who were sent away once, and twice.
_PATIENCE = (1.0, 2.0, 4.0)
# OpenAI's client does not wait longer than two minutes, and then does not ask again.
_LONGEST = 60.0
_SHORTEST = 0.02
# Seconds of work over which the pace is averaged.
_MEMORY = 5.0


class Admission:
    """The work that waits, in tokens (estimated before they are counted), and the pace of it.

    Attributes:
        backlog: tokens admitted and not finished.
        most_seconds: how long the last in the queue may have to wait.
        rejected: how many requests were sent away.
    """

    def __init__(
        self,
        pace: float,
        most_seconds: float,
        least: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """See the class.

        Args:
            pace: tokens per second, for a beginning.
            most_seconds: see the class.
            least: tokens that may always wait: two batches for each stream, say.
            clock: gives seconds.
        """
        self.backlog = 0
        self.most_seconds = most_seconds
        self.rejected = 0
        self._least, self._clock = least, clock
        self._lock = threading.Lock()
        self._work, self._seconds = pace, 1.0
        self._last = clock()
        self._promised = 0.0

    @property
    def pace(self) -> float:
        """Tokens per second, as measured over the last seconds of work."""
        return self._work / self._seconds

    @property
    def capacity(self) -> float:
        """Tokens that may wait."""
        return max(self._least, self.pace * self.most_seconds)

    def enter(self, cost: int, tries: int = 0) -> None:
        """Let work in.

        Args:
            cost: tokens, estimated.
            tries: how often this request was sent away already.

        Raises:
            Problem: the queue is full (429), with the time to come again.
        """
        with self._lock:
            room = self.capacity * _PATIENCE[min(tries, len(_PATIENCE) - 1)]
            if self.backlog == 0:
                self._last = self._clock()
            elif self.backlog + cost > room:
                self.rejected += 1
                raise _full(self._slot(cost))
            self.backlog += cost

    def leave(self, cost: int, *, computed: bool) -> None:
        """Take work out: it is done, or nobody waits for it any more.

        Args:
            cost: as it came in.
            computed: whether it took the model's time, and so tells of its pace.
        """
        with self._lock:
            self.backlog -= cost
            now = self._clock()
            if computed:
                self._work += cost
                self._seconds += max(now - self._last, 1e-6)
                if self._seconds > _MEMORY:
                    self._work, self._seconds = self._work / 2, self._seconds / 2
                self._last = now

    def _slot(self, cost: int) -> float:
        """Return the seconds until it is this request's turn to come again."""
        now, pace = self._clock(), self.pace
        room = now + (self.backlog + cost - self.capacity) / pace
        at = max(room, self._promised)
        self._promised = at + cost / pace
        # Nobody comes early, and those of one moment do not come in one moment.
        wait = (at - now) * random.uniform(1.0, 1.2) + random.uniform(0.0, 0.05)
        return min(max(wait, _SHORTEST), _LONGEST)


def _full(seconds: float) -> Problem:
    return Problem(
        429,
        f"The server is busy: its queue is full. Try again in {seconds:.2f} seconds.",
        kind="rate_limit_error",
        code="rate_limit_exceeded",
        headers={
            "retry-after-ms": str(max(1, round(seconds * 1000))),
            "retry-after": str(max(1, -(-round(seconds * 1000) // 1000))),
        },
    )
