"""The first half of the main path, for texts of many clients at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from veclab.model import Model
from veclab.pipeline.batch_planning import count_tokens
from veclab.pipeline.batching import BatchItem
from veclab.pipeline.distinct import Seen
from veclab.pipeline.embed import deduplicate, look_up, prepare
from veclab.pipeline.run import PreparedTexts, Run
from veclab.report import Report
from veclab.server.jobs import Block, Part
from veclab.server.problems import Problem
from veclab.space import OnLong, Role


@dataclass(frozen=True, slots=True)
class Read:
    """What reading some parts gave.

    Attributes:
        block: of all of them.
        items: that the model has to compute.
        cached: distinct texts found in the cache.
        problems: parts that cannot be embedded, and why.
    """

    block: Block
    items: list[BatchItem]
    cached: int
    problems: list[tuple[Part, Problem]]


class Reader:
    """Prepares texts, deduplicates them, looks them up and counts their tokens."""

    def __init__(self, model: Model, on_long: OnLong) -> None:
        self._model = model
        # `error` is decided here, for each client by itself; to the pipeline it is `truncate`,
        # whose vectors of texts within the limit are the same.
        self._refuse_long = on_long == "error"
        policy: OnLong = "truncate" if self._refuse_long else on_long
        roles: tuple[Role | None, ...] = (None, "query", "document")
        self._runs: dict[Role | None, Run] = {
            role: model.start(role=role, on_long=policy) for role in roles
        }

    def drop_cache(self) -> bool:
        """Go on without the cache; return whether there was one."""
        had = any(run.cache is not None for run in self._runs.values())
        self._runs = {role: replace(run, cache=None) for role, run in self._runs.items()}
        return had

    def read(self, role: Role | None, parts: Sequence[Part]) -> Read:
        """Read parts; each then knows its block, its rows there, and what it waits for.

        Raises:
            CacheError: the cache failed as a whole.
        """
        run = replace(self._runs[role], report=Report(), seen=Seen())
        texts = list(chain.from_iterable(part.texts for part in parts))
        prepared = prepare(run, list(map(str, range(len(texts)))), texts)
        distinct = deduplicate(run, prepared)
        vectors = look_up(run, distinct)
        missing = np.flatnonzero(~vectors.ready).tolist()
        counted = count_tokens(run, distinct, missing)
        items = [*counted.whole.values(), *counted.windows]
        if items:
            vectors.count(items)
        block = Block(run, distinct, vectors)
        problems = []
        at = 0
        for part in parts:
            rows = slice(at, at := at + len(part.texts))
            problem = self._place(part, block, prepared, rows)
            if problem is not None:
                problems.append((part, problem))
        wanted = [item for item in items if item.text in block.owners]
        return Read(block, wanted, len(distinct.texts) - len(missing), problems)

    def _place(
        self, part: Part, block: Block, prepared: PreparedTexts, rows: slice
    ) -> Problem | None:
        """Say where a part's texts are in the block, or what is wrong with one of them."""
        first, last = np.searchsorted(prepared.kept, [rows.start, rows.stop]).tolist()
        if last - first < len(part.texts):
            kept = set(prepared.kept[first:last].tolist())
            empty = next(i for i in range(rows.start, rows.stop) if i not in kept)
            return _at(part, empty - rows.start, "is empty: there is nothing in it to embed.")
        vectors = block.vectors
        part.block, part.rows = block, block.distinct.place[first:last]
        tokens = vectors.tokens[part.rows]
        if not tokens.all():
            i = int(np.flatnonzero(tokens == 0)[0])
            reason = self._model.provider.explain_unread([part.texts[i]])
            return _at(part, i, f"has no token that the model knows. {reason}".rstrip())
        limit = block.run.recipe.max_tokens
        if self._refuse_long and limit is not None and (tokens > limit).any():
            i = int(np.flatnonzero(tokens > limit)[0])
            said = f"has {tokens[i]:,} tokens; this model reads at most {limit:,}. Shorten it."
            return _at(part, i, said, "context_length_exceeded")
        waits = {row for row in part.rows.tolist() if not vectors.ready[row]}
        part.missing = len(waits)
        for row in waits:
            block.owners.setdefault(row, []).append(part)
        part.job.cached += len(part.rows) - len(waits)
        return None


def _at(part: Part, i: int, said: str, code: str | None = None) -> Problem:
    return Problem(
        400, f"'input': the text at index {part.start + i} {said}", param="input", code=code
    )
