"""Is it still the same model? A few fixed texts, embedded with the first batch of every run.

An endpoint's URL and a model's name do not say which weights answer. So what the model makes of
three short texts is remembered, by endpoint, model and dimensions, and compared each time. Beyond
what the endpoint's own noise explains it is another model: a new generation, with a Space and a
place in the cache of its own. See docs/space.md.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors, SpaceMismatch
from veclab.fingerprint import FLOOR, Fingerprint
from veclab.models.openai.endpoint import recall_canaries, remember
from veclab.models.openai.rate_limit import Stopped

# Never to be changed: what is remembered of them would be lost. Plain, short, each of a kind.
CANARY = (
    "The cat sat on the mat.",
    "Interest rates rose again in March.",
    "def area(r): return 3.14 * r ** 2",
)
# Where the noise must come with them.
TWICE = (*CANARY, *CANARY)
Vectors = NDArray[np.float32]


class Canary:
    """What is known of the model behind one name, and whether this run has looked.

    Attributes:
        url, model: where, and how it is called there.
        known: fingerprints of the models that were met there, the first one first.
        current: which of them answered last.
        checked: the day on which that was, None for never.
        seen: this run has looked.
        note: why it could not.
    """

    def __init__(self, url: str, model: str) -> None:
        self.url, self.model = url, model
        self.known: list[Fingerprint] = []
        self.current = 0
        self.checked: str | None = None
        self.seen = False
        self.note = ""
        self._changed = ""
        self._dimensions: int | None = None
        self._lock, self._pid = threading.Lock(), os.getpid()
        self._round = 0

    def begin(self, dimensions: int | None) -> None:
        """Begin a run, with what is remembered by now; another process may have looked."""
        self._dimensions = dimensions
        self.seen, self.note, self._changed = False, "", ""
        if dimensions is not None:
            found = recall_canaries(self.url, self.model, dimensions)
            self.known, self.current, self.checked = found

    @property
    def facts(self) -> dict[str, Any]:
        """What it adds to the Space."""
        if not self.known:
            return {"generation": None, "canary": None}
        return self._facts(self.current)

    def _facts(self, which: int) -> dict[str, Any]:
        one = self.known[which]
        return {"generation": one.name if which else None, "canary": str(one)}

    @property
    def texts(self) -> tuple[str, ...]:
        """What is sent: each text, and each once more where the noise is not known yet."""
        return CANARY if self.known else TWICE

    @property
    def unchecked(self) -> str:
        """What to say of a run that asked nothing."""
        last = f"it last answered on {self.checked}" if self.checked else "it was never checked"
        return (
            f"all vectors came from the cache, so {self.url} was not asked whether {self.model} is "
            f"still the model that made them ({last})"
        )

    def wait(self) -> bool:
        """Wait for the batch that looks; True for the batch that is to do it, then call `done`.

        Raises:
            Stopped: the run was stopped meanwhile.
            SpaceMismatch: it was found to be another model: nothing more of this run is asked.
        """
        if self.seen:
            return False
        self._in_this_process()
        before = self._round
        self._lock.acquire()
        if not self.seen and not self._changed and before == self._round:
            return True
        self._lock.release()
        if self._changed:
            raise SpaceMismatch(self._changed)
        if not self.seen:
            raise Stopped
        return False

    def _in_this_process(self) -> None:
        if self._pid != os.getpid():  # a forked child: whoever held the lock is not here
            self._lock, self._pid = threading.Lock(), os.getpid()

    def settled(self) -> str | None:
        """Wait for a batch that looks at this moment; return the generation that is there then."""
        self._in_this_process()
        with self._lock:
            generation: str | None = self.facts["generation"]
        return generation

    def done(self) -> None:
        """Let the others go on."""
        self._lock.release()

    def stop(self) -> None:
        """Let batches that wait raise Stopped."""
        self._round += 1

    def skip(self, reason: str) -> None:
        """Give up looking in this run."""
        self.seen, self.note = True, f"{self.url} was not checked for a change of model: {reason}"

    def recognize(self, vectors: Vectors) -> dict[str, Any]:
        """Tell which model answered some time ago, where nothing can be asked once more.

        One that was never met is remembered, as the model that is there now.

        Args:
            vectors: float32 (6, dim), of `TWICE`.

        Returns:
            What it adds to the Space of what came with it.

        Raises:
            BadVectors: each text was answered with two vectors that are not one model's.
        """
        today = datetime.now(UTC).date().isoformat()
        found = Fingerprint.of(vectors[:3], today)
        noise = found.distance(Fingerprint.of(vectors[3:], today))
        if noise > FLOOR and not any(found.alike(one) for one in self.known):
            raise BadVectors(
                f"{self.url} gave the same short text two vectors under the name {self.model} "
                f"(distance {noise:.2f}): more than one model answered, so nobody knows which of "
                "them made the others. Nothing of it was kept"
            )
        found = replace(found, noise=noise)
        met = next((i for i, one in enumerate(self.known) if found.alike(one)), None)
        if met is None:
            met = len(self.known)
            self.seen = False
            self._remember([*self.known, found], met, today)
        return self._facts(met)

    def made(self, vector: Vectors, again: Vectors) -> bool:
        """Return whether a text's vector, float32 (dim,), is the present model's, which gave one.

        It is one model's that gave either, as near as two of its answers are.
        """
        one, other = (v / np.linalg.norm(v.astype(np.float64)) for v in (vector, again))
        return self.known[self.current].explains(float(np.linalg.norm(one - other)))

    async def judge(self, vectors: Vectors, again: Callable[[], Awaitable[Vectors]]) -> None:
        """Compare with what is remembered, and remember.

        Args:
            vectors: float32 (3, dim), or (6, dim) with each text once more.
            again: asks once more, alone.

        Raises:
            SpaceMismatch: it is another model than the run began with.
            BadVectors: now one model answers, now another.
        """
        today = datetime.now(UTC).date().isoformat()
        found = Fingerprint.of(vectors[:3], today)
        if len(vectors) == 2 * len(CANARY):
            found = replace(found, noise=found.distance(Fingerprint.of(vectors[3:], today)))
        if not self.known:
            self._confirm([found], 0, today)
            return
        expected = self.known[self.current]
        if found.alike(expected):
            self._confirm(self.known, self.current, today)
            return
        # A change, or noise: asked once more, which tells the two apart.
        second = Fingerprint.of(await again(), today)
        noise = max(found.distance(second), found.noise)
        found = replace(found, noise=noise)
        if found.alike(expected):
            known = list(self.known)
            known[self.current] = replace(expected, noise=noise)
            self._confirm(known, self.current, today)
            return
        if not found.alike(second) or second.alike(expected):
            raise BadVectors(
                f"{self.url} answers under the name {self.model} now with one model, now with "
                "another: the same short texts, asked twice, got other vectors. Nothing of it was "
                "kept"
            )
        self._change(found, expected, today)

    def _change(self, found: Fingerprint, expected: Fingerprint, today: str) -> None:
        """Remember that it is another model; the run that began with the one before ends."""
        before = self.checked or expected.seen
        met = next((i for i, one in enumerate(self.known) if found.alike(one)), None)
        known = [*self.known, found] if met is None else self.known
        self._remember(known, len(self.known) if met is None else met, today)
        kind = "a new one" if met is None else f"the one of {self.known[met].seen}"
        self._changed = (
            f"{self.url} has another model under the name {self.model} than on {before}: {kind}. "
            f"Fixed short texts got other vectors (distance {found.distance(expected):.2f}, the "
            f"endpoint's own noise is {max(found.noise, expected.noise):.4f}). Vectors made "
            f"before cannot be compared with those made from {today} on. What this answer holds "
            "is kept as the new model's, where there is a cache. Run again: that goes on with the "
            "new model, in a Space of its own, and embeds the texts of the old one anew"
        )
        raise SpaceMismatch(self._changed)

    def _confirm(self, known: Sequence[Fingerprint], current: int, today: str) -> None:
        """Remember that it is the model that the run began with: the others need not wait."""
        self._remember(known, current, today)
        self.seen = True

    def _remember(self, known: Sequence[Fingerprint], current: int, today: str) -> None:
        self.known, self.current, self.checked = list(known), current, today
        remember(
            self.url,
            self.model,
            self._dimensions,
            canaries=[str(one) for one in known],
            canary=current,
            checked=today,
        )
