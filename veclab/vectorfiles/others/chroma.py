"""The vectors of a Chroma folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from veclab.errors import InputError, MissingExtra
from veclab.vectorfiles.blocks import BATCH, About, Rows
from veclab.vectorfiles.others.rows import RowVectors, one_of


def chroma_vectors(
    folder: Path, collection: str | None, text_column: Sequence[str] = ()
) -> RowVectors:
    """Open a collection in the folder of a `chromadb.PersistentClient`.

    Texts are its documents; metadata is kept as JSON.

    Raises:
        InputError: it is damaged, or has several collections and none was named.
    """
    if find_spec("chromadb") is None:
        raise MissingExtra("chroma", f"reading {folder.name}")
    if text_column:
        raise InputError(f"{folder.name}: texts of Chroma are its documents: omit --text-column")
    import chromadb
    from chromadb.config import Settings

    try:
        client = chromadb.PersistentClient(
            str(folder), Settings(anonymized_telemetry=False, allow_reset=False)
        )
        names = sorted(found.name for found in client.list_collections())
        name = one_of("collection", folder.name, names, collection)
        # Without its embedding function: nothing is embedded, and its model is not fetched.
        opened = client.get_collection(name, embedding_function=None)
        total = opened.count()
        head = opened.get(limit=1, include=["embeddings", "documents"])
    except InputError:
        raise
    except Exception as error:  # its own, SQLite's, and those of its Rust part
        raise InputError(f"{folder.name} is damaged or no folder of Chroma: {error}") from error
    first = head["embeddings"]
    dimensions = 0 if first is None or not len(first) else len(first[0])
    documents = head["documents"] or []
    about = About(
        f"{folder.name}#{name}",
        "embeddings",
        total,
        dimensions,
        "float32",
        has_texts=any(text is not None for text in documents),
    )

    def rows(vectors: bool) -> Iterator[Rows]:
        include = ["documents", "metadatas", *(["embeddings"] if vectors else [])]
        for start in range(0, total, BATCH):
            part: Any = opened.get(limit=BATCH, offset=start, include=include)
            array = None
            if vectors:
                array = np.asarray(part["embeddings"], np.float32).reshape(-1, dimensions)
            more = [None if not facts else json.dumps(facts) for facts in part["metadatas"]]
            yield Rows(list(part["ids"]), list(part["documents"]), array, more)

    return RowVectors(about, rows)
