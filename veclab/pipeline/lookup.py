"""Under which of its two keys a recipe's vector is kept, and finding it there.

A text within the limit is kept under a key without limit and policy; only a text over the limit
depends on both (`Recipe.whole_key`, `Recipe.cut_key`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.cache import Cache
from veclab.cache.results import Found
from veclab.space import Recipe


def nothing_found(n: int, recipe: Recipe) -> Found:
    """Return what a lookup of n texts gives where there is no cache."""
    return Found(
        hit=np.zeros(n, np.bool_),
        vectors=np.zeros((n, recipe.space.dimensions), np.float32),
        tokens=np.zeros(n, np.int32),
        truncated=np.zeros(n, np.bool_),
        unknown=np.zeros(n, np.int32),
    )


def find_vectors(cache: Cache, recipe: Recipe, digests: Sequence[bytes]) -> Found:
    """Look up prepared texts in the cache, by their digests (16 bytes each).

    Raises:
        CacheError: the cache fails as a whole.
    """
    dim, limit = recipe.space.dimensions, recipe.max_tokens
    found = cache.get_many(recipe.whole_key, digests, dim)
    if limit is not None:
        found.hit[found.tokens > limit] = False  # whole under a higher limit, over this one
    missing = np.flatnonzero(~found.hit)
    if not len(missing):  # the usual case of a second run: nothing need be copied
        return found
    cut = cache.get_many(recipe.cut_key, [digests[int(i)] for i in missing], dim)
    there = missing[cut.hit]
    found.hit[there] = True
    found.vectors[there] = cut.vectors[cut.hit]
    found.tokens[there] = cut.tokens[cut.hit]
    found.truncated[there] = cut.truncated[cut.hit]
    found.unknown[there] = cut.unknown[cut.hit]
    return found


def keep_vectors(
    cache: Cache,
    recipe: Recipe,
    digests: Sequence[bytes],
    vectors: NDArray[np.float32],
    tokens: NDArray[np.int32],
    truncated: NDArray[np.bool_],
    unknown: NDArray[np.int32] | None = None,
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
                key,
                [digests[int(i)] for i in rows],
                vectors[rows],
                tokens[rows],
                truncated[rows],
                None if unknown is None else unknown[rows],
            )
