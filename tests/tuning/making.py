"""Training data made on the spot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from veclab.tuning.data import Gathering, TrainingData


def numbered(n: int, *, sharing: int = 1) -> TrainingData:
    """n queries, each with a document; `sharing` of them at a time have the same one."""
    made = Gathering()
    for i in range(n):
        made.add(f"query number {i}", f"document number {i // sharing}", ())
    return made.finish("numbered")


def ciphered(n: int, *, negatives: int = 0, seed: int = 0) -> TrainingData:
    """n queries of four letters, each with a document of the four digits that stand for them.

    Nothing but training tells which letter is which digit. A pair's wrong documents are those of
    the pairs that follow it.
    """
    random = np.random.default_rng(seed)
    drawn = [random.permutation(10)[:4].tolist() for _ in range(n)]
    queries = [" ".join("abcdefghij"[i] for i in one) for one in drawn]
    documents = [" ".join(str(i) for i in sorted(one)) for one in drawn]
    made = Gathering()
    for i in range(n):
        wrong = [documents[(i + 1 + k) % n] for k in range(negatives)]
        made.add(queries[i], documents[i], wrong)
    return made.finish("ciphered")


def shuffled(data: TrainingData, seed: int = 0) -> TrainingData:
    """The same queries and documents, each query with the document of another: nothing to learn."""
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    return replace(data, name="shuffled", positives=[data.positives[i] for i in order])
