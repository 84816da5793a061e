"""Report: what happened to the texts on their way to vectors."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from typing import Any, Self, cast, get_type_hints

from veclab.errors import InputError
from veclab.jsontext import parse_json

# A report must stay printable: of long lists it keeps the first ids, and the count beside them.
MAX_IDS = 1000
# Of notes that differ only in numbers and names a person reads a few; the JSON has all.
_FEW, _MOST_KINDS = 3, 20
_VARYING = re.compile(r"\d[\d,.]*|'[^']*'|\"[^\"]*\"")


@dataclass(slots=True, repr=False)
class Report:
    """What was embedded, reused, cut and left out in one run.

    Counts are of texts unless they say otherwise. `tokens` counts the texts as they were given
    (special tokens and prompt included); `tokens_embedded` only what the model read in this run.

    Attributes:
        texts: given, the empty ones included.
        distinct: different texts after preparation.
        cached: distinct texts whose vector came from the cache.
        embedded: distinct texts the model computed in this run.
        tokens_padding: tokens the model computed in this run only to fill batches up.
        truncated: texts over the limit of which the model read only the beginning.
        tokens_lost: tokens of those texts that the model never saw.
        split: texts over the limit that were embedded window by window and pooled.
        empty: texts left out because nothing was in them.
        unknown: texts left out because the model knows no token in them.
        partly_unknown: texts in which the model does not know some of the tokens it read (a word
            of over 100 letters, another script): any two of them are the same to it.
        tokens_unknown: such tokens; where windows of a split text overlap, those of each.
        repaired: texts in which lone surrogates became U+FFFD.
        refused: texts left out because the model's endpoint will not take them; `notes` has its
            reasons.
        requests: sent to the endpoint, those asked again included; 0 for a local model.
        tokens_bought: in this run, as the endpoint counted them.
        dollars: what they cost; None where the price is not known.
        unanswered: requests that were sent and not answered; they may be billed all the same, and
            count against a cost limit.
        tokens_unanswered: of those, as counted here; not among `tokens_bought`.
        truncated_ids, split_ids, empty_ids, unknown_ids, partly_unknown_ids, refused_ids: the
            first 1,000 ids of each.
        seconds: wall time.
        notes: what else the user should know.
    """

    texts: int = 0
    distinct: int = 0
    cached: int = 0
    embedded: int = 0
    tokens: int = 0
    tokens_embedded: int = 0
    tokens_padding: int = 0
    truncated: int = 0
    tokens_lost: int = 0
    split: int = 0
    empty: int = 0
    unknown: int = 0
    partly_unknown: int = 0
    tokens_unknown: int = 0
    repaired: int = 0
    refused: int = 0
    requests: int = 0
    tokens_bought: int = 0
    dollars: float | None = 0.0
    unanswered: int = 0
    tokens_unanswered: int = 0
    seconds: float = 0.0
    truncated_ids: list[str] = field(default_factory=list)
    split_ids: list[str] = field(default_factory=list)
    empty_ids: list[str] = field(default_factory=list)
    unknown_ids: list[str] = field(default_factory=list)
    partly_unknown_ids: list[str] = field(default_factory=list)
    refused_ids: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _noted: set[str] = field(default_factory=set, init=False, compare=False)

    def note(self, *texts: str) -> None:
        """Add notes, each once."""
        if len(self._noted) != len(self.notes):  # changed by other hands
            self._noted = set(self.notes)
        for text in texts:
            if text not in self._noted:
                self._noted.add(text)
                self.notes.append(text)

    def add(self, other: Report) -> None:
        """Add what another run did: counts, dollars and seconds in sum, ids and notes in turn."""
        for name, kind in get_type_hints(type(self)).items():
            mine, theirs = getattr(self, name), getattr(other, name)
            if kind in (int, float):
                setattr(self, name, mine + theirs)
            elif name.endswith("_ids"):
                extend_ids(mine, theirs)
        unknown = self.dollars is None or other.dollars is None
        self.dollars = None if unknown else cast(float, self.dollars) + cast(float, other.dollars)
        self.note(*other.notes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, every note among them."""
        plain = asdict(self)
        del plain["_noted"]
        return plain

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote; fields of a newer version are ignored.

        Raises:
            InputError: a field is of another type than `to_dict` writes.
        """
        known = {f.name for f in fields(cls) if f.init}
        for name, kind in get_type_hints(cls).items():
            if name in known and name in value and not _fits(value[name], kind):
                raise InputError(f"this is not a Report: its {name} is {value[name]!r:.60}")
        return cls(**{name: v for name, v in value.items() if name in known})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read `to_dict` written as JSON; raises InputError when it is something else."""
        try:
            value = parse_json(text)
        except ValueError as error:
            raise InputError(f"this is not a Report: {error}") from None
        if not isinstance(value, dict):
            raise InputError(f"this is not a Report but a {type(value).__name__}")
        return cls.from_dict(value)

    def lines(self) -> list[tuple[str, str]]:
        """Return (label, value) pairs for people: no lines about nothing, few of many notes."""
        rate = f" ({self.texts / self.seconds:,.0f} texts/s)" if self.seconds > 0 else ""
        rows = [
            ("texts", f"{self.texts:,}"),
            ("distinct", f"{self.distinct:,}"),
            ("from cache", f"{self.cached:,}"),
            ("embedded", f"{self.embedded:,}"),
            ("tokens", f"{self.tokens:,} ({self.tokens_embedded:,} embedded now)"),
            ("truncated", self.cut or "0"),
        ]
        if self.split:
            rows.append(("split", f"{self.split:,} over the limit: {shorten(self.split_ids)}"))
        if self.empty:
            rows.append(("empty", f"{self.empty:,} left out: {shorten(self.empty_ids)}"))
        if self.unknown:
            left = f"{self.unknown:,} left out, the model knows no token in them"
            rows.append(("unknown", f"{left}: {shorten(self.unknown_ids)}"))
        if self.partly_unknown:
            held = f"{self.partly_unknown:,} texts hold tokens that the model does not know"
            lost = f"{self.tokens_unknown:,} of {self.tokens:,}, all alike to it"
            rows.append(("not known", f"{held} ({lost}): {shorten(self.partly_unknown_ids)}"))
        if self.refused:
            rows.append(("refused", f"{self.refused:,} left out: {shorten(self.refused_ids)}"))
        if self.requests:
            cost = "price not known" if self.dollars is None else f"{self.dollars:,.4f} dollars"
            bought = f"{self.tokens_bought:,} tokens in {self.requests:,} requests, {cost}"
            rows.append(("bought", bought))
        if self.unanswered:
            said = f"{self.unanswered:,} requests sent, not answered"
            rows.append(("unanswered", f"{said}: up to {self.tokens_unanswered:,} tokens billed"))
        if self.repaired:
            rows.append(("repaired", f"{self.repaired:,} had lone surrogates, now U+FFFD"))
        rows.append(("seconds", f"{self.seconds:,.2f}{rate}"))
        rows.extend(("note", note) for note in group_notes(self.notes))
        return rows

    @property
    def left_out(self) -> str:
        """What has no row among the vectors, and why; empty where every text has one."""
        reasons = (
            (self.empty, "empty or blank", self.empty_ids),
            (self.unknown, "without any token that the model knows", self.unknown_ids),
            (self.refused, "refused by the model's endpoint", self.refused_ids),
        )
        said = [f"{n:,} {why} ({shorten(ids)})" for n, why, ids in reasons if n]
        return f"texts left out, which have no vector: {'; '.join(said)}" if said else ""

    @property
    def cut(self) -> str:
        """Which texts were read in part, and the way out; empty where every one was read whole."""
        if not self.truncated:
            return ""
        return (
            f"{self.truncated:,}, {self.tokens_lost:,} tokens never read: "
            f"{shorten(self.truncated_ids)} (the policy `split` reads all of them)"
        )

    def __str__(self) -> str:
        return "\n".join(f"{label:>10}  {value}" for label, value in self.lines())

    def __repr__(self) -> str:
        return f"<Report\n{self}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks; ids and notes are escaped, never markup."""
        rows = "".join(
            f"<tr><th>{html.escape(label)}</th><td>{html.escape(value)}</td></tr>"
            for label, value in self.lines()
        )
        return f"<table>{rows}</table>"


