"""Reranking by a cross-encoder of Sentence Transformers, which reads query and passage together."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from veclab.errors import MissingExtra, ModelUnavailable


class CrossEncoder:
    """A model that scores pairs of query and text."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the query: float32 (n,); higher is better."""
        if not texts:
            return np.zeros(0, np.float32)
        pairs = [(query, text) for text in texts]
        return np.asarray(
            self._model.predict(pairs, show_progress_bar=False), dtype=np.float32
        ).reshape(len(texts))


@functools.lru_cache(maxsize=2)
def cross_encoder(name: str) -> CrossEncoder:
    """Load a cross-encoder by name or path, once a process.

    Raises:
        ModelUnavailable: it is not available, or gives more than one score for a pair.
        MissingExtra: Sentence Transformers is not installed.
    """
    try:
        from sentence_transformers import CrossEncoder as Loaded
    except ImportError:
        raise MissingExtra("torch", "a cross-encoder") from None
    try:
        model = Loaded(name, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelUnavailable(f"the cross-encoder {name!r} cannot be loaded: {error}") from None
    if getattr(model, "num_labels", 1) != 1:
        raise ModelUnavailable(
            f"{name!r} gives {model.num_labels} scores per pair; a cross-encoder for search "
            "gives one"
        )
    return CrossEncoder(model)
