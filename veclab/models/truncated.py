"""A model whose vectors are cut to their first numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.provider import BatchResult, EmbeddingProvider, TokenizedText
from veclab.space import Role


class TruncatedModel(EmbeddingProvider):
    """A provider around another; the main path normalizes again.

    Only models trained for it (Matryoshka representation learning, Kusupati et al. 2022,
    arXiv:2205.13147) keep most of their quality. The result is a Space of its own.
    """

    def __init__(
        self, inner: EmbeddingProvider, dimensions: int, *, by_the_model: bool = False
    ) -> None:
        """
        Args:
            inner: gives the vectors.
            dimensions: how many numbers to keep.
            by_the_model: the model itself says so: nobody need be told what it costs.

        Raises:
            InputError: it has fewer.
        """
        full = inner.space.dimensions
        if not 0 < dimensions <= full:
            raise InputError(
                f"{inner.space.model} has {full:,} dimensions; it cannot give {dimensions:,}"
            )
        self.inner = inner
        self.space = replace(inner.space, dimensions=dimensions)
        self.limits = inner.limits
        self.precision = inner.precision
        self.tokenizer_digest = inner.tokenizer_digest
        self.notes = list(inner.notes)
        self.languages = inner.languages
        if not by_the_model:
            self.notes.append(
                f"only models trained for it keep their quality at {dimensions} dimensions"
            )

    def reads_role(self, role: Role | None) -> bool:
        """Read roles as the inner model does."""
        return self.inner.reads_role(role)

    def tokenize(self, texts: Sequence[str], role: Role | None) -> list[TokenizedText]:
        """Tokenize as the inner model does."""
        return self.inner.tokenize(texts, role)

    def embed_batch(
        self, batch: Sequence[TokenizedText], role: Role | None
    ) -> NDArray[np.float32] | BatchResult:
        """Embed a batch: float32 (len(batch), dimensions)."""
        given, size = self.inner.embed_batch(batch, role), self.space.dimensions
        if isinstance(given, BatchResult):
            return replace(given, vectors=given.vectors[:, :size])
        return given[:, :size]

    def begin(self) -> None:
        """Begin as the inner model does."""
        self.inner.begin()

    def expect_small_batches(self) -> None:
        """Expect them as the inner model does."""
        self.inner.expect_small_batches()

    def pop_warnings(self) -> list[str]:
        """Return the warnings of the inner model."""
        return self.inner.pop_warnings()

    def explain_unread(self, texts: Sequence[str]) -> str:
        """Explain as the inner model does."""
        return self.inner.explain_unread(texts)

    def stop(self) -> None:
        """Stop the inner model."""
        self.inner.stop()
