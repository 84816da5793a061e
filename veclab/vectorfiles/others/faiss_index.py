"""The vectors of a FAISS index."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from veclab.errors import InputError, MissingExtra
from veclab.vectorfiles.blocks import BATCH, About, Rows
from veclab.vectorfiles.others.rows import RowVectors


def faiss_vectors(path: Path) -> RowVectors:
    """Open a FAISS index: a file, or a folder of LangChain's with `index.faiss` in it.

    It keeps no texts. Ids are those of an IndexIDMap, else row numbers. An index that compresses
    gives back approximations, which `About.dtype` says.

    Raises:
        InputError: it is damaged, binary, or of a kind that does not give vectors back.
    """
    if find_spec("faiss") is None:
        raise MissingExtra("faiss", f"reading {path.name}")
    import faiss

    file = path / "index.faiss" if path.is_dir() else path
    try:
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    except (RuntimeError, MemoryError) as error:
        raise _unreadable(file, error) from None
    outer = index  # the inner one is freed with it
    index, ids = _mapped(faiss, index)
    kind = type(index).__name__
    exact = "Flat" in kind or "HNSW" in kind
    about = About(
        path.name,
        "the index",
        index.ntotal,
        index.d,
        "float32" if exact else f"float32, approximated by {kind}",
        has_texts=False,
    )
    try:
        ivf = faiss.try_extract_index_ivf(index)
        if ivf is not None:
            ivf.make_direct_map()
        if index.ntotal:
            index.reconstruct_n(0, 1)
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"{path.name}: an index of the kind {kind} does not give its vectors back: "
            f"{_said(error)}"
        ) from None

    def rows(vectors: bool, outer: Any = outer) -> Iterator[Rows]:
        for start in range(0, about.rows, BATCH):
            count = min(BATCH, about.rows - start)
            named = range(start + 1, start + count + 1) if ids is None else ids[start:][:count]
            names = [f"row {n}" if ids is None else str(n) for n in named]
            array = np.asarray(index.reconstruct_n(start, count), np.float32) if vectors else None
            yield Rows(names, None, array)

    return RowVectors(about, rows)


def _mapped(faiss: Any, index: Any) -> tuple[Any, Any]:
    """Return the index inside an IndexIDMap, and its ids."""
    ids = None
    while True:
        index = faiss.downcast_index(index)
        if isinstance(index, (faiss.IndexIDMap, faiss.IndexIDMap2)):
            ids, index = faiss.vector_to_array(index.id_map), index.index
            continue
        return index, ids


def _unreadable(file: Path, error: BaseException) -> InputError:
    return InputError(f"{file.name} is damaged or no FAISS index: {_said(error)}")


def _said(error: BaseException) -> str:
    return str(error).strip().splitlines()[-1][-200:] if str(error).strip() else "no reason given"
