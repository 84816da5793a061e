"""The words of a question that carry it, and which of them a text has."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from veclab.rag.words import has_number, read_words

# Words that say how something is asked, not what about.
_EMPTY_WORDS = """
above across against along although among around because behind below beneath beside besides
between beyond cannot despite down during each else etc even ever every few further hence herself
himself however inside instead into itself least less myself neither nor off often once onto
ourselves outside own per quite rather since somebody someone something still theirs themselves
though through throughout thus together toward towards unless upon within yet yourself yourselves
a about after again all also am an and any are as at be because been before being both but by can
could did do does doing done for from get gets getting give given gives go goes had has have
having he her here hers him his how i if in into is it its just let like make makes many may me
mean means might mine more most much must my need needs no not now of on one only or other our out
over own please same say says shall she should so some such tell than that the their them then
there these they thing things this those to too under until up us use used uses using very want
wants was way we were what when where whether which while who whom whose why will with without
would you your yours der das den dem des ein eine einen einem einer und oder ist sind wie
was wer wo warum wann welche welcher welches kann ich mit von zu im in auf für nicht le la les
un une des et ou est sont que qui quoi comment pourquoi quand où dans pour avec el los las una y o
es qué quién cómo por para con en de del
"""
# Of words in Latin script; one without is spelled out: zsh, npm, grpc.
_VOWEL = re.compile(r"[aeiouyäöüåæøœ\u00e0-\u00ff]|[^a-z]")
_EMPTY = frozenset(_EMPTY_WORDS.split())
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ed", "ies", "es", "s", "ly", "er", "ers")


def stem(word: str) -> str:
    """A word without its English endings; what is short or holds a digit stays whole."""
    low = word.casefold().removesuffix("'s")
    if has_number(low) or not low.isalpha():
        return low
    for ending in _ENDINGS:
        if low.endswith(ending) and len(low) - len(ending) >= (3 if ending == "s" else 4):
            low = low[: -len(ending)]
            break
    return low[:-1] if len(low) > 4 and low[-1] in "ey" else low


def content_words(text: str) -> list[str]:
    """The words that carry a text, each once, as they stand there."""
    found: dict[str, str] = {}
    for word in read_words(text):
        low = word.text.casefold()
        if low not in _EMPTY and any(letter.isalnum() for letter in low):
            found.setdefault(stem(low), text[word.start : word.end])
    return list(found.values())


def without(text: str, word: str) -> str:
    """A text with one of its words left out, wherever it stands; other forms of it, too."""
    gone = stem(word)
    for found in reversed(read_words(text)):
        if stem(found.text.casefold()) == gone:
            text = text[: found.start] + text[found.end :]
    return " ".join(text.split())


def names(text: str) -> list[str]:
    """Words that name something: with a digit, a capital where no sentence begins, or no vowel."""
    found, begins = [], True
    for word in read_words(text):
        shown = text[word.start : word.end]
        capital = any(letter.isupper() for letter in (shown[1:] if begins else shown))
        spelled = len(shown) > 2 and shown.isalpha() and not _VOWEL.search(shown.casefold())
        if (capital and shown != "I") or has_number(shown) or spelled:
            found.append(shown)
        begins = word.stop
    return list(dict.fromkeys(found))


def stems(text: str) -> set[str]:
    """The stems of all words of a text; of words like `apt-get.conf` the stems of their parts."""
    found = set()
    for word in read_words(text):
        found.add(stem(word.text))
        found.update(stem(part) for part in _parts(text[word.start : word.end]))
    return found


def coverage(weights: Sequence[tuple[str, float]], present: Collection[str]) -> float:
    """The share of a question's words, by weight, whose stems are present: 0 to 1."""
    total = sum(weight for _, weight in weights)
    if total <= 0:
        return 0.0
    return sum(weight for word, weight in weights if stem(word) in present) / total


def _parts(word: str) -> list[str]:
    spaced = "".join(letter if letter.isalnum() else " " for letter in word)
    parts = spaced.split()
    return parts if len(parts) > 1 else []
