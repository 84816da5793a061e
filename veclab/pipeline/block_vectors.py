"""The vectors of a block, filled in as they arrive; windows are pooled into their text's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from veclab.cache.results import Found
from veclab.pipeline.batching import BatchItem
from veclab.provider import truncated_length
from veclab.space import Recipe
from veclab.unit_length import normalize


class BlockVectors:
    """The vectors of a block's k distinct texts, as far as they are there.

    Attributes:
        array: float32 (k, dim).
        tokens: int32 (k,), of the whole texts; 0 where nothing is known, or nothing was readable.
        truncated: bool (k,).
        unknown: int32 (k,), tokens of what the model reads that it does not know.
        ready: bool (k,): the vector is there.
        refused: bool (k,): the model will not embed the text.
        elsewhere: bool (k,): another run is buying it.
        recipe: how they are made.
    """

    def __init__(self, found: Found, recipe: Recipe) -> None:
        """Begin with what was found in the cache, whose arrays are written to."""
        self.array, self.tokens = found.vectors, found.tokens
        self.truncated, self.ready = found.truncated, found.hit
        self.unknown = found.unknown
        for known in (self.tokens, self.truncated, self.unknown):
            known[~self.ready] = 0
        self.refused = np.zeros(len(found.hit), np.bool_)
        self.elsewhere = np.zeros(len(found.hit), np.bool_)
        self.recipe = recipe
        self._limit, self._normalized = recipe.max_tokens, recipe.space.normalized
        self._missing: dict[int, int] = {}  # windows still to come, by text

    def count(self, items: Sequence[BatchItem]) -> None:
        """Note the tokens of the items' texts, and which of them are cut."""
        texts = [item.text for item in items]
        counts = [one.tokens if window is None else window.tokens for _, one, window in items]
        self.tokens[texts] = counts
        for text, one, window in items:
            if one.unknown:  # the windows of a text add up
                self.unknown[text] = one.unknown + (self.unknown[text] if window else 0)
        if self._limit is not None and max(counts, default=0) > self._limit:
            cut = [i for i, one, window in items if window is None and one.tokens > self._limit]
            self.truncated[cut] = True

    def refuse(self, texts: Sequence[int]) -> list[int]:
        """Give texts up for which there will be no vector; those that were not given up before."""
        new = [text for text in dict.fromkeys(texts) if not self.refused[text]]
        self.refused[new] = True
        return new

    def add(self, items: Sequence[BatchItem], vectors: NDArray[np.float32]) -> list[int]:
        """Put vectors where they belong.

        Args:
            items: n texts or windows.
            vectors: float32 (n, dim), none of them zero.

        Returns:
            The texts that are complete with them.
        """
        self.count(items)
        unit_length = normalize(vectors)
        own = unit_length if self._normalized else vectors
        if all(item.window is None for item in items):
            finished = [item.text for item in items]
            self.array[finished] = own
        else:
            finished = [
                item.text
                for row, item in enumerate(items)
                if not self.refused[item.text]  # another window of it was
                and self._add_one(item, own[row], unit_length[row])
            ]
        self.ready[finished] = True
        return finished

    def _add_one(
        self, item: BatchItem, own: NDArray[np.float32], unit_length: NDArray[np.float32]
    ) -> bool:
        """Return whether the text is complete with this vector."""
        text, window = item.text, item.window
        if window is None:
            self.array[text] = own
            return True
        if text not in self._missing:
            self._missing[text] = window.windows
            self.array[text] = 0  # the sum begins; a lookup may have left something here
        # Windows are pooled by their token counts, each token with the same say.
        self.array[text] += truncated_length(item.tokenized.tokens, self._limit) * unit_length
        self._missing[text] -= 1
        if self._missing[text]:
            return False
        self.array[text] = normalize(self.array[text : text + 1])[0]
        return True
