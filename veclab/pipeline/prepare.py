"""Text preparation: the steps between a text as given and the text a model reads.

Each step is part of the Recipe, with its version, so that a vector of a text prepared in one way
is never taken for a vector of the same text prepared in another.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from veclab.errors import InputError, MissingExtra

# Always done, in this order.
DEFAULT_STEPS = ("newlines", "controls", "nfc")
# Done when asked for. Mojibake and mark-up come before the others, white space after them.
OPTIONAL_STEPS = ("mojibake", "markup", "whitespace")
_ORDER = ("mojibake", "markup", "newlines", "controls", "nfc", "whitespace")
# Raise a step's number when its result changes for any text.
_VERSIONS = dict.fromkeys(_ORDER, 1)

_SURROGATES = re.compile("[\ud800-\udfff]")
_NEWLINES = re.compile("\r\n|[\r\x85\u2028\u2029]")
# Old terminals' vertical tab, form feed and separators stood between words; the rest between
# letters, if anywhere. U+FEFF is a byte-order mark that a program forgot to take off.
_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]")
# One scan that finds most texts clean.
_UNCLEAN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
# Printable ASCII, which no step of the default ones changes.
_FIRST, _LAST = ord(" "), ord("~")
# Texts looked at together for being plain; bounds the memory that takes.
_TOGETHER = 128
_SPACES = re.compile(r"\s+")
_VISIBLE = re.compile("[^\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


def _newlines(text: str) -> str:
    return _NEWLINES.sub("\n", text)


def _controls(text: str) -> str:
    return _CONTROLS.sub("", _SEPARATORS.sub(" ", text))


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _whitespace(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def _markup(text: str) -> str:
    from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning

    if "<" not in text and "&" not in text:
        return text
    with warnings.catch_warnings():  # a text that is only a URL or a path is no mistake here
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(text, "html.parser")
    for unseen in soup(["script", "style", "template"]):
        unseen.decompose()
    # A separator keeps "<li>one</li><li>two</li>" from becoming "onetwo".
    return str(soup.get_text(" "))


def _mojibake(text: str) -> str:
    import ftfy

    return str(ftfy.fix_encoding(text))


_STEPS: dict[str, Callable[[str], str]] = {
    "newlines": _newlines,
    "controls": _controls,
    "nfc": _nfc,
    "whitespace": _whitespace,
    "markup": _markup,
    "mojibake": _mojibake,
}


def apply_step(step: str, text: str) -> str:
    """Apply one step alone, to a text without surrogates; to show what it does."""
    return _STEPS[step](text)


def _step_label(step: str) -> str:
    """Return the step's entry in the Recipe: name, version, and the library's version if any."""
    label = f"{step}.{_VERSIONS[step]}"
    library = {"mojibake": "ftfy", "markup": "bs4"}.get(step)
    if library is None:
        return label
    from importlib import import_module

    try:
        return f"{label}/{library}-{import_module(library).__version__}"
    except ImportError:
        raise MissingExtra("clean", f"the preparation step `{step}`") from None


@dataclass(frozen=True, slots=True)
class Preparation:
    """The steps a text goes through, in order. `Preparation.of(...)` makes one.

    Attributes:
        steps: names, in the order they are applied.
        labels: the same with versions, as the Recipe records them.
    """

    steps: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, extra: Iterable[str] = ()) -> Preparation:
        """Return the default steps plus those asked for.

        Raises:
            InputError: a step is unknown.
            MissingExtra: a step needs a library that is not installed.
        """
        wanted = set(DEFAULT_STEPS) | set(extra)
        if unknown := wanted - set(_ORDER):
            raise InputError(
                f"unknown preparation: {', '.join(sorted(unknown))}; "
                f"choose from {', '.join(OPTIONAL_STEPS)}"
            )
        steps = tuple(step for step in _ORDER if step in wanted)
        return cls(steps, tuple(_step_label(step) for step in steps))

    def __call__(self, text: str) -> str:
        """Return the text as the model is to read it. Lone surrogates become U+FFFD."""
        # Most texts are plain: skip what could not change them.
        plain = text.isascii()
        text = text if plain else repair_surrogates(text)
        clean = not _UNCLEAN.search(text)
        for step in self.steps:
            if (clean and step in ("newlines", "controls")) or (plain and step == "nfc"):
                continue
            text = _STEPS[step](text)
            if step in ("mojibake", "markup"):  # may bring in anything
                clean = plain = False
        return text


def prepare_all(preparation: Preparation, texts: Sequence[str]) -> list[str]:
    """Prepare every text, as `preparation` does it one by one.

    Most texts are plain ASCII that nothing would change. Looking at the characters of many at once
    finds the others in a fraction of the time, which is what a run from the cache takes most of.
    """
    if preparation.steps != DEFAULT_STEPS:
        return [preparation(text) for text in texts]
    prepared = list(texts)
    for start in range(0, len(texts), _TOGETHER):
        for i in _not_plain(texts[start : start + _TOGETHER]):
            prepared[start + i] = preparation(prepared[start + i])
    return prepared


def _not_plain(texts: Sequence[str]) -> list[int]:
    """Return the positions of the texts with any character but printable ASCII, tab and newline."""
    import numpy as np  # not above: `veclab --help` reads this module, and needs no numpy

    joined = "".join(texts)
    if joined.isascii():
        chars = np.frombuffer(joined.encode(), np.uint8)
        if not len(chars) or (chars.min() >= _FIRST and chars.max() <= _LAST):
            return []
    else:  # four bytes each, so that a place in it is a place in the text
        chars = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    odd = (chars < _FIRST) & (chars != ord("\t")) & (chars != ord("\n")) | (chars > _LAST)
    ends = np.cumsum(np.fromiter(map(len, texts), np.intp, len(texts)))
    found: list[int] = np.unique(np.searchsorted(ends, np.flatnonzero(odd), side="right")).tolist()
    return found


def has_surrogates(text: str) -> bool:
    """Return True when the text holds UTF-16 surrogates, which no UTF-8 file can."""
    return not text.isascii() and _SURROGATES.search(text) is not None


def repair_surrogates(text: str) -> str:
    """Join surrogate pairs into their character; a lone surrogate becomes U+FFFD."""
    if not has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_blank(text: str) -> bool:
    """Return True when nothing is there to read: only white space and invisible characters."""
    if text.isascii():
        return not text.strip()
    return _VISIBLE.search(text) is None


def text_digests(texts: Iterable[str]) -> list[bytes]:
    """Return 16 bytes that stand for each prepared text."""
    start = blake2b(digest_size=16)
    digests = []
    for text in texts:
        state = start.copy()  # a new one takes twice as long
        state.update(text.encode())
        digests.append(state.digest())
    return digests
