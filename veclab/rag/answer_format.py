"""The form in which a model answers, and a reader that takes what small models make of it.

Asked for are pairs of lines:

    CLAIM: one sentence
    QUOTE [2]: "words of source 2"

Read are also bold or numbered labels, `SOURCE: 2` on a line of its own, quotations over several
lines, sentences followed by `[2] "words"`, and JSON. Whatever else a model says is kept as `stray`.
"""

from __future__ import annotations

import re
from typing import Any

from veclab.jsontext import parse_json
from veclab.rag.citations import Claim, Quote

NOT_FOUND = "NOT IN THESE SOURCES"

_DECORATION = r"[\s>*_#•-]*(?:\d+[.)]\s+)?[*_]*"
_NUMBER = r"[\[(<#\s]*(?:source|quelle|passage|doc(?:ument)?)?[\s#:]*(\d{1,4})[\])>]*"
_CLAIM = re.compile(
    rf"{_DECORATION}(?:CLAIM|STATEMENT|ANSWER)\s*\d*\s*[*_]*\s*:[*_]*\s*(.*)", re.I | re.S
)
_QUOTE = re.compile(
    rf"{_DECORATION}(?:QUOTES?|QUOTATION|EVIDENCE|CITATION)\s*[*_]*\s*(?:{_NUMBER})?\s*[*_]*\s*:"
    r"[*_]*\s*(.*)",
    re.I | re.S,
)
_SOURCE = re.compile(rf"{_DECORATION}SOURCES?\s*[*_]*\s*:[*_]*\s*{_NUMBER}[*_.]*\s*$", re.I)
_NUMBER_FIRST = re.compile(r"^\[(\d{1,4})\]\s*:?\s*")
_NUMBER_LAST = re.compile(r"\s*[\[(](\d{1,4})[\])]\s*\.?$")
# A sentence, then `[2] "words"` or `[2: "words"]`.
_INLINE = re.compile(r"\[(\d{1,4})(?:\]\s*[:(]?|\s*:)\s*[\"“](.+?)[\"”]\s*[\])]?", re.S)
_MARKS = re.compile(r"\s*\[\d{1,4}(?:\s*,\s*\d{1,4})*\]")
_REFUSED = re.compile(
    r"\W*(?:NOT|NOTHING)\s+(?:FOUND\s+)?IN\s+(?:THESE|THE|ANY OF THE)\s+(?:SOURCES|DOCUMENTS)\W*",
    re.I,
)
_PAIRS = {'"': '"', "“": "”", "”": "”", "„": "“", "«": "»", "'": "'", "‘": "’", "`": "`"}
# One line that never ends is no claim.
_LONGEST = 20_000


