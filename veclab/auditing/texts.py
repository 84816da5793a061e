"""What texts are like before they are embedded: length, faults, duplicates, languages.

No model is loaded: its tokenizer is enough. Tokens, duplicates, empty texts and control characters
are counted over all texts; preparation steps and languages over a sample of large corpora.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from veclab.auditing.token_counts import Tokenize, count_both
from veclab.errors import MissingExtra, ModelUnavailable
from veclab.languages import language_detector
from veclab.pipeline.distinct import Seen
from veclab.pipeline.prepare import (
    DEFAULT_STEPS,
    OPTIONAL_STEPS,
    Preparation,
    apply_step,
    has_surrogates,
    is_blank,
    repair_surrogates,
    text_digests,
)
from veclab.report import extend_ids
from veclab.space import Role

if TYPE_CHECKING:
    from veclab.corpus import Source
    from veclab.models.local.folder import ModelFolder
    from veclab.models.local.tokenizer import FolderTokenizer

# Texts in which preparation steps and languages are looked for.
SAMPLE = 10_000
LANGUAGE_SAMPLE = 2_000
# A language is named when the detector gives it at least this probability.
_SURE = 0.5
_LANGUAGE_CHARS = 500

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
# Tags and entities that HTML has. `<stdio.h>` and `a < b` are not mark-up, though a parser that is
# asked to take mark-up off takes the first for a tag.
_HTML = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|code|dd|div|dl|dt|em|font|h[1-6]|hr|i|img|li|ol|p|pre|script|"
    r"span|strong|style|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul)(?:\s[^<>]*)?/?>"
    r"|&(?:amp|lt|gt|quot|nbsp|apos|#\d{1,6}|#x[0-9a-f]{1,5});",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Change:
    """What one preparation step would do to the texts looked at.

    Attributes:
        step: its name.
        default: whether `veclab embed` does it anyway.
        changed: texts it would change.
        id, before, after: the first of them, cut out around the first difference.
    """

    step: str
    default: bool
    changed: int
    id: str | None = None
    before: str = ""
    after: str = ""


@dataclass(slots=True)
class TextHabits:
    """What an inspection found. Counts are of texts unless they say otherwise.

    Attributes:
        model, max_tokens: whose tokens were counted, and its limit (None for no limit).
        texts, empty: given; missing or blank.
        distinct, distinct_prepared, distinct_whitespace: different texts among those that are not
            empty: as given, after the default preparation, and with white space evened out too.
        tokens: int32, of each text that is not empty, after the default preparation.
        tokens_lost: tokens over the limit.
        truncated: texts over the limit; `longest` has the ids and tokens of the longest ten.
        partly_unknown, tokens_unknown: texts in which the model does not know some of the tokens
            it reads, and those tokens: any two of them are the same to it.
        control, surrogates: texts with control characters; with broken character pairs.
        sampled: texts in which steps, mark-up and mojibake were looked for.
        html, mojibake: of those, texts with HTML tags or entities; texts that ftfy's badness
            measure calls mojibake (None where ftfy is not installed).
        changes: one Change for each step of preparation.
        languages: code -> texts, `unclear` where the detector is not sure; None without detector.
        language_sample: texts whose language was looked for.
        model_languages: what the model's card says it was made for; () where it does not say.
        has_roles: the model has a prompt for documents.
        notes: what the user must know.
    """

    model: str
    max_tokens: int | None
    texts: int = 0
    empty: int = 0
    empty_ids: list[str] = field(default_factory=list)
    distinct: int = 0
    distinct_prepared: int = 0
    distinct_whitespace: int = 0
    tokens: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    tokens_lost: int = 0
    truncated: int = 0
    truncated_ids: list[str] = field(default_factory=list)
    partly_unknown: int = 0
    partly_unknown_ids: list[str] = field(default_factory=list)
    tokens_unknown: int = 0
    longest: list[tuple[str, int]] = field(default_factory=list)
    control: int = 0
    surrogates: int = 0
    sampled: int = 0
    html: int = 0
    mojibake: int | None = None
    changes: list[Change] = field(default_factory=list)
    languages: dict[str, int] | None = None
    language_sample: int = 0
    model_languages: tuple[str, ...] = ()
    has_roles: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def total_tokens(self) -> int:
        """Of all texts together."""
        return int(self.tokens.sum(dtype=np.int64))

    def histogram(self) -> list[tuple[int, int, int]]:
        """Return (first, last, texts) by length: eighths of the limit, then doubling beyond it."""
        longest = int(self.tokens.max(initial=0))
        limit = self.max_tokens or max(8, 1 << (longest - 1).bit_length() if longest else 8)
        edges = [limit * eighth // 8 for eighth in range(9)]
        while edges[-1] < longest:
            edges.append(2 * edges[-1])
        counts = np.histogram(self.tokens, bins=np.array(edges) + 0.5)[0]
        return [
            (low + 1, high, int(count))
            for low, high, count in zip(edges, edges[1:], counts, strict=False)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the histogram instead of each text's tokens."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "tokens"}
        of_one = {}
        if len(self.tokens):
            levels = {"min": 0, "median": 0.5, "p90": 0.9, "p99": 0.99, "max": 1}
            of_one = {name: int(np.quantile(self.tokens, q)) for name, q in levels.items()}
        return plain | {
            "tokens": self.total_tokens,
            "tokens_by_text": of_one,
            "histogram": [
                {"from": low, "to": high, "texts": count} for low, high, count in self.histogram()
            ],
            "longest": [{"id": name, "tokens": count} for name, count in self.longest],
            "changes": [asdict(change) for change in self.changes],
            "model_languages": list(self.model_languages),
            "options": self.options(),
        }

    def options(self) -> list[str]:
        """Return what to add to `veclab embed`, judging by what was found."""
        chosen: list[str] = []
        if self.has_roles:
            chosen.append("--role document")
        if self.tokens_lost > 0.01 * self.total_tokens:
            chosen.append("--chunks")
        changed = {change.step: change.changed for change in self.changes}
        if changed.get("mojibake", 0) > 0 and (self.mojibake or 0) > 0:
            chosen.append("--prepare mojibake")
        if self.html > 0.01 * self.sampled and changed.get("markup", 0):
            chosen.append("--prepare markup")
        if self.distinct_whitespace < self.distinct_prepared:
            chosen.append("--prepare whitespace")
        return chosen


def inspect_texts(
    source: Source,
    model: str,
    *,
    role: Role | None = None,
    max_tokens: int | None = None,
    sample: int = SAMPLE,
    on_done: Callable[[int], None] = lambda texts: None,
) -> TextHabits:
    """Inspect the texts of a corpus as a model would read them.

    Args:
        source: of `veclab.corpus.open_source`; it is read once.
        model: name or folder; only its tokenizer is opened where that is possible.
        role: count tokens with the model's prompt for this role.
        max_tokens: a lower limit than the model's.
        sample: of how many texts, at most, steps of preparation are tried.
        on_done: called with the number of texts finished since the last call.

    Raises:
        ModelUnavailable, MissingExtra: the model's tokenizer is not available.
        InputError: the input cannot be read.
    """
    habits, count = _eyes_of(model, role, max_tokens)
    prepare, steps = Preparation.of(), _usable_steps(habits)
    chosen = _sample(source.rows, sample)
    tally = _Tally(habits, steps)
    position = 0
    for block in source.blocks():
        ids, kept = [], []
        for name, text in zip(block.ids, block.texts, strict=True):
            habits.texts += 1
            if text is None or is_blank(prepare(text)):
                habits.empty += 1
                extend_ids(habits.empty_ids, [name])
            else:
                ids.append(name)
                kept.append(text)
                if position in chosen:
                    tally.look_closer(name, text)
            position += 1
        tally.count(ids, kept, [prepare(text) for text in kept], count)
        on_done(len(block.ids))
    tally.finish()
    if habits.sampled < habits.texts - habits.empty:
        habits.notes.append(
            f"preparation steps, markup and mojibake: counted in a random sample of "
            f"{habits.sampled:,} texts"
        )
    return habits


def _eyes_of(model: str, role: Role | None, max_tokens: int | None) -> tuple[TextHabits, Tokenize]:
    """Return the model's name, limit and token counter; torch only where nothing else can."""
    from veclab.models.catalog import find_model
    from veclab.models.local.tokenizer import open_tokenizer

    folder: ModelFolder | None = None
    tokenizer: FolderTokenizer | None = None
    with suppress(ModelUnavailable):  # it is perhaps no folder at all: an API, say
        folder = find_model(model)
        tokenizer = open_tokenizer(folder)
    if folder is None or tokenizer is None:
        from veclab.model import load

        loaded = load(model, max_tokens=max_tokens, cache=False)
        habits = TextHabits(loaded.space.model, loaded.max_tokens)
        habits.has_roles = "document" in dict(loaded.space.prompts)
        tokenize = loaded.provider.tokenize
        return habits, lambda texts: [(t.tokens, t.unknown) for t in tokenize(texts, role)]
    limits = [limit for limit in (max_tokens, folder.max_tokens) if limit is not None]
    habits = TextHabits(folder.name, min(limits, default=None))
    habits.has_roles = bool(folder.prompt("document") or folder.prompt("query"))
    habits.model_languages = folder.languages
    opened, limit = tokenizer, habits.max_tokens
    return habits, lambda texts: opened.count_both(texts, role, limit)


