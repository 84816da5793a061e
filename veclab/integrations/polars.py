"""Polars: `df["text"].veclab.embed()` and `pl.col("text").veclab.embed()`.

    import veclab.integrations.polars

    frame = frame.with_columns(vector=pl.col("text").veclab.embed())

Vectors come as an extension type over `Array(Float32, n)` whose metadata are their Space: it goes
with them through filters, joins, Parquet and Arrow. `.ext.storage()` gives the bare arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from veclab.errors import InputError, MissingExtra
from veclab.integrations.embedding import TextEmbedder, fixed_lists
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.report import Report
from veclab.space import OnLong, Role, Space
from veclab.vectors import Vectors

try:
    import polars as pl
except ImportError:
    raise MissingExtra("frames", "veclab in Polars") from None

_NAME = "veclab.vectors"


class VectorType(pl.BaseExtension):
    """Vectors of one Space."""

    def __init__(self, space: Space) -> None:
        self.space = space
        super().__init__(_NAME, pl.Array(pl.Float32, space.dimensions), space.to_json())

    @classmethod
    def ext_from_params(cls, name: str, storage: Any, metadata: str | None) -> Self:
        """Read the type back from a file."""
        return cls(Space.from_json(metadata or ""))

    def __repr__(self) -> str:
        return f"Vectors({self.space})"


pl.register_extension_type(_NAME, VectorType)


@pl.api.register_series_namespace("veclab")
class SeriesNamespace:
    """`series.veclab`."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def embed(
        self,
        model: Model | str = DEFAULT_MODEL,
        *,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        report: Report | None = None,
        loading: Mapping[str, Any] | None = None,
    ) -> pl.Series:
        """Embed a column of texts; null where a text is null, blank or unreadable, with a warning.

        Args:
            model: of `veclab.load`, or a name for it.
            role: the model's prompt for `query` or `document`; passed over where it has none.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            report: what happened to the texts is added to it.
            loading: further arguments of `veclab.load`, with a name.
        """
        embedder = TextEmbedder(model, on_long=on_long, loading=loading, report=report)
        return _embed(self._series, embedder, role)

    def vectors(self) -> Vectors:
        """Return the series as Vectors, named by their rows; nulls are left out.

        Raises:
            InputError: the series is not of vectors with a Space.
        """
        kind = self._series.dtype
        if not isinstance(kind, VectorType):
            raise InputError(f"the series {self._series.name!r} has no Space: it is of {kind}")
        there = self._series.is_not_null()
        array = self._series.filter(there).ext.storage().to_numpy()
        ids = [str(i) for i in there.arg_true()]
        return Vectors(array.reshape(-1, kind.space.dimensions), kind.space, ids)


@pl.api.register_expr_namespace("veclab")
class ExprNamespace:
    """`expression.veclab`."""

    def __init__(self, expression: pl.Expr) -> None:
        self._expression = expression

    def embed(
        self,
        model: Model | str = DEFAULT_MODEL,
        *,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        report: Report | None = None,
        loading: Mapping[str, Any] | None = None,
    ) -> pl.Expr:
        """Embed texts, as `series.veclab.embed` does, when the frame is computed."""
        embedder = TextEmbedder(model, on_long=on_long, loading=loading, report=report)
        return self._expression.map_batches(
            lambda series: _embed(series, embedder, role), return_dtype=VectorType(embedder.space)
        )


def _embed(series: pl.Series, embedder: TextEmbedder, role: Role | None) -> pl.Series:
    if series.dtype not in (pl.String, pl.Categorical, pl.Null):
        raise InputError(f"the series {series.name!r} is of {series.dtype}, not of texts")
    lists = fixed_lists(*embedder.rows_with_gaps(series.to_list(), role))
    arrays = pl.Series(series.name, lists, dtype=pl.Array(pl.Float32, embedder.space.dimensions))
    return arrays.ext.to(VectorType(embedder.space))
