"""A provider whose vectors are a pure function of the text, and which remembers its calls."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from veclab.provider import EmbeddingProvider, Limits, TokenizedText
from veclab.space import Space


class FakeProvider(EmbeddingProvider):
    """One token a word plus two special ones, as a BERT would count; 8 dimensions."""

    tokenizer_digest = "words"

    def __init__(self, max_tokens=16, name="fake", **limits):
        self.space = Space("fake", name, 8, weights=hashlib.sha256(name.encode()).hexdigest())
        self.limits = replace(Limits(max_tokens, batch_tokens=64, batch_texts=8), **limits)
        self.batches: list[list[str]] = []

    @property
    def embedded(self):
        """Every text that was computed, in order."""
        return [text for batch in self.batches for text in batch]

    def tokenize(self, texts, role):
        return [TokenizedText(text, len(text.split()) + 2) for text in texts]

    def embed_batch(self, batch, role):
        self.batches.append([one.text for one in batch])
        return np.stack([self.vector(one.text, role) for one in batch])

    def vector(self, text, role=None):
        """What the model says for a text: it reads the first `max_tokens` tokens only."""
        words = text.split()
        if self.limits.max_tokens is not None:
            words = words[: self.limits.max_tokens - 2]
        seed = hashlib.blake2b(f"{role}|{' '.join(words)}".encode(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(seed, "big"))
        return random.normal(size=8).astype(np.float32) * 3