def _fits(value: object, kind: object) -> bool:
    """Return whether a value out of JSON is what a field holds."""
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind is int:
        return type(value) is int
    number = type(value) in (int, float) and isfinite(cast(float, value))
    return number or (value is None and kind is not float)


def extend_ids(ids: list[str], new: Iterable[str]) -> None:
    """Append to one of a report's lists of ids, up to MAX_IDS."""
    for name in new:
        if len(ids) >= MAX_IDS:
            return
        ids.append(name)


def one_line(text: str, width: int | None = None) -> str:
    """Return a text on one line, of at most `width` characters."""
    line = " ".join(text.split())
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def shorten(ids: list[str], shown: int = 5) -> str:
    """Return the first few ids, for a message."""
    return ", ".join(ids[:shown]) + (", …" if len(ids) > shown else "")


def group_notes(notes: Sequence[str]) -> list[str]:
    """Return notes for a person: of each kind the first few, and how many more there are.

    Of one kind are notes that begin alike ("refused: ..."), or that end alike ("a.pdf: no text",
    "b.pdf: no text"), numbers and quoted names aside.
    """
    alike = [_alike(note) for note in notes]
    sizes = Counter(key for keys in alike for key in keys)
    kinds: dict[str, list[str]] = {}
    for note, keys in zip(notes, alike, strict=True):
        kinds.setdefault(max(keys, key=sizes.__getitem__), []).append(note)
    lines = []
    for kind in list(kinds.values())[:_MOST_KINDS]:
        few = kind if len(kind) <= _FEW + 1 else kind[:_FEW]
        lines += few
        if len(few) < len(kind):
            lines.append(f"… and {len(kind) - len(few):,} more like these (JSON has all)")
    if left := sum(map(len, list(kinds.values())[_MOST_KINDS:])):
        lines.append(f"… and {left:,} other notes (JSON has all)")
    return lines


def _alike(note: str) -> tuple[str, ...]:
    """Return what a note has in common with others of its kind: its whole, its head, its end."""
    plain = _VARYING.sub("#", note)
    head, colon, end = plain.partition(": ")
    return (plain, f"{head}:", f": {end}") if colon else (plain,)
