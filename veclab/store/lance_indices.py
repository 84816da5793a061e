"""The two indices of a Lance table: of its words, and of its vectors where it is large."""

from __future__ import annotations

from typing import Any

import numpy as np

from veclab.store.language import NO_LANGUAGE

VECTOR_INDEX = "embedding_idx"


def index_of_words(data: Any, language: str) -> None:
    """Build the index of words of a table, anew where there is one."""
    words = language != NO_LANGUAGE
    data.create_scalar_index(
        "text",
        "INVERTED",
        with_position=False,
        language=language if words else "English",
        stem=words,
        remove_stop_words=words,
    )


def index_of_vectors(data: Any, partitions: int) -> None:
    """Build the index of vectors of a table, anew where there is one."""
    data.create_index(
        "embedding",
        "IVF_RQ",
        name=VECTOR_INDEX,
        metric="cosine",
        num_partitions=partitions,
        replace=True,
    )


def partitions_for(rows: int) -> int:
    """Of the index of vectors: a sixteenth of the rows of a partition.

    For a recall of 0.99 real questions need half of all rows looked at or more, however these are
    divided; a partition more costs as much as a thousand rows.
    """
    return round(float(np.sqrt(rows) / 4))
