"""The manifest: what became of every shard, in one JSON file beside the vectors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from veclab.cluster.inputs import MANIFEST, Shard
from veclab.cluster.job import Job
from veclab.cluster.places import Entry, Place
from veclab.jsontext import parse_json

# Seconds between writings of a manifest that grows, and how many times the seconds one takes.
_EVERY, _SHARE = 1.0, 50
_DONE = ("done", "there")


@dataclass(slots=True)
class Manifest:
    """What became of the shards of a job.

    Attributes:
        job: what was done to each.
        shards: by the name of the output: `state` ("done", "failed"), `input`, and `rows`,
            `bytes`, `sha256`, `seconds`, counts of a Report, or the `reason`.
        state: "running", "complete" (some may have failed), or "stopped" with a `reason`.
        notes: what the user should know.
        seconds: wall time of this run.
    """

    job: Job
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: str = "running"
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    again: int = 0  # shards that were there already
    _next: float = field(default=-1e9, repr=False)

    @classmethod
    def of_place(cls, place: Place) -> Self | None:
        """Read the one of an earlier run; None where there is none that can be read."""
        data = place.read(MANIFEST)
        if data is None:
            return None
        try:
            value = parse_json(data)
            return cls(Job.from_dict(value["job"]), dict(value["shards"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # the shards tell themselves what they are

    def knows(self, shard: Shard, job: Job, there: Entry | None) -> bool:
        """Return whether a shard is known to be done, with nothing changed since."""
        known = self.shards.get(shard.output)
        if known is None or there is None or self.job.id != job.id:
            return False
        return (
            known.get("state") in _DONE
            and known.get("input") == shard.input.name
            and known.get("input_tag") == shard.input.tag
            and known.get("tag") == there.tag
        )

    def take(self, shard: Shard, facts: Mapping[str, Any]) -> None:
        """Enter what became of a shard."""
        facts = dict(facts)
        if facts["state"] == "there":  # as an earlier run knew it
            self.again += 1
            before = self.shards.get(shard.output, {})
            facts = {**{k: v for k, v in before.items() if k != "reason"}, **facts}
            facts["state"] = "done"
        self.shards[shard.output] = facts

    @property
    def failed(self) -> dict[str, str]:
        """The reasons of shards that were set aside, by the name of the input."""
        found = (f for f in self.shards.values() if f["state"] == "failed")
        return {facts["input"]: facts["reason"] for facts in found}

    @property
    def done(self) -> int:
        """How many shards have their output."""
        return sum(facts["state"] == "done" for facts in self.shards.values())

    @property
    def totals(self) -> dict[str, int | float]:
        """Sums over shards that are done."""
        sums: dict[str, int | float] = {"rows": 0, "bytes": 0}
        for facts in self.shards.values():
            if facts["state"] != "done":
                continue
            for name, value in facts.items():
                if type(value) in (int, float) and name != "seconds":
                    sums[name] = sums.get(name, 0) + value
        return sums

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        from veclab import __version__

        return {
            "veclab": __version__,
            "state": self.state,
            **({"reason": self.reason} if self.reason else {}),
            "job": self.job.to_dict(),
            "done": self.done,
            "failed": self.failed,
            "totals": self.totals,
            "seconds": self.seconds,
            "notes": self.notes,
            "shards": dict(sorted(self.shards.items())),
        }

    def write(self, place: Place, *, now: bool = True) -> None:
        """Write it, or, unless `now`, only if that was not just done; raises StorageRefused."""
        start = time.monotonic()
        if now or start >= self._next:
            place.write(MANIFEST, json.dumps(self.to_dict(), indent=1).encode())
            end = time.monotonic()
            self._next = end + max(_EVERY, _SHARE * (end - start))

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, value) pairs for people."""
        totals = self.totals
        there = f", {self.again:,} of them there already" if self.again else ""
        rows = [("shards", f"{self.done:,} done{there}")]
        rows.append(("vectors", f"{totals['rows']:,}"))
        for name, said in (
            ("truncated", "texts over the limit, read in part"),
            ("split", "texts over the limit, read in windows"),
            ("empty", "texts left out, empty"),
            ("unknown", "texts left out, the model knows no token in them"),
            ("partly_unknown", "texts hold tokens that the model does not know"),
            ("refused", "texts left out, refused by the endpoint"),
        ):
            if totals.get(name):
                rows.append(
                    (name.replace("partly_unknown", "not known"), f"{totals[name]:,} {said}")
                )
        if totals.get("dollars"):
            rows.append(("bought", f"{totals['dollars']:,.4f} dollars"))
        if self.failed:
            rows.append(("set aside", f"{len(self.failed):,} shards; {MANIFEST} has the reasons"))
        rows.append(("seconds", f"{self.seconds:,.2f}"))
        return rows
