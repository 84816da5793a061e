"""Under which of its two keys a recipe's vector is kept, and finding it there.

A text within the limit is kept under a key without limit and policy; only a text over the limit
depends on both (`Recipe.whole_key`, `Recipe.cut_key`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache, Found
from veclab.space import Recipe


def find_vectors(cache: Cache, recipe: Recipe, digests: Sequence[bytes]) -> Found:
    """What the cache has for prepared texts, given by their digests (16 bytes each).

    Raises:
        CacheError: the cache fails as a whole.
    """
    n, dim, limit = len(digests), recipe.space.dimensions, recipe.max_tokens
    found = Found(
        hit=np.zeros(n, np.bool_),
        vectors=np.zeros((n, dim), np.float32),
        tokens=np.zeros(n, np.int32),
        truncated=np.zeros(n, np.bool_),
    )
    for key, whole in ((recipe.whole_key, True), (recipe.cut_key, False)):
        todo = np.flatnonzero(~found.hit)
        if not len(todo):
            break
        part = cache.get_many(key, [digests[int(i)] for i in todo], dim)
        usable = part.hit
        if whole and limit is not None:
            usable = usable & (part.tokens <= limit)
        hit = todo[usable]
        found.hit[hit] = True
        found.vectors[hit] = part.vectors[usable]
        found.tokens[hit] = part.tokens[usable]
        found.truncated[hit] = part.truncated[usable]
    return found


def keep_vectors(
    cache: Cache,
    recipe: Recipe,
    digests: Sequence[bytes],
    vectors: NDArray[np.float32],
    tokens: NDArray[np.int32],
    truncated: NDArray[np.bool_],
) -> None:
    """Put checked vectors (n, dim) where `find_vectors` looks; `tokens` are of the whole texts.

    Raises:
        CacheError: they cannot be kept.
    """
    limit = recipe.max_tokens
    over = tokens > (np.iinfo(np.int32).max if limit is None else limit)
    for key, rows in (
        (recipe.whole_key, np.flatnonzero(~over)),
        (recipe.cut_key, np.flatnonzero(over)),
    ):
        if len(rows):
            cache.put_many(
                key, [digests[int(i)] for i in rows], vectors[rows], tokens[rows], truncated[rows]
            )
