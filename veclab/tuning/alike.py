"""Documents that are nearly equal: near by their vectors, and of nearly the same words.

Vectors alone do not tell. In some models all texts of a domain have a cosine above 0.9, so no
threshold separates copies from neighbors; words do, once the neighbors are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from veclab.similarities.nearest import nearest
from veclab.vectors import Vectors

NEIGHBORS = 10
# Of the words of two texts together, the share that both have (Jaccard).
SHARED = 0.7
# All pairs are compared: of more documents than this, none are.
COMPARED = 50_000
_WORD = re.compile(r"\w+")


def alike(documents: Vectors) -> Iterator[tuple[int, int]]:
    """Yield pairs of positions of documents that are nearly equal; a chain of them makes a group.

    Args:
        documents: with their texts; at most `COMPARED`, or nothing comes.
    """
    texts = documents.texts or ()
    if not 2 <= len(texts) <= COMPARED:
        return
    words = [frozenset(_WORD.findall(text.casefold())) for text in texts]
    found = nearest(documents, documents, k=min(NEIGHBORS + 1, len(texts)))
    for i, near in enumerate(found.positions.tolist()):
        for j in near:
            if i < j or (i != j and i not in found.positions[j]):
                both = words[i] | words[j]
                if both and len(words[i] & words[j]) >= SHARED * len(both):
                    yield i, int(j)
