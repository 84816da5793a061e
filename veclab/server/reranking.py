"""Cross-encoders under Cohere's interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.server.documents import Turns
from veclab.store.reranking import cross_encoder


class Reranker:
    """A cross-encoder that is asked one request at a time.

    Attributes:
        turns: that requests wait for.
        max_tokens: of a query with a document; None for no limit.
    """

    def __init__(self, name: str) -> None:
        """Load a cross-encoder; raises what `cross_encoder` raises."""
        self._model = cross_encoder(name)
        inner: Any = self._model._model
        self._tokenizer = inner.tokenizer
        # Renamed in Sentence Transformers 6.
        limit = "max_seq_length" if hasattr(inner, "max_seq_length") else "max_length"
        self.max_tokens: int | None = getattr(inner, limit, None)
        # Cohere's scores are from 0 to 1; some cross-encoders give logits.
        self._logits = type(getattr(inner, "activation_fn", None)).__name__ == "Identity"
        self.turns = Turns("veclab-rerank")

    def count(self, query: str, texts: Sequence[str]) -> list[int]:
        """Count the tokens of the query with each text."""
        encoded = self._tokenizer([query] * len(texts), list(texts), truncation=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def cut(self, texts: Sequence[str], most: int | None) -> tuple[list[str], list[int]]:
        """Cut texts after so many tokens; return them, and the places of those that were cut."""
        if most is None:
            return list(texts), []
        encoded = self._tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, truncation=False
        )
        read, places = [], []
        for i, (text, spans) in enumerate(zip(texts, encoded["offset_mapping"], strict=True)):
            if len(spans) > most:
                places.append(i)
                text = text[: spans[most - 1][1]]
            read.append(text)
        return read, places

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return how well each text answers the query: float64 (n,), from 0 to 1."""
        raw = self._model.scores(query, texts).astype(np.float64)
        return 1 / (1 + np.exp(-raw)) if self._logits else raw
