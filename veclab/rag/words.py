"""Text as words that can be compared: what differs in print only is made equal, offsets are kept.

White space, dashes, quotation marks, ligatures, full-width and decomposed letters are made equal.
Digits, signs, superscripts, case and every letter stay what they are: `10²` is not `102`, `-5` is
not `5`, and `1.5` is no part of `1.5.2`, since words are compared whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        text: made comparable.
        start, end: where it stands in the text as it was, in characters.
        stop: whether a mark follows that can end a sentence.
    """

    text: str
    start: int
    end: int
    stop: bool = False


_MARKS = dict.fromkeys("‘’‚‛′ʼ`´", "'") | dict.fromkeys("“”„‟″«»", '"')
# Dashes that part words; all others are hyphens or minus signs.
_PARTING = frozenset("—―⸺⸻")
_HYPHEN_LIKE = frozenset("−\ufffe\u00ad")
_SOFT = "\u00ad"
# Decompositions that change only how a character looks. Not among them: <super>, <sub>, <fraction>.
_LOOKS: tuple[str, ...] = ("<wide>", "<narrow>", "<font>", "<noBreak>")
_LOOKS += ("<compat>", "<initial>", "<medial>", "<final>", "<isolated>")
# Scripts written without spaces: every character is a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
_STOPS = frozenset(".!?")
_LEADING = "\"'([{*_"
_TRAILING = "\"')]}*_.,;:!?"
# Bullets, rules, cells of tables, marks of quotation and headings.
_BULLETS = re.compile(r"[-•·*|#>]*")


def read_words(text: str) -> list[Word]:
    """The words of a text, in order."""
    words = []
    for chunk in _chunks(text):
        first, last = 0, len(chunk)
        while first < last and chunk[first][0] in _LEADING:
            first += 1
        while last > first and chunk[last - 1][0] in _TRAILING:
            last -= 1
        kept = chunk[first:last]
        if kept:
            plain = _unhyphened("".join(form for form, _, _ in kept))
            stop = any(form in _STOPS for form, _, _ in chunk[last:])
            words.append(Word(plain, kept[0][1], kept[-1][2], stop))
    following = [*words[1:], None][: len(words)]
    return [w for w, after in zip(words, following, strict=True) if not _is_bullet(w, after, text)]


def find_words(wanted: Sequence[Word], text: Sequence[Word]) -> tuple[int, int] | None:
    """Where the wanted words stand one after the other: first word, and one past the last.

    The first letter may differ in case: a quotation may begin inside a sentence. Inside it,
    sentences must end where they end in the text.
    """
    n = len(wanted)
    if not n:
        return None
    rest = [word.text for word in wanted[1:]]
    stops = [word.stop for word in wanted[:-1]]
    firsts = {wanted[0].text, _other_case(wanted[0].text)}
    for i in range(len(text) - n + 1):
        if (
            text[i].text in firsts
            and [w.text for w in text[i + 1 : i + n]] == rest
            and [w.stop for w in text[i : i + n - 1]] == stops
        ):
            return i, i + n
    return None


def on_one_line(text: str) -> str:
    """A stretch of a document for people: one line, words broken at line ends joined."""
    joined = re.sub(r"(?<=[^\W\d_])[-‐\u00ad\ufffe][ \t]*\r?\n[ \t]*(?=[^\W\d_A-Z])", "", text)
    return " ".join(joined.replace("\u00ad", "").split())


def has_number(word: str) -> bool:
    """Whether a digit of any script stands in it, or a fraction, or a superscript."""
    return any(letter.isnumeric() for letter in word)


def _is_bullet(word: Word, after: Word | None, text: str) -> bool:
    """Whether it only sets off a line, a cell or a thought; `x - 5` and `x > 5` say more."""
    if not _BULLETS.fullmatch(word.text):
        return False
    before = text[: word.start].rstrip(" \t")
    if not before or before[-1] == "\n":
        return True
    number = after is not None and after.text[0].isnumeric()
    return not number and not set(word.text) <= {"<", ">", "#"}


def _other_case(word: str) -> str:
    if len(word) < 2 or not word.isalpha():
        return word
    return (word[0].lower() if word[0].isupper() else word[0].upper()) + word[1:]


def _unhyphened(word: str) -> str:
    """Without hyphens between letters: `long-term` and a `long-` that ends a line are one."""
    return re.sub(r"(?<=[^\W\d_])-(?=[^\W\d_])", "", word)


_Chunk = list[tuple[str, int, int]]


def _chunks(text: str) -> Iterator[_Chunk]:
    """What stands between white space, as plain characters with their places."""
    chunk: _Chunk = []
    broken = False  # after a hyphen at the end of a line
    clusters = list(_clusters(text))
    for number, (cluster, start, end) in enumerate(clusters):
        plain = _plain(cluster)
        if plain.isspace():
            if broken or _ends_line_in_hyphen(chunk, clusters, number):
                broken = True
                continue
            if chunk:
                yield chunk
            chunk = []
            continue
        if broken:
            while chunk and chunk[-1][0] == "-":
                chunk.pop()
            broken = False
        if _UNSPACED.match(plain):
            if chunk:
                yield chunk
            yield [(plain, start, end)]
            chunk = []
        elif plain:
            chunk.extend((letter, start, end) for letter in plain)
    if chunk:
        yield chunk


def _clusters(text: str) -> Iterator[tuple[str, int, int]]:
    """Each character with the combining marks that belong to it."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            yield text[start:i], start, i
            start = i


def _ends_line_in_hyphen(chunk: _Chunk, clusters: list[tuple[str, int, int]], number: int) -> bool:
    """Whether a word was broken here: letter, hyphen, line end, small letter."""
    if number == 0 or clusters[number - 1][0][0] not in "-‐\u00ad\ufffe":
        return False
    letters = [form for form, _, _ in chunk if form != "-"]
    if not letters or not letters[-1].isalpha():
        return False
    lines = 0
    for cluster, _, _ in clusters[number:]:
        if not cluster.isspace():
            return lines == 1 and cluster[0].islower()
        lines += cluster == "\n"
    return False


@lru_cache(maxsize=4096)
def _plain(cluster: str) -> str:
    out = []
    for letter in cluster:
        if letter in _MARKS:
            out.append(_MARKS[letter])
        elif letter in _PARTING or letter.isspace():
            out.append(" ")
        elif letter == _SOFT or (
            unicodedata.category(letter) in ("Cf", "Cc") and letter not in _HYPHEN_LIKE
        ):
            continue
        elif letter in _HYPHEN_LIKE or unicodedata.category(letter) == "Pd":
            out.append("-")
        else:
            out.append(_same_look(letter))
    return unicodedata.normalize("NFD", "".join(out))


def _same_look(letter: str) -> str:
    kind = unicodedata.decomposition(letter).split(" ", 1)[0]
    if kind not in _LOOKS:
        return letter
    plain = unicodedata.normalize("NFKC", letter)
    # ⒈ is not 1. beside another digit; 𝟏 and １ are 1.
    return letter if kind == "<compat>" and has_number(plain) else plain
