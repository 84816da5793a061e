"""Hard negatives: documents that the model itself ranks high for a query, though they are wrong.

Not all that ranks high and was not judged is wrong. Near-duplicates of a right document are left
out, and so is whatever scores almost as high as it does or higher: most of that answers the query
too (de Souza P. Moreira et al. 2024, arXiv:2407.15831, "TopK-PercPos").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veclab.model import Model
from veclab.similarities.nearest import nearest
from veclab.similarities.similarity import comparable
from veclab.tuning.data import TrainingData

NEGATIVES = 4
# Of each query, so many of the nearest documents are looked at.
DEPTH = 50
# A cosine between documents from which they say the same.
ALIKE = 0.95
# A candidate that reaches this share of the right document's score may well be right.
MARGIN = 0.95
_BLOCK = 4096


@dataclass(slots=True)
class _Counts:
    """What mining passed over."""

    queries: int = 0
    found: int = 0
    alike: int = 0
    likely_right: int = 0


def mine(model: Model, data: TrainingData, count: int = NEGATIVES) -> TrainingData:
    """Return the data with hard negatives for its queries, after those that it names itself.

    Args:
        model: embeds queries and documents; its cache, if it has one, is used.
        data: what is trained on; nothing else is searched.
        count: negatives for each query in all; one that names as many is left as it is.
    """
    wanting = [i for i in range(len(data)) if len(data.negatives[i]) < count]
    if not wanting:
        return data
    queries = model.embed([data.queries[i] for i in wanting], role="query")
    documents = model.embed(data.documents, role="document")
    asked, said = comparable(queries, "cosine"), comparable(documents, "cosine")
    # Texts that cannot be embedded have no row: ids are their positions.
    row_of = {int(name): row for row, name in enumerate(documents.ids)}
    place_of = np.array([int(name) for name in documents.ids], dtype=np.intp)
    mined, counts = [list(known) for known in data.negatives], _Counts(len(wanting))
    for start in range(0, len(queries), _BLOCK):
        block = nearest(queries[start : start + _BLOCK], documents, k=DEPTH)
        for i, (rows, scores) in enumerate(zip(block.positions, block.scores, strict=True)):
            query = wanting[int(queries.ids[start + i])]
            right = [row_of[d] for d in data.positives[query] if d in row_of]
            hard = _hard(rows, scores, asked[start + i], said, right, counts)
            names = [d for d in place_of[hard].tolist() if d not in mined[query]]
            new = names[: count - len(mined[query])]
            mined[query] += new
            counts.found += len(new)
    return replace(data, negatives=mined).plus(_note(data, counts))


def _hard(
    rows: NDArray[np.intp],
    scores: NDArray[np.float32],
    query: NDArray[np.float32],
    said: NDArray[np.float32],
    right: list[int],
    counts: _Counts,
) -> NDArray[np.intp]:
    """Return those of the rows, best first, that are hard negatives of a query.

    Args:
        rows, scores: (k,) its nearest documents.
        query: (d,) its vector.
        said: (m, d) the documents' vectors.
        right: rows of its right documents; without any nothing can be told.
        counts: of what is passed over, added to.
    """
    if not right:
        return rows[:0]
    others = ~np.isin(rows, right)
    lowest = float((said[right] @ query).min())
    likely = others & (scores > lowest - (1 - MARGIN) * abs(lowest))
    alike = others & ~likely & ((said[rows] @ said[right].T).max(axis=1) >= ALIKE)
    counts.likely_right += int(likely.sum())
    counts.alike += int(alike.sum())
    kept: NDArray[np.intp] = rows[others & ~likely & ~alike]
    return kept


def _note(data: TrainingData, counts: _Counts) -> str:
    without = sum(not known for known in data.negatives)
    return (
        f"mined {counts.found:,} hard negatives with the model itself for {counts.queries:,} of "
        f"{len(data):,} queries ({without:,} had none). Passed over: {counts.likely_right:,} that "
        f"score like a right document, {counts.alike:,} near-duplicates of one"
    )
