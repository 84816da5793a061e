"""Bias probes: do a model's vectors associate two groups of words with two kinds of attributes?

WEAT (Caliskan, Bryson, Narayanan 2017, Science 356, 183-186) compares cosines of words. With target
words X and Y and attribute words A and B, s(w) = mean cosine of w with A - mean cosine of w with B,
and the effect size is

    d = (mean of s over X - mean of s over Y) / standard deviation of s over X and Y

with n - 1 in the standard deviation, as in the code of May et al. The p-value is the share of
partitions of X and Y into two sets of the same sizes in which the difference of means is at least
as large: one-sided, over every partition where there are no more than 200,000, else over 100,000
drawn with a fixed seed.

SEAT (May, Wang, Bordia, Bowman, Rudinger 2019, "On Measuring Social Biases in Sentence Encoders")
does the same with sentences that say nothing more, such as "This is a rose."; every sentence counts
as an item. The sentences here are made from their singular templates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.bias.word_lists import BiasTest, WordSet
from veclab.errors import InputError
from veclab.model import Model
from veclab.models.words.model import WordModel, find_words
from veclab.similarities.embed_all import embed_all
from veclab.similarities.similarity import comparable

_EXACT = 200_000
_SAMPLES = 100_000
_BOOTSTRAPS = 2_000
_SEED = 20170414  # the day the WEAT paper came out
_BLOCK = 4096

Floats = NDArray[np.float64]

_TEMPLATES: dict[str, tuple[str, ...]] = {
    "name": (
        "This is {0}.",
        "That is {0}.",
        "There is {0}.",
        "Here is {0}.",
        "{0} is here.",
        "{0} is there.",
        "{0} is a person.",
        "The person's name is {0}.",
    ),
    "thing": (
        "This is {1} {0}.",
        "That is {1} {0}.",
        "There is {1} {0}.",
        "Here is {1} {0}.",
        "The {0} is here.",
        "The {0} is there.",
        "{2} {0} is a thing.",
        "It is {1} {0}.",
    ),
    "word": ("This is {0}.", "That is {0}.", "There is {0}.", "It is {0}."),
}

STATEMENT = """\
What this shows: whether the first targets lie nearer to the first attributes than the second
targets do, among these very words. d is in standard deviations: 0 is no difference, 0.2 small, 0.5
medium, 0.8 large, near 2 the most there can be. p is how often shuffled targets give as much.
What it does not show: that a model is fair where d is small or p is large (other words, sentences
or languages may say otherwise); how large a harm is; or what an application makes of the vectors.
The lists are English, short, and from studies in the United States; names stand in for groups of
people. Of 20 tests without any effect, one is under p = 0.05 by chance."""


@dataclass(frozen=True, slots=True)
class BiasResult:
    """What one test says.

    Attributes:
        test: name of the test.
        x, y, a, b: labels of the targets and the attributes.
        effect: d; positive when x goes with a, and y with b.
        low, high: 95% interval of d over resampled targets (percentile bootstrap).
        p: one-sided.
        partitions: how many gave p; `exact` when they were all there are.
        sizes: items compared in x, y, a, b: words, or sentences for SEAT.
        missing: words that the model does not know, left out.
        published: the effect size that the source reports for its own vectors.
        source: of the words.
    """

    test: str
    x: str
    y: str
    a: str
    b: str
    effect: float
    low: float
    high: float
    p: float
    partitions: int
    exact: bool
    sizes: tuple[int, int, int, int]
    missing: tuple[str, ...]
    published: float | None
    source: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"sizes": list(self.sizes), "missing": list(self.missing)}


def bias(
    model: Model,
    tests: Mapping[str, BiasTest],
    *,
    sentences: bool = False,
    on_done: Callable[[int], None] | None = None,
) -> list[BiasResult]:
    """Run association tests.

    Args:
        model: of `veclab.load`.
        tests: by name; `veclab.bias.word_lists` has the published ones and reads files.
        sentences: put the words into sentences (SEAT) rather than take them alone (WEAT).
        on_done: called with the number of texts embedded since the last call.

    Raises:
        InputError: fewer than two words of a set are in the model's vocabulary.
    """
    known = {name: [_known(model, s) for s in test.sets] for name, test in tests.items()}
    items = {name: [_items(kept, sentences) for kept, _ in sets] for name, sets in known.items()}
    for name, sets in items.items():
        for items_of_set, word_set in zip(sets, tests[name].sets, strict=True):
            if len(items_of_set) < 2:
                raise InputError(
                    f"test {name}: of the words of {word_set.label!r} fewer than two are in the "
                    f"vocabulary of {model.space.model}; an effect size needs two or more"
                )
    texts = list(dict.fromkeys(text for sets in items.values() for s in sets for text in s))
    array = comparable(embed_all(model, texts, texts, on_done)).astype(np.float64)
    place = {text: i for i, text in enumerate(texts)}
    results = []
    for name, test in tests.items():
        x, y, a, b = (array[[place[text] for text in s]] for s in items[name])
        missing = tuple(dict.fromkeys(w for _, gone in known[name] for w in gone))
        results.append(_result(name, test, x, y, a, b, missing))
    return results


def _known(model: Model, words: WordSet) -> tuple[WordSet, list[str]]:
    """Return the set without the words that a model's vocabulary lacks, and those words."""
    if not isinstance(model.provider, WordModel):
        return words, []
    vectors = model.provider.vectors
    gone = [w for w in words.words if find_words(vectors, w)[1] or not find_words(vectors, w)[0]]
    return WordSet(words.label, [w for w in words.words if w not in gone], words.kind), gone


