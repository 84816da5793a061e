"""A model whose vectors are cut to their first numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.provider import Answer, Limits, Provider, TokenizedText
from veclab.space import Role, Space


class TruncatedModel:
    """A provider (see `veclab.provider`) around another; the main path normalizes again.

    Only models trained for it (Matryoshka representation learning, Kusupati et al. 2022,
    arXiv:2205.13147) keep most of their quality. The result is a Space of its own.
    """

    def __init__(self, inner: Provider, dimensions: int) -> None:
        full = inner.space.dimensions
        if not 0 < dimensions <= full:
            raise InputError(
                f"{inner.space.model} has {full:,} dimensions; it cannot give {dimensions:,}"
            )
        self.inner = inner
        self.space: Space = replace(inner.space, dimensions=dimensions)
        self.limits: Limits = inner.limits
        self.precision = inner.precision
        self.tokenizer_digest = inner.tokenizer_digest

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """As the inner model does."""
        return self.inner.tokenize(texts, role)

    def embed_batch(
        self, pieces: Sequence[TokenizedText], role: Role | None
    ) -> NDArray[np.float32] | Answer:
        """float32 (len(pieces), dimensions)."""
        batch, size = self.inner.embed_batch(pieces, role), self.space.dimensions
        if isinstance(batch, Answer):
            return replace(batch, vectors=batch.vectors[:, :size])
        return batch[:, :size]
