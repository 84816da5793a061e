"""Are a claim's quotations true, and does the claim say what they say? Checked, never trusted.

A quotation is true when its words stand in the passage that it cites, one after the other, whole.
That is not yet support: a true quotation can stand under a false claim. So a claim is `supported`
only where it says, word for word, what a whole sentence of the source says; it is `unverified`
where that cannot be shown, with what is missing by name; it is `dropped` where a quotation is not
true. No model judges here, and the places come from the passage, not from the model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from veclab.rag.sentences import split_sentences
from veclab.rag.words import Word, find_words, has_number, read_words
from veclab.report import one_line

Status = Literal["supported", "unverified", "dropped"]


@dataclass(frozen=True, slots=True)
class Quote:
    """What a model says that a source says.

    Attributes:
        source: number of the passage, from 1; None where the model named none.
        text: the words it quotes.
    """

    source: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer, with the quotations that are to support it."""

    text: str
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Citation:
    """A quotation found again.

    Attributes:
        source: number of the passage, from 1.
        start, end: where it stands in the passage's text, in characters.
        text: the passage's own words there.
    """

    source: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a claim.

    Attributes:
        claim: as the model gave it.
        status: `supported`, `unverified` (the quotations are true, the claim says something else
            or says it in other words) or `dropped`.
        citations: of its quotations, in order; none where it was dropped.
        reasons: why it is not supported.
    """

    claim: Claim
    status: Status
    citations: tuple[Citation, ...] = ()
    reasons: tuple[str, ...] = ()


def verify(claim: Claim, passages: Sequence[str], cut: Collection[int] = frozenset()) -> Verdict:
    """Check a claim against the passages that the model was given.

    Args:
        claim: with its quotations.
        passages: texts, the first is number 1.
        cut: numbers of passages that begin in the midst of a sentence: what that says is not known.
    """
    if not claim.quotes:
        return Verdict(claim, "dropped", reasons=("it quotes no source",))
    texts = [_words_of(passage) for passage in passages]
    citations, faults = [], []
    for quote in claim.quotes:
        found = _find(quote, passages, texts)
        if isinstance(found, Citation):
            citations.append(found)
        else:
            faults.append(found)
    if faults:
        return Verdict(claim, "dropped", reasons=tuple(faults))
    reasons = _doubts(claim.text, citations, passages, cut)
    return Verdict(
        claim, "unverified" if reasons else "supported", tuple(citations), tuple(reasons)
    )


def verify_quotations(claim: Claim, passages: Sequence[str]) -> Verdict:
    """Check only that a claim's quotations are true: for one that says no more than they do."""
    texts = [_words_of(passage) for passage in passages]
    found = [_find(quote, passages, texts) for quote in claim.quotes]
    faults = tuple(fault for fault in found if isinstance(fault, str))
    citations = tuple(place for place in found if isinstance(place, Citation))
    if faults or not citations:
        return Verdict(claim, "dropped", reasons=faults or ("it quotes no source",))
    return Verdict(claim, "supported", citations)


def locate(quote: Quote, passages: Sequence[str]) -> Citation | None:
    """Where a quotation stands in the passage that it cites; None where it does not."""
    found = _find(quote, passages, [_words_of(passage) for passage in passages])
    return found if isinstance(found, Citation) else None


@lru_cache(maxsize=64)
def _words_of(passage: str) -> tuple[Word, ...]:
    """The words of a passage, which every claim is compared with."""
    return tuple(read_words(passage))


_STOPS = tuple(".!?。")
_ELLIPSIS = re.compile(r"\.\.\.|…|\[\s*…?\s*\]")


def _find(quote: Quote, passages: Sequence[str], texts: Sequence[Sequence[Word]]) -> Citation | str:
    """The place of a quotation, or why there is none."""
    number = quote.source
    if number is None:
        return f"it does not say which source it quotes: {_short(quote.text)}"
    if not 1 <= number <= len(passages):
        return f"it cites [{number}], and there are {len(passages)} sources"
    wanted = read_words(quote.text)
    if not any(letter.isalnum() for word in wanted for letter in word.text):
        return f"it quotes no words of [{number}]"
    place = find_words(wanted, texts[number - 1])
    if place is not None:
        words = texts[number - 1]
        passage, start = passages[number - 1], words[place[0]].start
        end = _with_stop(passage, words[place[1] - 1].end, quote.text)
        return Citation(number, start, end, passage[start:end])
    return f"{_short(quote.text)} does not stand in [{number}]" + _whereabouts(wanted, quote, texts)


def _with_stop(passage: str, end: int, quote: str) -> int:
    """The end with the mark that ends a sentence, where the quotation has it, too."""
    stops = quote.rstrip("\"'”’ ")[-1:] in _STOPS
    return end + 1 if stops and passage[end : end + 1] in _STOPS else end