def _items(words: WordSet, sentences: bool) -> list[str]:
    if not sentences:
        return list(words.words)
    made = []
    for word in words.words:
        article = "an" if word[0].lower() in "aeiou" else "a"
        made += [
            template.format(word, article, article.capitalize())
            for template in _TEMPLATES[words.kind]
        ]
    return made


def _result(
    name: str,
    test: BiasTest,
    x: Floats,
    y: Floats,
    a: Floats,
    b: Floats,
    missing: tuple[str, ...],
) -> BiasResult:
    of_x, of_y = association(x, a, b), association(y, a, b)
    p, partitions, exact = permutation_p(of_x, of_y)
    low, high = _interval(of_x, of_y)
    labels = [s.label for s in test.sets]
    return BiasResult(
        test=name,
        x=labels[0],
        y=labels[1],
        a=labels[2],
        b=labels[3],
        effect=effect_size(of_x, of_y),
        low=low,
        high=high,
        p=p,
        partitions=partitions,
        exact=exact,
        sizes=(len(x), len(y), len(a), len(b)),
        missing=missing,
        published=test.published,
        source=test.source,
    )


def association(words: Floats, a: Floats, b: Floats) -> Floats:
    """Return s(w) of each word: mean cosine with a less mean cosine with b; rows at unit length."""
    found: Floats = (words @ a.T).mean(axis=1) - (words @ b.T).mean(axis=1)
    return found


def effect_size(of_x: Floats, of_y: Floats) -> float:
    """Return d of two sets of associations; 0 where all are equal."""
    spread = np.concatenate([of_x, of_y]).std(ddof=1)
    return float((of_x.mean() - of_y.mean()) / spread) if spread > 0 else 0.0


def permutation_p(of_x: Floats, of_y: Floats) -> tuple[float, int, bool]:
    """Return the one-sided p-value, the number of partitions behind it, and whether those are all.

    A partition with the same difference counts as well, and so does the observed one, so that p
    is never 0 (Phipson, Smyth 2010, "Permutation P-values Should Never Be Zero").
    """
    values = np.concatenate([of_x, of_y])
    n = len(of_x)
    # With fixed sizes the difference of means grows with the sum over the first set.
    observed = values[:n].sum() - 1e-12 * np.abs(values).sum()
    total = math.comb(len(values), n)
    if total <= _EXACT:
        hits = sum(
            int((values[rows].sum(axis=1) >= observed).sum())
            for rows in _chunks(combinations(range(len(values)), n))
        )
        return hits / total, total, True
    random = np.random.default_rng(_SEED)
    hits = 0
    for start in range(0, _SAMPLES, _BLOCK):
        size = min(_BLOCK, _SAMPLES - start)
        rows = random.random((size, len(values))).argpartition(n - 1, axis=1)[:, :n]
        hits += int((values[rows].sum(axis=1) >= observed).sum())
    return (hits + 1) / (_SAMPLES + 1), _SAMPLES, False


def _chunks(rows: Iterable[Sequence[int]]) -> Iterator[NDArray[np.intp]]:
    stream = iter(rows)
    while chunk := list(islice(stream, _BLOCK)):
        yield np.array(chunk, dtype=np.intp)


def _interval(of_x: Floats, of_y: Floats) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of d over the targets."""
    random = np.random.default_rng(_SEED)
    drawn_x = of_x[random.integers(0, len(of_x), (_BOOTSTRAPS, len(of_x)))]
    drawn_y = of_y[random.integers(0, len(of_y), (_BOOTSTRAPS, len(of_y)))]
    spread = np.concatenate([drawn_x, drawn_y], axis=1).std(axis=1, ddof=1)
    apart = drawn_x.mean(axis=1) - drawn_y.mean(axis=1)
    d = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
    low, high = np.quantile(d, [0.025, 0.975])
    return float(low), float(high)
