"""scikit-learn: `VeclabTransformer` turns columns of texts into features.

from veclab.integrations.sklearn import VeclabTransformer

make_pipeline(VeclabTransformer("all-MiniLM-L6-v2"), LogisticRegression()).fit(texts, labels)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra
from veclab.integrations.embedding import TextEmbedder
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.report import Report
from veclab.space import OnLong, Role, Space, require_same

try:
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise MissingExtra("sklearn", "veclab in scikit-learn") from None


class VeclabTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Texts to vectors, as a step of a Pipeline or a ColumnTransformer.

    X is n texts, or a table of them: n rows and a column or more, whose vectors stand side by
    side. Fitting learns nothing but the Space; a fitted transformer that wakes up where the name
    means another model refuses to go on.

    Attributes:
        space_: what the vectors may be compared with, once fitted.
        columns_: names of the columns, None for a plain list of texts.
        report_: what happened to all texts so far.
    """

    def __init__(
        self,
        model: Model | str = DEFAULT_MODEL,
        *,
        role: Role | None = None,
        on_long: OnLong = "truncate",
        on_empty: Literal["error", "nan"] = "error",
        loading: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Args:
            model: of `veclab.load`, or a name for it. Another model is another feature space, so a
                grid may search over it.
            role: the model's prompt for `query` or `document`; passed over where it has none.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            on_empty: refuse a text that is missing, blank or unreadable (`error`), or give it NaN,
                as scikit-learn writes what is missing (`nan`).
            loading: further arguments of `veclab.load`, with a name.
        """
        self.model = model
        self.role = role
        self.on_long = on_long
        self.on_empty = on_empty
        self.loading = loading

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the Space and the names of the columns."""
        names, columns = _columns(X)
        if self.on_empty not in ("error", "nan"):
            raise InputError(f"on_empty cannot be {self.on_empty!r}; choose from 'error', 'nan'")
        self.report_ = Report()
        self.space_: Space = self._embedder().space
        self.columns_ = names
        self.n_features_in_ = len(columns)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed texts: float32 (n, dim x columns).

        Raises:
            InputError: X has not the columns that it was fitted on.
            SpaceMismatch: the model is not the one that it was fitted with.
            Whatever `Model.embed` raises.
        """
        check_is_fitted(self, "space_")
        names, columns = _columns(X)
        named = names is not None and self.columns_ is not None
        if len(columns) != self.n_features_in_ or (named and names != self.columns_):
            raise InputError(
                f"the transformer was fitted on {self.columns_ or self.n_features_in_} columns of "
                f"texts, and these are {names or len(columns)}"
            )
        embedder = self._embedder()
        require_same(self.space_, embedder.space, names=("fitted", "model here"))
        return np.concatenate([self._embed(embedder, column) for column in columns], axis=1)

    def _embedder(self) -> TextEmbedder:
        return TextEmbedder(
            self.model, on_long=self.on_long, loading=self.loading, report=self.report_
        )

    def _embed(self, embedder: TextEmbedder, texts: Sequence[Any]) -> NDArray[np.float32]:
        if self.on_empty == "nan":
            return embedder.rows_with_gaps(texts, self.role)[0]
        return embedder.rows(texts, self.role)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return `embedding0`, `embedding1`, ..., or `column_0`, ... where columns have names."""
        check_is_fitted(self, "space_")
        names = self.columns_ if input_features is None else [str(name) for name in input_features]
        size = range(self.space_.dimensions)
        if names is None:
            starts = [""] if self.n_features_in_ == 1 else map(str, range(self.n_features_in_))
            return np.array(
                [f"embedding{s}{'_' * bool(s)}{i}" for s in starts for i in size], object
            )
        return np.array([f"{name}_{i}" for name in names for i in size], object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.allow_nan = self.on_empty == "nan"
        return tags


def _columns(X: Any) -> tuple[list[str] | None, list[Sequence[Any]]]:
    """Return the names of X's columns, None for a plain list, and the texts of each."""
    if isinstance(X, str):
        raise InputError("X is one string; give a list of texts")
    if hasattr(X, "columns"):  # pandas, Polars
        return [str(name) for name in X.columns], [list(X[name]) for name in X.columns]
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return None, [X[:, i].tolist() for i in range(X.shape[1])]
    name = getattr(X, "name", None)
    return [name] if isinstance(name, str) and name else None, [list(X)]