def _usable_steps(habits: TextHabits) -> tuple[str, ...]:
    """Return all preparation steps whose libraries are installed."""
    usable = list(DEFAULT_STEPS)
    for step in OPTIONAL_STEPS:
        try:
            Preparation.of([step])
            usable.append(step)
        except MissingExtra as missing:
            habits.notes.append(str(missing))
    return tuple(usable)


def _sample(rows: int, size: int) -> set[int] | range:
    """Choose which rows are looked at closer: all, or a random sample, always the same."""
    if rows <= size:
        return range(rows)
    return set(np.random.default_rng(0).choice(rows, size, replace=False).tolist())


class _Tally:
    """Adds texts up into TextHabits."""

    def __init__(self, habits: TextHabits, steps: Sequence[str]) -> None:
        self._habits = habits
        self._raw, self._prepared, self._evened = Seen(), Seen(), Seen()
        self._tokens: list[NDArray[np.int32]] = []
        self._changed: Counter[str] = Counter()
        self._examples: dict[str, Change] = {}
        self._steps = steps
        self._for_language: list[str] = []
        self._is_bad = _badness() if "mojibake" in steps else None

    def count(self, ids: list[str], given: list[str], prepared: list[str], count: Tokenize) -> None:
        """Return what is counted over all texts."""
        habits = self._habits
        habits.distinct += _add(self._raw, [repair_surrogates(text) for text in given])
        habits.distinct_prepared += _add(self._prepared, prepared)
        habits.distinct_whitespace += _add(self._evened, [" ".join(t.split()) for t in prepared])
        for text in given:
            habits.control += _CONTROL.search(text) is not None
            habits.surrogates += has_surrogates(text)
        counts, unknown = count_both(prepared, count)
        tokens = np.array(counts, dtype=np.int32)
        self._tokens.append(tokens)
        partly = [name for name, some in zip(ids, unknown, strict=True) if some]
        habits.partly_unknown += len(partly)
        habits.tokens_unknown += sum(unknown)
        extend_ids(habits.partly_unknown_ids, partly)
        if habits.max_tokens is not None:
            over = np.flatnonzero(tokens > habits.max_tokens)
            habits.truncated += len(over)
            habits.tokens_lost += int((tokens[over] - habits.max_tokens).sum())
            extend_ids(habits.truncated_ids, (ids[i] for i in over))
        longest = np.argsort(-tokens, kind="stable")[:10]
        both = habits.longest + [(ids[i], int(tokens[i])) for i in longest]
        habits.longest = sorted(both, key=lambda pair: -pair[1])[:10]

    def look_closer(self, name: str, text: str) -> None:
        """Return what is counted over the sample."""
        habits = self._habits
        habits.sampled += 1
        habits.html += _HTML.search(text) is not None
        self._for_language.append(text[:_LANGUAGE_CHARS])
        if self._is_bad is not None:
            habits.mojibake = (habits.mojibake or 0) + self._is_bad(text)
        text = repair_surrogates(text)
        for step in self._steps:
            after = apply_step(step, text)
            if after != text:
                self._changed[step] += 1
                if step not in self._examples:
                    before, shown = excerpt(text, after)
                    self._examples[step] = Change(
                        step, step in DEFAULT_STEPS, 0, name, before, shown
                    )

    def finish(self) -> None:
        """Put the parts together."""
        habits = self._habits
        habits.tokens = np.concatenate([np.zeros(0, np.int32), *self._tokens])
        for step in self._steps:
            change = self._examples.get(step, Change(step, step in DEFAULT_STEPS, 0))
            values = asdict(change) | {"changed": self._changed[step]}
            habits.changes.append(Change(**values))
        detect = _detector(habits)
        if detect is not None:
            stride = max(1, len(self._for_language) // LANGUAGE_SAMPLE)
            texts = self._for_language[::stride][:LANGUAGE_SAMPLE]
            habits.languages = dict(Counter(map(detect, texts)).most_common())
            habits.language_sample = len(texts)


def _add(seen: Seen, texts: list[str]) -> int:
    return int(seen.add(text_digests(dict.fromkeys(texts))).sum())


def _badness() -> Callable[[str], bool]:
    from ftfy.badness import is_bad

    return lambda text: bool(is_bad(text))


def _detector(habits: TextHabits) -> Callable[[str], str] | None:
    """Return the language detector; it runs offline, on the model that comes with the package."""
    detect = language_detector(_SURE)
    if detect is None:
        habits.notes.append(str(MissingExtra("languages", "telling the texts' languages")))
        return None
    return lambda text: detect(repair_surrogates(text))


def excerpt(before: str, after: str, width: int = 50) -> tuple[str, str]:
    """Return two versions of a text, cut out around their first difference."""
    same = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    start = max(0, same - width // 3)

    def cut(text: str) -> str:
        part = text[start : start + width]
        return ("…" if start else "") + part + ("…" if len(text) > start + width else "")

    return cut(before), cut(after)
