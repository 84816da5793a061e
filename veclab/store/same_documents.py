"""Whether a model gives documents the vectors that they have already.

So it is with a model that was tuned on the side of the queries alone: its Space is another, and
yet nothing has to be embedded again. That is never taken on trust: a sample is embedded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from veclab.provider import has_routes, role_of
from veclab.unit_length import normalize
from veclab.vectors import Vectors

if TYPE_CHECKING:
    from veclab.model import Model
    from veclab.space import Space

SAMPLE = 64
# Of two computations of one vector, in bf16 and f32: the lowest cosine that is seen is above it.
LEAST = 0.9995


def may_share_documents(model: Model, space: Space) -> bool:
    """Return whether it is worth a sample: one of the two has a route of its own for queries."""
    mine = model.space
    return (
        (has_routes(mine) or has_routes(space))
        and mine.provider == space.provider
        and mine.dimensions == space.dimensions
        and mine.normalized == space.normalized
    )


def same_documents(model: Model, vectors: Vectors) -> bool:
    """Return whether a model would give documents their vectors; a sample of them is embedded.

    Args:
        model: another one.
        vectors: of documents, with their texts.
    """
    if vectors.texts is None or not len(vectors) or not may_share_documents(model, vectors.space):
        return False
    places = np.unique(np.linspace(0, len(vectors) - 1, SAMPLE).astype(np.intp))
    texts = [vectors.texts[int(i)] for i in places]
    return agree(model, texts, vectors.array[places])


def agree(model: Model, texts: Sequence[str], stored: NDArray[np.float32]) -> bool:
    """Return whether a model gives n texts, as documents, the vectors (n, dim) that are stored."""
    made = model.embed(texts, role=role_of(model.space, "document"), on_empty="error").array
    cosines = np.einsum("ij,ij->i", normalize(made), normalize(stored))
    return bool((cosines >= LEAST).all())
