"""Checks that every provider must pass; run them over your own in its tests.

    from veclab.testing import check_provider

    def test_my_provider():
        check_provider(MyProvider())

Of a provider that buys its vectors this buys some thousand tokens.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.model import Model
from veclab.provider import BatchResult, EmbeddingProvider, Limits, TokenizedText
from veclab.space import Role, Space
from veclab.unit_length import normalize

TEXTS = (
    "the cat sits on the mat",
    "a feline rests on the carpet",
    "stock markets fell",
    "the market",
    "a passage of text about a query: how many cats sit on 12 mats?",
)
# What a user may give: a provider embeds it, or counts 0 tokens for it. It raises nothing.
ODD_TEXTS = (
    "naïve café, 東京, Москва, \U0001f469\u200d\U0001f680",
    "x" * 1000,
    "tab\tand\nnew line, and <b>mark-up</b> &amp; [PAD] </s>",
    "?",
)
# Cosine between vectors of one text that were computed in batches of different sizes.
SAME = 0.99


@dataclass(frozen=True)
class Subject:
    """A provider under test, and texts that it can read."""

    provider: EmbeddingProvider
    texts: Sequence[str]

    def tokenize(self, texts: Sequence[str], role: Role | None = None) -> list[TokenizedText]:
        """Return one TokenizedText per text, of the right kinds."""
        tokenized = self.provider.tokenize(list(texts), role)
        _require(
            isinstance(tokenized, list) and all(isinstance(t, TokenizedText) for t in tokenized),
            "tokenize must return a list of TokenizedText",
        )
        _require(
            [one.text for one in tokenized] == list(texts),
            "tokenize must return one TokenizedText per text, in order, with the text as given",
        )
        return tokenized

    def embed(
        self, texts: Sequence[str], role: Role | None = None, *, together: int | None = None
    ) -> NDArray[np.float32]:
        """Embed texts, all readable, in batches within the limits."""
        tokenized = self.tokenize(texts, role)
        size = min(together or len(texts), self.provider.limits.batch_texts)
        starts = range(0, len(tokenized), size)
        return np.concatenate([self._batch(tokenized[i : i + size], role) for i in starts])

    def _batch(self, batch: Sequence[TokenizedText], role: Role | None) -> NDArray[np.float32]:
        unread = [one.text for one in batch if one.tokens == 0]
        _require(not unread, f"tokenize gives 0 tokens for {unread}: give check_provider `texts`")
        given = self.provider.embed_batch(list(batch), role)
        if isinstance(given, BatchResult):
            _require(not given.refused, f"embed_batch refused texts: {given.refused}")
            given = given.vectors
        vectors = np.asarray(given, np.float32)
        shape = (len(batch), self.provider.space.dimensions)
        _require(
            vectors.shape == shape,
            f"embed_batch must return an array {shape}, of as many rows as texts and as many "
            f"columns as space.dimensions says, not {vectors.shape}",
        )
        _require(bool(np.isfinite(vectors).all()), "embed_batch returned NaN or infinity")
        _require(bool(vectors.any(axis=1).all()), "embed_batch returned a vector of zeros")
        return vectors


def check_description(subject: Subject) -> None:
    """Check space, limits, precision and notes: present, of the right kinds, and constant."""
    provider = subject.provider
    _require(
        isinstance(provider, EmbeddingProvider),
        f"{type(provider).__name__} must be derived from veclab.EmbeddingProvider",
    )
    space = getattr(provider, "space", None)
    _require(isinstance(space, Space), "a provider must set `space`, a veclab.Space")
    _require(provider.space == space, "`space` must stay the same")
    _require(provider.space.dimensions > 0, "space.dimensions must be 1 or more")
    _require(Space.from_json(provider.space.to_json()) == space, "`space` must survive to_json")
    limits = provider.limits
    _require(isinstance(limits, Limits), "`limits` must be veclab.Limits")
    _require(
        min(limits.batch_tokens, limits.batch_texts, limits.concurrency, limits.block_texts) > 0,
        "batch_tokens, batch_texts, concurrency and block_texts must be 1 or more",
    )
    _require(limits.max_tokens is None or limits.max_tokens > 0, "max_tokens must be 1 or more")
    _require(limits.price is None or limits.price >= 0, "the price cannot be negative")
    _require(
        isinstance(provider.precision, str) and bool(provider.precision),
        "`precision` must say in what the arithmetic is done, such as 'f32'",
    )
    digest = provider.tokenizer_digest
    _require(digest is None or isinstance(digest, str), "`tokenizer_digest` must be a string")
    _require(
        not isinstance(provider.notes, str) and all(isinstance(n, str) for n in provider.notes),
        "`notes` must be a list of sentences",
    )


def check_tokens(subject: Subject) -> None:
    """Check that a text's token count does not depend on its batch, and ids fit the limit."""
    tokenized = subject.tokenize(subject.texts)
    _require(not subject.tokenize([]), "tokenize must return an empty list for no texts")
    alone = [subject.tokenize([text])[0].tokens for text in subject.texts]
    _require(
        [one.tokens for one in tokenized] == alone,
        "a text must have as many tokens alone as among others",
    )
    _require(
        all(isinstance(one.tokens, int) and one.tokens >= 0 for one in tokenized),
        "tokens must be whole numbers, 0 or more",
    )
    limit = subject.provider.limits.max_tokens
    for one in tokenized:
        if one.ids is not None:
            _require(
                one.ids.ndim == 1 and one.ids.dtype == np.int32,
                "ids must be a one-dimensional int32 array",
            )
            _require(limit is None or len(one.ids) <= limit, "ids must be cut at max_tokens")


