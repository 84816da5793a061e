"""What can go wrong with one request, counted until it is enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from veclab.models.openai.responses import Fault

if TYPE_CHECKING:
    from tenacity import RetryCallState

# How often a request is sent at most: to a server in trouble, to one that was never reached, and
# to one whose answers cannot be used.
TRIES_TROUBLE = 8
TRIES_UNREACHED = 3
TRIES_FAULT = 6
# After so many failures that may be the texts' doing it is found out whether they are.
SUSPICIOUS = 3


class Trouble(Exception):
    """A request that failed in a way that may pass.

    Attributes:
        wait: seconds to wait as the server asked, None where it did not.
        tries: how often to try in all.
        innocent: it says nothing about the texts that were sent.
        late: no answer came in time.
    """

    def __init__(
        self,
        reason: str,
        *,
        wait: float | None = None,
        tries: int = TRIES_TROUBLE,
        innocent: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(reason)
        self.wait, self.tries = wait, tries
        self.innocent, self.late = innocent, late


@dataclass(slots=True)
class Tally:
    """What one batch took; the fields of `veclab.provider.BatchResult`."""

    requests: int = 0
    tokens: int = 0
    unanswered: int = 0
    tokens_unanswered: int = 0

    def lose(self, tokens: int) -> None:
        """Count a request that was sent and of which nobody knows whether it was billed."""
        self.unanswered += 1
        self.tokens_unanswered += tokens


@dataclass(slots=True)
class Failures:
    """Of one request, sent again and again: troubles and useless answers are counted apart.

    Attributes:
        texts: in the request.
        suspect: whether to stop early where the texts may be what is wrong.
        troubles: failures of the server.
        faults: useless answers.
        suspicious: failures of either kind that may be the texts' doing.
        late: requests that were not answered in time.
        used_up: no further try is allowed, whoever is to blame.
    """

    texts: int
    suspect: bool
    troubles: int = 0
    faults: list[Fault] = field(default_factory=list)
    suspicious: int = 0
    late: int = 0
    used_up: bool = False

    def enough(self, state: RetryCallState) -> bool:
        """Return whether one more failure, the outcome in `state`, was the last allowed."""
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, Fault):
            self.faults.append(error)
            self.suspicious += not error.rows
            self.used_up = len(self.faults) >= TRIES_FAULT
        else:
            assert isinstance(error, Trouble)
            self.troubles += 1
            self.suspicious += not error.innocent
            self.late += error.late
            self.used_up = self.troubles >= error.tries
        # Time-outs are minutes, also where there is only one text to suspect.
        suspicious = self.suspicious if self.texts > 1 else self.late
        return self.used_up or (self.suspect and suspicious >= SUSPICIOUS)

    def summed(self, last: Fault) -> Fault:
        """Return the last fault; it blames a row only if every answer was bad in that row."""
        rows = set.intersection(*(set(fault.rows) for fault in self.faults))
        return Fault(str(last), rows=sorted(rows), dimensions=last.dimensions)