def _whereabouts(wanted: list[Word], quote: Quote, texts: Sequence[Sequence[Word]]) -> str:
    """What else can be said of a quotation that is not in its source."""
    others = [f"[{i}]" for i, words in enumerate(texts, 1) if find_words(wanted, words)]
    if others:
        return f", but in {', '.join(others)}"
    parts = [part for part in map(read_words, _ELLIPSIS.split(quote.text)) if part]
    words = texts[(quote.source or 1) - 1]
    if len(parts) > 1 and all(find_words(part, words) for part in parts):
        return ": it joins parts that stand apart there"
    for cut in range(1, len(wanted)):
        if find_words(wanted[:cut], words) and find_words(wanted[cut:], words):
            return ": it joins parts that stand apart there"
    return ""


# Support.

_ARTICLES = frozenset({"a", "an", "the"})
# May open a sentence without changing what it says.
_OPENING_WORDS = """
however therefore thus hence also moreover furthermore finally additionally then so and note that
"""
_OPENERS = frozenset(_OPENING_WORDS.split())
# Words that turn, limit or attribute a statement.
_TURNING_WORDS = """
not no never none nobody nothing nowhere neither nor without unless except only if hardly barely
rarely seldom may might could should must cannot false untrue wrong nicht kein keine keinen keiner
nie niemals ohne nur wenn falls ne pas jamais aucun aucune sans sauf si seulement nunca ningún
ninguno sin excepto solo sólo non mai senza nessuno não sem niet geen 不 没 沒 無 无 未 非 否
"""
_TURNING = frozenset(_TURNING_WORDS.split())


def _doubts(
    claim: str, citations: Sequence[Citation], passages: Sequence[str], cut: Collection[int]
) -> list[str]:
    """Why the quotations do not show the claim; empty where they do."""
    sentences = [
        sentence
        for citation in citations
        for sentence in _sentences_at(
            citation, passages[citation.source - 1], citation.source in cut
        )
    ]
    said = [_comparable(read_words(text)) for text in sentences if not text.endswith(("?", "？"))]
    parts = [_comparable(read_words(claim[a:b])) for a, b in split_sentences(claim)]
    parts = [part for part in parts if part]
    if not parts or not any(letter.isalnum() for part in parts for word in part for letter in word):
        return ["it says nothing that could be checked"]
    if claim.rstrip().endswith(("?", "？")):
        return ["it is a question"]
    # A sentence for each part; or one sentence for all, should they have been split differently.
    if all(part in said for part in parts) or [word for part in parts for word in part] in said:
        return []
    return _differences(claim, sentences)


def _sentences_at(citation: Citation, passage: str, cut: bool) -> list[str]:
    """The whole sentences of the passage in which a quotation stands."""
    spans = split_sentences(passage)[1 if cut else 0 :]
    return [passage[a:b] for a, b in spans if a < citation.end and citation.start < b]


def _comparable(words: Sequence[Word]) -> list[str]:
    """A sentence's words without articles and openers, contractions written out, in small letters.

    A word with a digit in it, a single letter or an option keeps its case: `-v` is not `-V`.
    """
    plain: list[str] = []
    for word in words:
        text = word.text
        exact = len(text) < 2 or text.startswith("-") or has_number(text)
        plain += [text] if exact else _written_out(text.casefold())
    while plain and plain[0].casefold() in _OPENERS:
        del plain[0]
    return [word for word in plain if word.casefold() not in _ARTICLES]


def _written_out(word: str) -> list[str]:
    if word == "cannot":
        return ["can", "not"]
    if word.endswith("n't"):
        stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(word[:-3], word[:-3])
        return [stem, "not"]
    return [word]


def _differences(claim: str, sentences: Sequence[str]) -> list[str]:
    """What stands in the claim and not in the sentences quoted; turning words the other way too."""
    claimed = read_words(claim)
    mine = Counter(_comparable(claimed))
    theirs: Counter[str] = Counter()
    for sentence in sentences:
        theirs |= Counter(_comparable(read_words(sentence)))
    names = {word.text.casefold() for i, word in enumerate(claimed) if _is_name(word.text, i)}
    missing = [word for word in mine if not _stands(word, theirs)]
    kinds = {
        "numbers": [word for word in missing if has_number(word)],
        "names": [word for word in missing if word in names and not has_number(word)],
    }
    told = {word for words in kinds.values() for word in words}
    turning = [word for word in missing if word in _TURNING]
    kinds["words"] = [word for word in missing if word not in told and word not in turning]
    reasons = [
        f"{kind} that the quotation does not have: {', '.join(words)}"
        for kind, words in kinds.items()
        if words
    ]
    if turning:
        reasons.append(f"the quotation does not say: {', '.join(turning)}")
    left_out = [word for word in theirs if word in _TURNING and mine[word] < theirs[word]]
    if left_out:
        reasons.append(f"the quotation says, and the claim does not: {', '.join(left_out)}")
    return reasons or ["the quotation has its words, but not as one sentence in this order"]


def _is_name(word: str, position: int) -> bool:
    capitals = sum(letter.isupper() for letter in word)
    return capitals > (1 if position == 0 else 0)


def _stands(word: str, words: Counter[str]) -> bool:
    """Whether it is among the words, the plural's or the verb's s aside."""
    if word in words or f"{word}s" in words:
        return True
    return len(word) > 3 and word.endswith("s") and word[:-1] in words


def _short(text: str) -> str:
    return repr(one_line(text, 60))