def check_vectors(subject: Subject) -> None:
    """Check that each text has its own vector, in its own place, whatever its batch."""
    texts = list(dict.fromkeys(subject.texts))
    vectors = subject.embed(texts)
    _require_same(vectors, subject.embed(texts), "twice the same batch must give the same vectors")
    _require_same(
        vectors,
        subject.embed(texts[::-1])[::-1],
        "vectors must come in the order of the texts",
    )
    _require_same(
        vectors,
        subject.embed(texts, together=1),
        "a text must have the same vector alone as among others",
    )
    units = normalize(vectors)
    likeness = np.triu(units @ units.T, 1)
    _require(
        bool(likeness.max() < 1 - 1e-6), "different texts got the same vector: is the order kept?"
    )


def check_long_texts(subject: Subject) -> None:
    """Check that a text over the limit is counted whole, its first `max_tokens` tokens read."""
    limit = subject.provider.limits.max_tokens
    if limit is None:
        return
    first, *others = subject.texts
    long = f"{first} {first}"
    while subject.tokenize([long])[0].tokens <= limit:
        _require(len(long) < 100 * limit, "tokenize must count all tokens of a text over the limit")
        long = f"{long} {long}"
    # Longer by far, so that a vector of all of it would be another.
    longer = " ".join([long, *others * (1 + len(long.split()) // 4)])
    counts = [one.tokens for one in subject.tokenize([long, longer])]
    _require(
        counts[0] < counts[1],
        f"tokenize must count all tokens of a text over the limit of {limit}, not {counts[1]}",
    )
    vectors = subject.embed([long, longer], together=1)
    _require_same(
        vectors[:1],
        vectors[1:],
        "two texts that differ only behind max_tokens must have the same vector",
    )


def check_odd_texts(subject: Subject) -> None:
    """Check that other scripts, endless words and mark-up are embedded, or counted as 0 tokens."""
    readable = [one.text for one in subject.tokenize(ODD_TEXTS) if one.tokens]
    if readable:
        subject.embed(readable)
    unread = [text for text in ODD_TEXTS if text not in readable]
    _require(
        isinstance(subject.provider.explain_unread(unread), str),
        "explain_unread must return a sentence, or an empty string",
    )


def check_roles(subject: Subject) -> None:
    """Check that every role is taken, and that the Space's prompts count and change vectors."""
    roles: tuple[Role, ...] = ("query", "document")
    for role in roles:
        vectors = subject.embed(subject.texts[:2], role)
        if not dict(subject.provider.space.prompts).get(role):
            continue
        plain, prompted = subject.tokenize(subject.texts), subject.tokenize(subject.texts, role)
        if "default" not in dict(subject.provider.space.prompts):
            _require(
                all(a.tokens < b.tokens for a, b in zip(plain, prompted, strict=True)),
                f"the tokens of the prompt for role={role!r} must be counted",
            )
            _require(
                not np.allclose(vectors, subject.embed(subject.texts[:2])),
                f"the prompt for role={role!r} must be read",
            )


def check_concurrency(subject: Subject) -> None:
    """Check that batches computed side by side have the vectors they have one after the other."""
    expected = subject.embed(subject.texts, together=1)
    threads = subject.provider.limits.concurrency
    with ThreadPoolExecutor(threads) as pool:
        rounds = list(pool.map(lambda text: subject.embed([text])[0], [*subject.texts] * 3))
    _require_same(
        np.tile(expected, (3, 1)),
        np.array(rounds),
        f"embed_batch must be safe to call from limits.concurrency = {threads} threads",
    )


def check_main_path(subject: Subject) -> None:
    """Check that `Model.embed` gives the provider's vectors, then takes them from the cache."""
    provider = subject.provider
    texts = [*subject.texts, subject.texts[0]]
    expected = subject.embed(texts)
    with tempfile.TemporaryDirectory() as folder, Cache.open(Path(folder)) as cache:
        model = Model(provider, cache)
        first, second = model.embed(texts), model.embed(texts)
        if provider.space.normalized:
            _require_same(normalize(expected), first.array, "Model.embed must give these vectors")
        _require(
            np.array_equal(first.array, second.array)
            and second.report is not None
            and second.report.embedded == 0,
            "a second run must find every vector in the cache",
        )
    _require(provider.pop_warnings() == [], "pop_warnings must forget what it has returned")


def check_stop(subject: Subject) -> None:
    """Check that `stop` may be called at any time; later batches are taken as before."""
    subject.provider.stop()
    subject.embed(subject.texts[:1])


Check = Callable[[Subject], None]
CHECKS: tuple[Check, ...] = (
    check_description,
    check_tokens,
    check_vectors,
    check_long_texts,
    check_odd_texts,
    check_roles,
    check_concurrency,
    check_main_path,
    check_stop,
)


def check_provider(provider: EmbeddingProvider, texts: Sequence[str] = TEXTS) -> None:
    """Run the checks that veclab's own providers pass over any EmbeddingProvider.

    Args:
        provider: to be checked.
        texts: three or more short ones, different and within the limit, that it can read; English
            by default.

    Raises:
        AssertionError: says what a provider must do and this one does not.
    """
    subject = Subject(provider, list(texts))
    _require(len(set(texts)) >= 3, "check_provider needs three different texts or more")
    for check in CHECKS:
        check(subject)


def _require(held: bool, message: str) -> None:
    if not held:
        raise AssertionError(message)


def _require_same(a: NDArray[np.float32], b: NDArray[np.float32], message: str) -> None:
    likeness = (normalize(a) * normalize(b)).sum(axis=1)
    _require(bool((likeness >= SAME).all()), f"{message} (cosine {likeness.min():.4f})")
