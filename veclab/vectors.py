"""Vectors: embeddings together with what they are: ids, texts, Space, Report."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra
from veclab.report import Report
from veclab.space import Space, require_same
from veclab.unit_length import normalize

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from veclab.maps.map import Map
    from veclab.maps.projection import Method

_TABLE_ROWS = 10


class Row(NamedTuple):
    """One text and its vector (float32, (dim,))."""

    id: str
    text: str | None
    embedding: NDArray[np.float32]
    tokens: int | None
    truncated: bool | None

    def __repr__(self) -> str:
        numbers = f"[{_head(self.embedding)}] ({len(self.embedding)}-d)"
        text = self.text if self.text is None or len(self.text) <= 80 else self.text[:79] + "…"
        return f"Row(id={self.id!r}, text={text!r}, embedding={numbers})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Vectors:
    """n vectors of one Space. What comes back is always (n, dim), also for n = 0.

    Attributes:
        array: float32 (n, dim).
        space: what they may be compared with.
        ids: n names; by default the positions "0", "1", ...
        texts: n texts as given, None where they were not kept.
        tokens: int32 (n,), tokens of each whole text; None where unknown.
        truncated: bool (n,), whether the model read only its beginning; None where unknown.
        columns: the caller's own columns, an Arrow table of n rows, or None.
        report: what happened on the way, None for vectors that were read or cut from others.
    """

    array: NDArray[np.float32]
    space: Space
    ids: Sequence[str] = ()
    texts: Sequence[str] | None = None
    tokens: NDArray[np.int32] | None = None
    truncated: NDArray[np.bool_] | None = None
    columns: pa.Table | None = None
    report: Report | None = None

    def __post_init__(self) -> None:
        array = np.ascontiguousarray(self.array, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.space.dimensions:
            raise InputError(
                f"an array of shape {array.shape} cannot hold vectors of {self.space.dimensions} "
                "dimensions: (n, dim) is needed"
            )
        object.__setattr__(self, "array", array)
        n = len(array)
        if n and not len(self.ids):
            object.__setattr__(self, "ids", list(map(str, range(n))))
        for name in ("ids", "texts", "tokens", "truncated", "columns"):
            value = getattr(self, name)
            length = n if value is None else value.num_rows if name == "columns" else len(value)
            if length != n:
                raise InputError(f"{n} vectors need {n} {name}, not {length}")

    def __len__(self) -> int:
        return len(self.array)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self.space.dimensions

    @property
    def shape(self) -> tuple[int, int]:
        """(n, dim)."""
        return len(self), self.dimensions

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype=dtype or np.float32, copy=copy)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice | NDArray[Any] | list[int]) -> Self: ...
    def __getitem__(self, key: int | slice | NDArray[Any] | list[int]) -> Row | Self:
        """Return a Row for a number; Vectors for a slice, a mask or a list of positions."""
        if isinstance(key, (int, np.integer)):
            return self._row(range(len(self))[key])
        rows = np.arange(len(self))[key]
        return replace(
            self,
            array=self.array[rows],
            ids=[self.ids[i] for i in rows],
            texts=None if self.texts is None else [self.texts[i] for i in rows],
            tokens=None if self.tokens is None else self.tokens[rows],
            truncated=None if self.truncated is None else self.truncated[rows],
            columns=None if self.columns is None else self.columns.take(rows),
            report=None,
        )

    def __iter__(self) -> Iterator[Row]:
        return (self._row(i) for i in range(len(self)))

    def _row(self, i: int) -> Row:
        return Row(
            id=self.ids[i],
            text=None if self.texts is None else self.texts[i],
            embedding=self.array[i],
            tokens=None if self.tokens is None else int(self.tokens[i]),
            truncated=None if self.truncated is None else bool(self.truncated[i]),
        )

    def __add__(self, other: Vectors) -> Vectors:
        """Return `self` followed by `other`; raises SpaceMismatch unless they share a Space."""
        return concatenate([self, other])

    def truncate(self, dimensions: int) -> Vectors:
        """Truncate each vector to its first `dimensions` numbers, at unit length again.

        Only models trained for it (Matryoshka representation learning, Kusupati et al. 2022,
        arXiv:2205.13147) keep most of their quality. The result is a Space of its own.
        """
        if not 0 < dimensions <= self.dimensions:
            raise InputError(f"cannot truncate {self.dimensions} dimensions to {dimensions}")
        space = replace(self.space, dimensions=dimensions, normalized=True, canary=None)
        return replace(self, array=normalize(self.array[:, :dimensions]), space=space, report=None)

    def to_arrow(self) -> pa.Table:
        """Make an Arrow table, as `save` writes it; what is not known has no column."""
        from veclab.vectorfiles.files import to_table

        table = to_table(self)
        known = {"text": self.texts, "tokens": self.tokens, "truncated": self.truncated}
        return table.drop_columns([name for name, value in known.items() if value is None])

    def to_pandas(self) -> pd.DataFrame:
        """Make a pandas data frame with the ids as its index, the vectors in `embedding`.

        Raises:
            MissingExtra: pandas is not installed.
        """
        if find_spec("pandas") is None:
            raise MissingExtra("frames", "a pandas data frame")
        return self.to_arrow().to_pandas().set_index("id")

    def to_polars(self) -> pl.DataFrame:
        """Make a Polars data frame: id, text, embedding (an array), tokens, own columns.

        Raises:
            MissingExtra: Polars is not installed.
        """
        if find_spec("polars") is None:
            raise MissingExtra("frames", "a Polars data frame")
        import polars

        return polars.DataFrame(self.to_arrow())

    def save(self, path: str | Path) -> Path:
        """Write to `.parquet`, `.npz`, `.npy`, `.jsonl` or `.csv`; `veclab.read` reads it back.

        The last three have no place for the Space, which is written beside them: keep both files.
        """
        from veclab.vectorfiles.files import save

        return save(self, Path(path))

    def map(self, method: Method = "tsne", *, seed: int = 42, title: str | None = None) -> Map:
        """Lay the vectors out in two dimensions; see `veclab.maps.build.make_map`.

        Args:
            method: `tsne`, `umap` or `pca`.
            seed: of all that is random.
            title: of the map; by default the model's name.
        """
        from veclab.maps.build import make_map

        return make_map(self, method, seed=seed, title=title)

    def __repr__(self) -> str:
        return f"<Vectors {len(self):,} x {self.dimensions}, {self.space}>"

    def _repr_html_(self) -> str:
        """Return a table of the first rows for notebooks; texts are escaped, never markup."""
        shown = min(len(self), _TABLE_ROWS)
        body = "".join(
            f"<tr><td>{html.escape(row.id)}</td><td>{html.escape((row.text or '')[:80])}</td>"
            f"<td><code>{_head(row.embedding)}</code></td></tr>"
            for row in (self._row(i) for i in range(shown))
        )
        more = f"<p>… {len(self) - shown:,} more</p>" if len(self) > shown else ""
        return (
            f"<p>{html.escape(repr(self))}</p><table><thead><tr><th>id</th><th>text</th>"
            f"<th>embedding</th></tr></thead><tbody>{body}</tbody></table>{more}"
        )


def _head(vector: NDArray[np.float32], shown: int = 4) -> str:
    return " ".join(f"{x:+.3f}" for x in vector[:shown]) + (" …" if len(vector) > shown else "")


def require_vectors(value: object, name: str) -> Vectors:
    """Return a value that is Vectors; raises InputError with the way out for anything else."""
    if isinstance(value, Vectors):
        return value
    if isinstance(value, (str, list, tuple)) and all(isinstance(v, str) for v in value):
        remedy = "embed texts first: model.embed(texts)"
    else:
        remedy = (
            "an array has no Space, so veclab cannot tell what it may be compared with; if you "
            "know which model made it, say so: veclab.Vectors(array, model.space)"
        )
    raise InputError(f"{name} is a {type(value).__name__}, not Vectors: {remedy}")


def concatenate(parts: Sequence[Vectors]) -> Vectors:
    """Join several Vectors; what one of them lacks (texts, tokens, own columns) is dropped.

    Raises:
        SpaceMismatch: they do not share a Space.
        InputError: there are none.
    """
    if not parts:
        raise InputError("nothing to concatenate")
    for number, part in enumerate(parts, start=1):
        require_vectors(part, f"part {number}")
    first = parts[0]
    for number, part in enumerate(parts[1:], start=2):
        require_same(first.space, part.space, names=("part 1", f"part {number}"))
    tokens = [part.tokens for part in parts if part.tokens is not None]
    truncated = [part.truncated for part in parts if part.truncated is not None]
    texts = [part.texts for part in parts if part.texts is not None]
    columns = [part.columns for part in parts if part.columns is not None]
    if len(columns) == len(parts):
        import pyarrow as pa

        table = pa.concat_tables(columns, promote_options="permissive")
    return Vectors(
        array=np.concatenate([part.array for part in parts]),
        space=first.space,
        ids=[name for part in parts for name in part.ids],
        texts=[t for ts in texts for t in ts] if len(texts) == len(parts) else None,
        tokens=np.concatenate(tokens) if len(tokens) == len(parts) else None,
        truncated=np.concatenate(truncated) if len(truncated) == len(parts) else None,
        columns=table if len(columns) == len(parts) else None,
    )
