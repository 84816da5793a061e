"""Vectors that say nothing of their model: seen as such, and never taken for texts."""

from __future__ import annotations

import shlex
from pathlib import Path

from veclab.errors import InputError

ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
FAISS_SUFFIXES = (".faiss", ".index")
_ALWAYS = (".npy", ".safetensors", *FAISS_SUFFIXES)
# Shorter lists of fractions are scores or boxes.
SHORTEST = 16


def foreign_vectors(path: str | Path) -> str | None:
    """Return what vectors without a Space a file holds, in words; None for any other file."""
    path = Path(path)
    if path.is_dir():
        stores = {"chroma.sqlite3": "of Chroma", "index.faiss": "of a FAISS index"}
        return next((f"vectors {w}" for n, w in stores.items() if (path / n).is_file()), None)
    if not path.is_file():
        return None
    if path.suffix in _ALWAYS:
        from veclab.vectorfiles.sidecar import has_sidecar

        return None if has_sidecar(path) else "vectors"
    if path.suffix == ".npz":
        from veclab.vectorfiles.checked import array_kinds, opened_npz

        with opened_npz(path) as file:
            own = {"embedding", "id", "space"} <= set(file.files)
            kinds = array_kinds(file).values()
            matrix = any(len(shape) == 2 and kind.kind in "fiu" for shape, kind in kinds)
            return "vectors" if matrix and not own else None
    if path.suffix != ".parquet" and path.suffix not in ARROW_SUFFIXES:
        return None
    column = vector_column(path)
    return None if column is None else f"vectors in the column {column!r}"


def vector_column(path: Path) -> str | None:
    """Return the column of vectors of others in a Parquet or Arrow file; None without one.

    It is one of lists of fractions, of 16 or more; a damaged file has none.
    """
    from veclab.vectorfiles.arrow import ArrowFileVectors
    from veclab.vectorfiles.parquet import ParquetVectors

    kind = ParquetVectors if path.suffix == ".parquet" else ArrowFileVectors
    try:
        columns = kind.candidates(path)
        found = [kind(path, column, None).about for column in columns]
    except InputError:
        return None
    for about in found:
        whole = about.dtype.startswith(("int", "uint"))
        if about.space is None and about.dimensions >= SHORTEST and not whole:
            return about.column
    return None


def refuse_foreign(path: str | Path) -> None:
    """Raise InputError, with the ways out, for vectors whose model is not known."""
    if (found := foreign_vectors(path)) is not None:
        raise undeclared(path, found)


def undeclared(path: str | Path, found: str) -> InputError:
    """Return the error for a file of vectors that does not say which model made them."""
    name = shlex.quote(str(path))
    texts = ""
    if "column" in found:
        texts = f"; or embed its texts again: veclab embed {name} -o NEW.parquet"
    return InputError(
        f"{path} holds {found} and does not record their model, so they cannot be compared with "
        f"anything. If you know the model: veclab adopt {name} -m MODEL -o OUT.parquet embeds a "
        f"sample again, and on agreement writes them with their Space{texts}"
    )
