"""Split by document: what a model is measured by shares no document with what it was trained on.

A query of the training part whose document is also that of a held-out query would tell where that
document lies. So queries that share a document, or nearly equal ones, stay on one side together;
where nearly all do, a group is cut, and training does without the documents of the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError
from veclab.evaluation.bootstrap import FEWEST
from veclab.similarities.duplicates import link
from veclab.tuning.data import TrainingData

HELD_OUT = 0.2
# Of all queries, in one group: a larger one is cut, or chance could put nearly all on one side.
LARGEST = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """The two parts.

    Attributes:
        train: what may be seen; the documents of held-out queries are not in it.
        held_out: the other queries, with all documents: what is searched.
        groups: of queries that share no document, not even a nearly equal one, with another.
        cut: how many of them were cut.
        lost_pairs, lost_queries: what training does without, because the document belongs to a
            held-out query.
        alike: documents that have a nearly equal one.
    """

    train: TrainingData
    held_out: TrainingData
    groups: int
    cut: int
    lost_pairs: int
    lost_queries: int
    alike: int

    def __str__(self) -> str:
        said = (
            f"{len(self.held_out):,} queries held out, {len(self.train):,} to train on, split by "
            f"document: {self.groups:,} groups of queries share no document with another"
        )
        if self.alike:
            said += f" ({self.alike:,} documents have a nearly equal one, which counts as the same)"
        if self.cut:
            were = "was" if self.cut == 1 else "were"
            said += (
                f"; {self.cut:,} too large for one side {were} cut, and training does without the "
                f"documents of the held-out side ({self.lost_pairs:,} pairs, "
                f"{self.lost_queries:,} queries)"
            )
        return said


def split(
    data: TrainingData,
    share: float = HELD_OUT,
    *,
    seed: int = 0,
    alike: Iterable[Sequence[int] | NDArray[np.intp]] = (),
) -> Split:
    """Split data by document.

    Args:
        data: at least `FEWEST` queries on each side must come out of it.
        share: of the queries, over 0 and under 1, that are held out.
        seed: of what is drawn.
        alike: groups of positions of documents that are nearly equal. Texts that differ only in
            case and white space are found here.

    Raises:
        InputError: the share is out of range, or there are too few queries.
    """
    if not 0 < share < 1:
        raise InputError(f"the held-out share must be over 0 and under 1, not {share:g}")
    wanted = round(share * len(data))
    if min(wanted, len(data) - wanted) < FEWEST:
        least = int(np.ceil(FEWEST / min(share, 1 - share)))
        raise InputError(
            f"{data.name} has {len(data):,} queries, too few: with a held-out share of {share:g} "
            f"it takes {least:,}, so that each side has {FEWEST}"
            + ("" if least <= 2 * FEWEST else f" (--held-out 0.5 takes {2 * FEWEST})")
        )
    document = groups_of_documents(data.documents, alike)
    group = groups_of_queries(data, document)
    held, cut = _drawn(group, share, np.random.default_rng(seed))
    held_documents = {int(document[d]) for i in held for d in data.positives[i]}
    gone = [d for d in range(len(data.documents)) if int(document[d]) in held_documents]
    chosen = set(held)
    rest = [i for i in range(len(data)) if i not in chosen]
    train, held_out = data.part(rest, without=gone), data.part(held)
    if len(train) < FEWEST:
        raise InputError(
            f"{data.name}: only {len(train):,} of {len(rest):,} training queries have a document "
            "that no held-out query has, too few to train on; hold out less (--held-out)"
        )
    return Split(
        train=train,
        held_out=held_out,
        groups=len(np.unique(group)),
        cut=cut,
        lost_pairs=sum(len(data.positives[i]) for i in rest) - train.pairs,
        lost_queries=len(rest) - len(train),
        alike=int((np.bincount(document)[document] > 1).sum()),
    )


def groups_of_documents(
    documents: Sequence[str], alike: Iterable[Sequence[int] | NDArray[np.intp]]
) -> NDArray[np.intp]:
    """Return for each document the first of those that it is nearly equal to: (m,)."""
    return _joined([*alike, *_same_words(documents)], len(documents))


def _same_words(texts: Sequence[str]) -> list[list[int]]:
    """Return groups of positions of texts that differ at most in case and white space."""
    groups: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        groups.setdefault(" ".join(text.casefold().split()), []).append(i)
    return [found for found in groups.values() if len(found) > 1]


def _joined(groups: Iterable[Sequence[int] | NDArray[np.intp]], n: int) -> NDArray[np.intp]:
    """Return for each of n things the lowest one that it is linked to, by a chain of groups."""
    group = np.arange(n)
    pairs = [(members[0], other) for members in groups for other in members[1:]]
    first, second = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    link(group, first, second)
    return group


def groups_of_queries(data: TrainingData, document: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the group of each query: those linked by documents, or by equal words, are in one.

    Args:
        data: n queries.
        document: of `groups_of_documents`.
    """
    users: dict[int, list[int]] = {}
    for i, found in enumerate(data.positives):
        for d in found:
            users.setdefault(int(document[d]), []).append(i)
    return _joined([*users.values(), *_same_words(data.queries)], len(data))


def _drawn(
    group: NDArray[np.intp], share: float, random: np.random.Generator
) -> tuple[list[int], int]:
    """Return positions of the held-out queries, ascending, and how many groups were cut."""
    groups = [np.flatnonzero(group == name) for name in np.unique(group)]
    large = [members for members in groups if len(members) > LARGEST * len(group)]
    small = [members for members in groups if len(members) <= LARGEST * len(group)]
    held: list[int] = []
    for members in large:
        held += random.permutation(members)[: round(share * len(members))].tolist()
    wanted = round(share * len(group))
    for place in random.permutation(len(small)):
        if len(held) + len(small[place]) <= wanted:
            held += small[place].tolist()
    return sorted(held), len(large)
