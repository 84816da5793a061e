"""Training data made on the spot."""

from __future__ import annotations

from veclab.tuning.data import Gathering, TrainingData


def numbered(n: int, *, sharing: int = 1) -> TrainingData:
    """n queries, each with a document; `sharing` of them at a time have the same one."""
    made = Gathering()
    for i in range(n):
        made.add(f"query number {i}", f"document number {i // sharing}", ())
    return made.finish("numbered")
