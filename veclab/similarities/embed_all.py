"""Embedding texts of which every one is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from veclab.errors import InputError
from veclab.model import Model
from veclab.report import shorten
from veclab.vectors import Vectors


def embed_all(
    model: Model,
    texts: Sequence[str],
    ids: Sequence[str],
    on_done: Callable[[int], None] | None = None,
) -> Vectors:
    """Embed as `Model.embed` does, every text: row i is text i.

    Raises:
        InputError: the model's endpoint refused some of the texts, which `Model.embed` leaves out.
    """
    vectors = model.embed(texts, ids=ids, on_empty="error", on_done=on_done)
    if len(vectors) != len(texts):
        gone = sorted(set(ids) - set(vectors.ids), key=list(ids).index)
        raise InputError(
            f"{model.space.model} refused {len(gone):,} of {len(texts):,} texts: {shorten(gone)}; "
            "take them out, or use another model"
        )
    return vectors
