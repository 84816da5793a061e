"""What files of vectors say, believed only when checked: every fault is one line of InputError.

Files come from anywhere: cut short, damaged, written by other tools, or made to mislead. All
readers of vectors go through here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, VeclabError, first_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

T = TypeVar("T")


def facts_in(name: object, read: Callable[[str | bytes], T], text: str | bytes) -> T:
    """Read a Space, Recipe or Report of a file; errors name the file."""
    try:
        return read(text)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


@contextmanager
def opened_parquet(path: Path, metadata: Any = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for what is read from it inside `with`.

    Args:
        path: of the file.
        metadata: its own, where it was opened before; else it is read.

    Raises:
        InputError: it is missing, damaged, cut short or no Parquet file, or two of its columns
            share a name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        # A buffer streams a column, which may be as large as the file, instead of loading it.
        with pq.ParquetFile(path, metadata=metadata, buffer_size=1 << 20, pre_buffer=False) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                raise InputError(f"{path} has several columns of the same name: {sorted(names)}")
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise InputError(
            f"{path} is not a complete Parquet file (truncated or damaged?): {first_line(error)}"
        ) from None


def is_vectors(kind: pa.DataType) -> bool:
    """Return whether an Arrow type is a list of numbers.

    Also a tensor of one dimension, and an object of fractions only, one field a dimension.
    """
    import pyarrow as pa

    t = pa.types
    if isinstance(kind, pa.FixedShapeTensorType):
        return sum(size > 1 for size in kind.shape) <= 1 and is_vectors(kind.storage_type)
    if t.is_struct(kind):
        return kind.num_fields > 1 and all(t.is_floating(field.type) for field in kind)
    lists = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
    return bool(lists and (t.is_floating(kind.value_type) or t.is_integer(kind.value_type)))


def vector_kind(kind: pa.DataType) -> tuple[str, int | None]:
    """Return the type of the numbers of a column of vectors, and its length where that is fixed."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_struct(kind):
        return str(kind.field(0).type), kind.num_fields
    fixed = pa.types.is_fixed_size_list(kind)
    return str(kind.value_type), kind.list_size if fixed else None


def as_lists(column: pa.Array) -> pa.Array:
    """Return a column of vectors as an array of lists; one of lists as it is."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if not pa.types.is_struct(column.type):
        return column
    fields = [part.to_numpy(zero_copy_only=False) for part in column.flatten()]
    flat = np.stack(fields, axis=1).astype(np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(flat), len(fields), mask=column.is_null() if column.null_count else None
    )


def as_matrix(
    lists: pa.Array, dimensions: int, name: str, row: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Check and convert a run of m vectors of a column.

    Args:
        lists: one batch of the column.
        dimensions: how long each vector must be.
        name: what to call the file in errors.
        row: how many rows came before this batch.

    Returns:
        The vectors, float32 (m, dimensions), NaN where a row has none; bool (m,) of those rows.

    Raises:
        InputError: the column does not hold lists of numbers, or they are of another length.
    """
    import pyarrow.compute as pc

    if not is_vectors(lists.type):
        raise InputError(f"{name}: the column of vectors holds {lists.type}, not lists of numbers")
    missing = lists.is_null().to_numpy(zero_copy_only=False)
    there = lists.drop_null() if missing.any() else lists
    lengths = pc.list_value_length(there).to_numpy(zero_copy_only=False)
    if (odd := np.flatnonzero(lengths != dimensions)).size:
        at = row + int(np.flatnonzero(~missing)[odd[0]]) + 1
        raise InputError(
            f"{name}, row {at}: a vector of {lengths[odd[0]]} dimensions, but {dimensions} are "
            "expected; the vectors of one model all have the same length, so these come from "
            "several models"
        )
    flat = there.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which checks report
        array = flat.astype(np.float32, copy=False).reshape(len(there), dimensions)
    if not missing.any():
        return array, missing
    whole = np.full((len(lists), dimensions), np.nan, dtype=np.float32)
    whole[~missing] = array
    return whole, missing


def as_strings(column: Any, name: str) -> list[str | None]:
    """Return the texts of an Arrow column; None where there is none.

    Raises:
        InputError: it holds something else than texts in UTF-8.
    """
    import pyarrow as pa

    t, kind = pa.types, column.type
    inner = kind.value_type if t.is_dictionary(kind) else kind
    if not any(
        test(inner) for test in (t.is_string, t.is_large_string, t.is_string_view, t.is_null)
    ):
        raise InputError(f"{name} holds {kind}, not texts")
    column.validate(full=True)
    texts: list[str | None] = column.to_pylist()
    return texts


def as_facts(column: Any, fact: str, name: object) -> Any:
    """Return an Arrow column `tokens` (whole numbers) or `truncated` (yes or no) for numpy.

    None where a row does not tell; raises InputError where it holds something else.
    """
    import pyarrow as pa

    if column.null_count and len(column):
        return None
    fits = pa.types.is_boolean if fact == "truncated" else pa.types.is_integer
    if not fits(column.type):
        raise InputError(f"{name}: the column {fact!r} holds {column.type}")
    return column.to_numpy(zero_copy_only=False)


@contextmanager
def opened_npz(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open an .npz file for what is read from it inside `with`; nothing pickled is read.

    Raises:
        InputError: it is missing, damaged or no .npz file, or an array that is read is pickled.
    """
    with _one_error(path):
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise InputError(f"{path} holds a single array: its name should end in .npy")
        with file:
            yield file


def mapped_array(path: Path) -> NDArray[Any]:
    """Return the array of an .npy file, mapped into memory; raises InputError as `opened_npz`."""
    with _one_error(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path} holds several arrays: its name should end in .npz")
        return array


@contextmanager
def _one_error(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        yield
    except VeclabError:
        raise
    except Exception as error:  # zip, zlib, numpy and its parser of headers each have their own
        reason = first_line(error)
        if "pickle" in reason or "Python objects" in reason:  # numpy goes on: how to run them
            reason = "it holds something else, or pickled objects, which are not read"
        raise InputError(
            f"{path} is not a complete numpy file (truncated or damaged?): {reason}"
        ) from None


def array_kinds(file: np.lib.npyio.NpzFile) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return shape and type of each array in an .npz file, from their headers alone."""
    kinds = {}
    assert file.zip is not None
    for member in file.zip.namelist():
        if not member.endswith(".npy"):
            continue
        with file.zip.open(member) as part:
            version = np.lib.format.read_magic(part)
            read = np.lib.format.read_array_header_1_0
            shape, _, kind = (read if version == (1, 0) else _header_2)(part)
        kinds[member.removesuffix(".npy")] = (shape, kind)
    return kinds


def _header_2(part: Any) -> Any:
    return np.lib.format.read_array_header_2_0(part)
