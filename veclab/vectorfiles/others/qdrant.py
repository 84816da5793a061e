"""The vectors of a Qdrant collection: a folder of the client's local mode, or a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from veclab.errors import InputError, MissingExtra
from veclab.vectorfiles.blocks import BATCH, About, Rows
from veclab.vectorfiles.joined import join_texts
from veclab.vectorfiles.others.rows import RowVectors, one_of, usual


def qdrant_vectors(
    place: str, collection: str | None, column: str | None, text_column: Sequence[str] = ()
) -> RowVectors:
    """Open a collection; `place` is a folder, or `qdrant://HOST:PORT`.

    Args:
        place: where it is.
        collection: which; needed where there are several.
        column: which of its named vectors, where it has several.
        text_column: which fields of the payload hold the text; else one of a usual name.

    Raises:
        InputError: it cannot be opened, or several collections or vectors would do.
    """
    if find_spec("qdrant_client") is None:
        raise MissingExtra("qdrant", f"reading {place}")
    from qdrant_client import QdrantClient

    if place.startswith("qdrant://") and "@" in place:
        raise InputError("an address qdrant://HOST:PORT is written without a name or password")
    try:
        if place.startswith("qdrant://"):
            client = QdrantClient(url="http://" + place.removeprefix("qdrant://"))
        else:
            client = QdrantClient(path=place)
        names = sorted(found.name for found in client.get_collections().collections)
        name = one_of("collection", place, names, collection)
        total = client.count(name, exact=True).count
        params = client.get_collection(name).config.params.vectors
        first = client.scroll(name, limit=100, with_payload=True)[0]
    except InputError:
        raise
    except Exception as error:  # of sockets, of its folder's lock, of pydantic
        if getattr(error, "status_code", None) in (401, 403):
            raise InputError(
                f"{place} wants an API key, which veclab does not send: read a copy in local mode"
            ) from None
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{place} cannot be read as Qdrant: {reason}") from error
    field = None
    if isinstance(params, dict):
        field = one_of("vector", f"{place}#{name}", sorted(params), column)
    elif column is not None:
        raise InputError(f"{place}#{name} has one vector without a name: omit --column")
    size = params[field].size if isinstance(params, dict) and field else getattr(params, "size", 0)
    keys = list(dict.fromkeys(key for point in first for key in (point.payload or {})))
    texts = usual(keys, text_column, f"{place}#{name}")
    about = About(
        f"{Path(place).name}#{name}", field or "vector", total, size, "float32", bool(texts)
    )

    def rows(vectors: bool) -> Iterator[Rows]:
        offset: Any = None
        while True:
            points, offset = client.scroll(
                name,
                limit=BATCH,
                offset=offset,
                with_payload=True,
                with_vectors=([field] if field else True) if vectors else False,
            )
            if points:
                yield _rows(points, field, size, texts, vectors)
            if offset is None:
                return

    return RowVectors(about, rows)


def _rows(
    points: Sequence[Any], field: str | None, size: int, texts: tuple[str, ...], vectors: bool
) -> Rows:
    array = None
    if vectors:
        array = np.full((len(points), size), np.nan, np.float32)
        for row, point in enumerate(points):
            found = point.vector.get(field) if isinstance(point.vector, dict) else point.vector
            if found is not None:
                array[row] = found
    payloads = [dict(point.payload or {}) for point in points]
    told = [join_texts([_string(p.pop(name, None)) for name in texts]) for p in payloads]
    more = [json.dumps(payload, default=str) if payload else None for payload in payloads]
    return Rows([str(point.id) for point in points], told if texts else None, array, more)


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
