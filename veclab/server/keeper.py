"""Writing the cache when the answers are out: many results in one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.cache import PAGES_KEPT, Cache
from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.lookup import keep_vectors
from veclab.server.jobs import Block
from veclab.space import Recipe

# Results written in one transaction, at most; bounds what is in memory twice.
_TOGETHER = 64


@dataclass(frozen=True, slots=True)
class _Results:
    recipe: Recipe
    digests: list[bytes]
    vectors: NDArray[np.float32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    unknown: NDArray[np.int32]


class Keeper:
    """A thread that puts results into the cache. After a failure it puts no more there."""

    def __init__(self, cache: Cache, on_failure: Callable[[Exception], None]) -> None:
        self._cache, self._on_failure = cache, on_failure
        self._queue: queue.SimpleQueue[_Results | None] = queue.SimpleQueue()
        self._failed = cache.readonly
        self._thread = threading.Thread(target=self._run, name="veclab-keep", daemon=True)
        self._thread.start()

    def put(
        self, block: Block, finished: Sequence[int], vectors: BlockVectors | None = None
    ) -> None:
        """Take the vectors of distinct texts of a block; or others than the block's own."""
        if self._failed:
            return
        rows, vectors = list(finished), vectors or block.vectors
        self._queue.put(
            _Results(
                vectors.recipe,
                [block.distinct.digests[i] for i in rows],
                vectors.array[rows],
                vectors.tokens[rows],
                vectors.truncated[rows],
                vectors.unknown[rows],
            )
        )

    def close(self) -> None:
        """Write what is left, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            got = [self._queue.get()]
            while not self._queue.empty() and len(got) < _TOGETHER:
                got.append(self._queue.get())
            going = None not in got
            results = [one for one in got if one is not None]
            if results and not self._failed:
                try:
                    self._write(results)
                except Exception as error:  # a full disk: answers go on without the cache
                    self._failed = True
                    self._on_failure(error)

    def _write(self, results: Sequence[_Results]) -> None:
        by_recipe: dict[Recipe, list[_Results]] = {}
        for one in results:
            by_recipe.setdefault(one.recipe, []).append(one)
        for recipe, some in by_recipe.items():
            keep_vectors(
                self._cache,
                recipe,
                [digest for one in some for digest in one.digests],
                np.concatenate([one.vectors for one in some]),
                np.concatenate([one.tokens for one in some]),
                np.concatenate([one.truncated for one in some]),
                np.concatenate([one.unknown for one in some]),
            )
        self._cache.release(keep=PAGES_KEPT)
