"""pandas: `df["text"].veclab.embed()`.

import veclab.integrations.pandas

vectors = frame["text"].veclab.embed()          # a series, its Space in .attrs
frame = frame.veclab.embed("text", into="vector")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from veclab.errors import InputError, MissingExtra
from veclab.integrations.embedding import SPACE, TextEmbedder, written_space
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.report import Report
from veclab.space import OnLong, Role, Space
from veclab.vectors import Vectors

try:
    import pandas as pd
except ImportError:
    raise MissingExtra("frames", "veclab in pandas") from None


@pd.api.extensions.register_series_accessor("veclab")
class SeriesAccessor:
    """`series.veclab`."""

    def __init__(self, series: pd.Series[Any]) -> None:
        self._series = series

    def embed(
        self,
        model: Model | str = DEFAULT_MODEL,
        *,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        report: Report | None = None,
        loading: Mapping[str, Any] | None = None,
    ) -> pd.Series[Any]:
        """Embed a column of texts: a series of float32 (dim,), its Space in `attrs`.

        None where a text is missing, blank or unreadable, with a warning.

        Args:
            model: of `veclab.load`, or a name for it.
            role: the model's prompt for `query` or `document`; passed over where it has none.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            report: what happened to the texts is added to it.
            loading: further arguments of `veclab.load`, with a name.
        """
        embedder = TextEmbedder(model, on_long=on_long, loading=loading, report=report)
        rows, there = embedder.rows_with_gaps(self._series.tolist(), role)
        column = np.empty(len(rows), object)
        for i in np.flatnonzero(there):
            column[i] = rows[i]
        made = pd.Series(column, self._series.index, name=self._series.name, dtype=object)
        made.attrs.update(embedder.metadata)
        return made

    def vectors(self) -> Vectors:
        """Return a series of vectors as Vectors, named by its index; missing ones are left out.

        Raises:
            InputError: no Space is in its `attrs`.
        """
        return _vectors(self._series, written_space(self._series.attrs, "series"))


@pd.api.extensions.register_dataframe_accessor("veclab")
class FrameAccessor:
    """`frame.veclab`."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def embed(self, column: str, *, into: str = "embedding", **options: Any) -> pd.DataFrame:
        """Return the frame with vectors of a column of texts, their Space in the frame's `attrs`.

        Args:
            column: of texts.
            into: the column of vectors.
            options: of `series.veclab.embed`.
        """
        made = self._frame[column].veclab.embed(**options)
        frame = self._frame.assign(**{into: made})
        frame.attrs = {**self._frame.attrs, f"{SPACE}:{into}": made.attrs[SPACE]}
        return frame

    def vectors(self, column: str = "embedding") -> Vectors:
        """Return a column of vectors as Vectors, named by the index; missing ones are left out.

        Raises:
            InputError: no Space is in the frame's `attrs` for it.
        """
        written = self._frame.attrs.get(f"{SPACE}:{column}")
        known = {} if written is None else {SPACE: written}
        return _vectors(self._frame[column], written_space(known, f"column {column!r}"))


def _vectors(series: pd.Series[Any], space: Space) -> Vectors:
    there = series[series.notna()]
    if any(np.shape(row) != (space.dimensions,) for row in there):
        raise InputError(f"the series {series.name!r} does not hold vectors of {space}")
    array = np.array([*there], np.float32).reshape(-1, space.dimensions)
    return Vectors(array, space, [str(name) for name in there.index])
