"""Two runs over one corpus at once: each text is bought by one of them, the other waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

import numpy as np
from numpy.typing import NDArray

from veclab.cache.claims import Claims
from veclab.errors import CacheError
from veclab.pipeline.block_vectors import BlockVectors
from veclab.pipeline.lookup import find_vectors
from veclab.pipeline.run import DistinctTexts, Run

# Seconds between two looks at what others have bought; more where a look itself takes long.
_POLL_S, _LONGEST_POLL_S = 0.2, 5.0


@contextmanager
def claiming(run: Run, distinct: DistinctTexts, vectors: BlockVectors) -> Iterator[Iterator[None]]:
    """Yield turns: in each, texts that are neither there nor claimed elsewhere are to be bought.

    There is one turn where nothing is bought or nothing is kept. Else further ones come when
    another run has given up a text that it had claimed. What it has bought is taken from the
    cache. Nobody waits while holding a claim, so no two runs wait for each other.

    Raises:
        CacheError: the cache fails as a whole.
    """
    if run.cache is None or run.cache.readonly or not run.provider.limits.paid:
        yield iter([None])
        return
    claims = run.claims = Claims(run.cache)
    try:
        yield _turns(run, claims, distinct, vectors)
    finally:
        run.claims = None
        with suppress(CacheError):  # they end by themselves
            claims.release()


def _turns(
    run: Run, claims: Claims, distinct: DistinctTexts, vectors: BlockVectors
) -> Iterator[None]:
    waited = 0
    while True:
        began = monotonic()
        missing = np.flatnonzero(~vectors.ready & ~vectors.refused)
        if not len(missing):
            break
        digests = [distinct.digests[int(i)] for i in missing]
        mine = claims.take(run.recipe.whole_key, digests)
        vectors.elsewhere[:] = False
        vectors.elsewhere[missing[~mine]] = True
        # What was bought since the last look is not bought again.
        waited += _look_again(run, distinct, vectors, missing[mine])
        if not vectors.ready[missing[mine]].all():
            yield
        claims.release()
        if not vectors.elsewhere.any():
            break
        took = monotonic() - began
        sleep(min(max(_POLL_S, 5 * took), _LONGEST_POLL_S))
    if waited:
        run.report.note(f"{waited:,} texts were bought by another run at the same time")


def _look_again(
    run: Run, distinct: DistinctTexts, vectors: BlockVectors, which: NDArray[np.intp]
) -> int:
    """Take from the cache what is there by now of some texts; how many that were."""
    assert run.cache is not None
    found = find_vectors(run.cache, run.recipe, [distinct.digests[int(i)] for i in which])
    there = which[found.hit]
    vectors.array[there] = found.vectors[found.hit]
    vectors.tokens[there] = found.tokens[found.hit]
    vectors.truncated[there] = found.truncated[found.hit]
    vectors.unknown[there] = found.unknown[found.hit]
    vectors.ready[there] = True
    run.report.cached += int(distinct.fresh[there].sum())
    run.on_done(distinct.count(there.tolist()))
    return len(there)
