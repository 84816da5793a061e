"""The language of texts, for the stemmer of the keyword index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from veclab.errors import InputError
from veclab.languages import language_detector

# Codes of ISO 639-1 to the names of Snowball's stemmers.
LANGUAGES = {
    "ar": "Arabic",
    "da": "Danish",
    "nl": "Dutch",
    "en": "English",
    "fi": "Finnish",
    "fr": "French",
    "de": "German",
    "el": "Greek",
    "hu": "Hungarian",
    "it": "Italian",
    "no": "Norwegian",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "es": "Spanish",
    "sv": "Swedish",
    "ta": "Tamil",
    "tr": "Turkish",
}
NO_LANGUAGE = "none"  # words are searched as they are written
_SAMPLE = 200


def stemmer(name: str) -> str:
    """The stemmer for a language's name or code; raises InputError for others."""
    known = {n.lower(): n for n in LANGUAGES.values()} | LANGUAGES | {NO_LANGUAGE: NO_LANGUAGE}
    if name.lower() not in known:
        raise InputError(
            f"there is no stemmer for the language {name!r}; available: "
            f"{', '.join(sorted(LANGUAGES.values()))}, and {NO_LANGUAGE} for none"
        )
    return known[name.lower()]


def find_language(texts: Sequence[str]) -> tuple[str, str]:
    """The stemmer for the language most texts are in, and a note that says how it was found."""
    detect = language_detector()
    if detect is None:
        return "English", (
            "words are stemmed as English: the language was not looked for, which needs "
            "pip install 'veclab[languages]'; or say --language"
        )
    step = max(1, len(texts) // _SAMPLE)
    sample = [" ".join(text.split())[:300] for text in texts[::step]]
    found = Counter(detect(text) for text in sample if text)
    code, times = found.most_common(1)[0] if found else ("en", 0)
    name = LANGUAGES.get(code, NO_LANGUAGE)
    share = f"{times} of {len(sample)} texts looked at are in {code!r}"
    if name == NO_LANGUAGE:
        return name, f"{share}, for which there is no stemmer: words are searched as written"
    return name, f"words are stemmed as {name}: {share}"
