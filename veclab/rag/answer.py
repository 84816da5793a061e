"""Answer: what a question was answered with, and everything that speaks for it or against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from veclab.rag.citations import Citation, Verdict

if TYPE_CHECKING:
    from veclab.rag.evidence import Evidence
    from veclab.rag.threshold import Threshold
    from veclab.store.passage import Hit, Passage

Outcome = Literal["answered", "refused", "failed"]
REFUSAL = "Not in these documents."


@dataclass(frozen=True, slots=True)
class Reference:
    """A source as the answer numbers it.

    Attributes:
        number: in the answer, from 1, in the order of first use.
        passage: that is cited.
        quotes: what is quoted of it, in its own words, with spans in the document's text (in the
            passage's own where the passage does not know its place).
    """

    number: int
    passage: Passage
    quotes: tuple[tuple[int, int, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        passage = self.passage
        return {
            "number": self.number,
            "id": passage.id,
            "document": passage.document,
            "file": passage.file,
            "page": passage.page,
            "last_page": passage.last_page,
            "heading": list(passage.heading),
            "quotes": [{"start": a, "end": b, "text": text} for a, b, text in self.quotes],
        }


@dataclass(frozen=True, slots=True)
class Line:
    """One claim of the answer, with the numbers of the references that stand behind it."""

    text: str
    verdict: Verdict
    numbers: tuple[int, ...]
    quoted: bool

    def __str__(self) -> str:
        marks = "".join(f"[{number}]" for number in self.numbers)
        text = f"“{self.text}”" if self.quoted else self.text
        label = "" if self.verdict.status == "supported" else " (unverified)"
        return f"{text} {marks}{label}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    Attributes:
        question: as it was asked.
        searched: what was looked for: the question, or a follow-up made to stand alone.
        outcome: `answered`; `refused`, as the evidence is too weak or the model says that the
            sources do not tell; `failed`, as nothing that the model said could be shown.
        by: the language model; None where the answer is made of the best sentences.
        lines: the claims that hold, in order.
        dropped: claims left out, and why.
        references: the sources that the lines cite.
        hits: what the search found, best first.
        evidence, threshold: how strong it is, and how strong it has to be.
        messages: the prompt; empty without a language model.
        tokens: of prompts and answers; dollars: what they cost, None where no price is known.
        notes: what was cut, left out or went wrong.
    """

    question: str
    searched: str
    outcome: Outcome
    by: str | None
    lines: tuple[Line, ...]
    dropped: tuple[Verdict, ...]
    references: tuple[Reference, ...]
    hits: tuple[Hit, ...]
    evidence: Evidence
    threshold: Threshold | None
    messages: tuple[dict[str, str], ...] = ()
    tokens: tuple[int, int] = (0, 0)
    dollars: float | None = 0.0
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer with its numbered citations, or that there is none."""
        if self.lines:
            return "\n".join(map(str, self.lines))
        return REFUSAL if self.outcome == "refused" else "No answer that the documents show."

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; see the attributes."""
        return {
            "question": self.question,
            "searched": self.searched,
            "outcome": self.outcome,
            "by": self.by or "extractive",
            "answer": self.text,
            "claims": [
                {
                    "text": line.text,
                    "status": line.verdict.status,
                    "citations": list(line.numbers),
                    "reasons": list(line.verdict.reasons),
                }
                for line in self.lines
            ],
            "dropped": [
                {
                    "text": verdict.claim.text,
                    "quotes": [
                        {"source": quote.source, "text": quote.text}
                        for quote in verdict.claim.quotes
                    ],
                    "reasons": list(verdict.reasons),
                }
                for verdict in self.dropped
            ],
            "sources": [reference.to_dict() for reference in self.references],
            "passages": [hit.to_dict() for hit in self.hits],
            "evidence": self.evidence.to_dict(),
            "threshold": None if self.threshold is None else self.threshold.to_dict(),
            "prompt": list(self.messages),
            "tokens": {"prompt": self.tokens[0], "answer": self.tokens[1]},
            "dollars": self.dollars,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class Writer:
    """Numbers references in the order in which claims come in.

    Attributes:
        passages: that the model saw, the first is its source 1.
        quoted: whether claims are the sources' own words, to be shown in quotation marks.
        parts: the smaller passages that each is made of; the one that holds a quotation is cited.
    """

    passages: Sequence[Passage]
    quoted: bool = False
    parts: Sequence[Sequence[Passage]] = ()
    lines: list[Line] = field(default_factory=list)
    dropped: list[Verdict] = field(default_factory=list)
    _cited: dict[str, Passage] = field(default_factory=dict)
    _quotes: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def take(self, verdict: Verdict) -> Line | None:
        """Add a claim; give its line, or None where it was dropped or said before."""
        if verdict.status == "dropped":
            self.dropped.append(verdict)
            return None
        if any(line.text == verdict.claim.text for line in self.lines):
            return None
        numbers = tuple(dict.fromkeys(self._number(citation) for citation in verdict.citations))
        line = Line(verdict.claim.text, verdict, numbers, self.quoted)
        self.lines.append(line)
        return line

    def references(self) -> tuple[Reference, ...]:
        """All sources cited so far, by number."""
        return tuple(
            Reference(number, passage, tuple(self._quotes[name]))
            for number, (name, passage) in enumerate(self._cited.items(), 1)
        )

    def _number(self, citation: Citation) -> int:
        whole = self.passages[citation.source - 1]
        offset = whole.start or 0
        start, end = offset + citation.start, offset + citation.end
        cited = self._part(citation.source, start, end) or whole
        name = f"{citation.source} {cited.id if cited is not whole else ''}"
        self._cited.setdefault(name, cited)
        quotes = self._quotes.setdefault(name, [])
        if (start, end, citation.text) not in quotes:
            quotes.append((start, end, citation.text))
        return list(self._cited).index(name) + 1

    def _part(self, source: int, start: int, end: int) -> Passage | None:
        """The one of a source's parts that holds a span of the document; None for no one part."""
        for part in self.parts[source - 1] if self.parts else ():
            if part.start is not None and part.start <= start and end <= (part.end or 0):
                return part
        return None