class AnswerReader:
    """Reads an answer as it comes in.

    Attributes:
        refused: whether the model said that the sources do not answer.
        stray: text that is neither claim nor quotation.
    """

    def __init__(self) -> None:
        self.refused = False
        self.stray: list[str] = []
        self._line = ""
        self._all: list[str] = []
        self._claim: str | None = None
        self._quotes: list[Quote] = []
        self._source: int | None = None
        self._open: str | None = None

    def feed(self, text: str) -> list[Claim]:
        """Take the next piece; give the claims that it completes."""
        self._all.append(text)
        lines = (self._line + text).split("\n")
        self._line = lines.pop()
        done = [claim for line in lines for claim in self._take(line)]
        if len(self._line) > _LONGEST:
            done += self._take(self._line)
            self._line = ""
        return done

    def close(self) -> list[Claim]:
        """The claims that end with the text."""
        done = self._take(self._line) if self._line else []
        self._line = ""
        done += self._finish()
        if not done and (claims := _read_json("".join(self._all))):
            self.stray.clear()
            return claims
        return done

    def _take(self, line: str) -> list[Claim]:
        line = line.rstrip("\r")
        if match := _CLAIM.match(line):
            done = self._finish()
            if _REFUSED.fullmatch(match[1]):
                self.refused = True
                return done
            self._claim, self._open = match[1].strip(), "claim"
            return done
        if match := _SOURCE.match(line):
            self._name_source(int(match[1]))
            return []
        if match := _QUOTE.match(line):
            number = int(match[1]) if match[1] else None
            self._quotes.append(Quote(number, match[2].strip()))
            self._open = "quote"
            return []
        if not line.strip():
            self._open = None
            return []
        return self._other(line)

    def _other(self, line: str) -> list[Claim]:
        """A line without a label."""
        if _REFUSED.fullmatch(line):
            self.refused = True
            return []
        if self._open == "quote":
            last = self._quotes[-1]
            self._quotes[-1] = Quote(last.source, f"{last.text}\n{line.strip()}".strip())
            return []
        if self._open == "claim":
            self._claim = f"{self._claim} {line.strip()}".strip()
            return []
        if inline := list(_INLINE.finditer(line)):
            done = self._finish()
            quotes = tuple(Quote(int(match[1]), match[2]) for match in inline)
            claim = _clean_claim(_INLINE.sub("", line))
            return [*done, Claim(claim, quotes)] if claim else done
        if line.strip() not in ("```", "```text", "---"):
            self.stray.append(line.strip())
        return []

    def _name_source(self, number: int) -> None:
        """`SOURCE: 2` belongs to the quotation before it, or to the one that follows."""
        if self._quotes and self._quotes[-1].source is None:
            self._quotes[-1] = Quote(number, self._quotes[-1].text)
        else:
            self._source = number

    def _finish(self) -> list[Claim]:
        claim, quotes = self._claim, self._quotes
        fallback = self._source
        self._claim, self._quotes, self._source, self._open = None, [], None, None
        if claim is None:
            self.stray += [quote.text for quote in quotes]
            return []
        marks = re.findall(r"\[(\d{1,4})\]", claim)
        if fallback is None and len(marks) == 1:
            fallback = int(marks[0])
        tidied = tuple(_tidy(quote, fallback) for quote in quotes)
        return [Claim(_clean_claim(claim), tidied)] if claim.strip() else []


def _clean_claim(text: str) -> str:
    text = _MARKS.sub("", text)
    return _unquote(re.sub(r"^[\s>*•-]+|[*\s]+$", "", text))


def _tidy(quote: Quote, fallback: int | None) -> Quote:
    """A quotation without its marks, and with the number that stands inside it or beside it."""
    text, number = quote.text.strip(), quote.source
    for pattern in (_NUMBER_FIRST, _NUMBER_LAST):
        if (match := pattern.search(text)) and (number is None or int(match[1]) == number):
            number = int(match[1])
            text = (text[: match.start()] + text[match.end() :]).strip()
    text = _unquote(text)
    return Quote(
        fallback if number is None else number, re.sub(r"^(?:\.\.\.|…)|(?:\.\.\.|…)$", "", text)
    )


def _unquote(text: str) -> str:
    text = text.strip()
    while len(text) > 1 and _PAIRS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def _read_json(text: str) -> list[Claim]:
    """Claims of an answer in JSON; none where it is not."""
    match = re.search(r"[\[{].*[\]}]", text, re.S)
    if match is None:
        return []
    try:
        value = parse_json(match[0])
    except (ValueError, RecursionError):
        return []
    if isinstance(value, dict):
        value = value.get("claims", value.get("answer", [value]))
    claims = [_json_claim(entry) for entry in value] if isinstance(value, list) else []
    return [claim for claim in claims if claim is not None]


def _json_claim(entry: Any) -> Claim | None:
    if not isinstance(entry, dict):
        return None
    low = {str(key).lower(): value for key, value in entry.items()}
    claim = low.get("claim", low.get("text"))
    if not isinstance(claim, str) or not claim.strip():
        return None
    quotes = low.get("quotes", [low] if "quote" in low else [])
    found = []
    for quote in quotes if isinstance(quotes, list) else []:
        if isinstance(quote, dict) and isinstance(quote.get("quote", quote.get("text")), str):
            inner = {str(key).lower(): value for key, value in quote.items()}
            number = inner.get("source", inner.get("id"))
            if isinstance(number, str) and number.strip("[] ").isdecimal():
                number = int(number.strip("[] "))
            sound = isinstance(number, int) and not isinstance(number, bool)
            text = inner.get("quote", inner.get("text"))
            found.append(_tidy(Quote(number if sound else None, str(text)), None))
    return Claim(_clean_claim(claim), tuple(found))
