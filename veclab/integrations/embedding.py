"""What all adapters share: a model by its name or as it is, a row for every text, one report.

Frameworks take a list of numbers for each text and ask no further, so what veclab would put in a
report is also said as a warning: texts that were cut, texts that have no vector.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from veclab.errors import BadVectors, InputError
from veclab.model import Model, load
from veclab.models.names import DEFAULT_MODEL
from veclab.pipeline.run import OnEmpty
from veclab.provider import role_of
from veclab.report import Report, group_notes
from veclab.space import OnLong, Role, Space, require_same
from veclab.vectors import Vectors

if TYPE_CHECKING:
    import pyarrow as pa

# What a Space is called in a framework's own metadata: its id, and all of it as JSON.
SPACE_ID, SPACE = "veclab_space", "veclab_space_json"
# Frameworks call from threads of their own; one run of a model at a time, and each one whole.
_locks: WeakKeyDictionary[Model, threading.Lock] = WeakKeyDictionary()
_guard = threading.Lock()


class TextEmbedder:
    """A model as an adapter holds it: named or given, loaded when it is first needed.

    It pickles: by the name and the options, or as the model does.

    Attributes:
        report: what happened to all texts so far; ids are their positions, counted on from the
            first text that was given.
        on_long: what becomes of texts over the limit, as in `Model.embed`.
    """

    def __init__(
        self,
        model: Model | str = DEFAULT_MODEL,
        *,
        on_long: OnLong = "truncate",
        loading: Mapping[str, Any] | None = None,
        report: Report | None = None,
    ) -> None:
        """
        Args:
            model: of `veclab.load`, or a name for it.
            on_long: as in `Model.embed`.
            loading: further arguments of `veclab.load`, with a name.
            report: one to add to; by default a new one.

        Raises:
            InputError: there are options to load a model that is loaded already.
        """
        if isinstance(model, Model) and loading:
            raise InputError(
                f"{sorted(loading)} go with the name of a model, not with a loaded one"
            )
        self.given = model
        self.loading = dict(loading or {})
        self.on_long: OnLong = on_long
        self.report = Report() if report is None else report

    @property
    def model(self) -> Model:
        """The model; one that is named is loaded once for all adapters of the process."""
        if isinstance(self.given, Model):
            return self.given
        return _shared(self.given, tuple(sorted(self.loading.items())))

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self.model.space

    @property
    def metadata(self) -> dict[str, str]:
        """The Space for a framework's own metadata; `require` reads it back."""
        return {SPACE_ID: self.space.id, SPACE: self.space.to_json()}

    def require(self, metadata: Mapping[str, Any], name: str = "collection") -> None:
        """Do nothing where vectors that lie beside such metadata may be compared with these.

        Raises:
            SpaceMismatch: they are of another Space.
            InputError: no Space is written there.
        """
        require_same(written_space(metadata, name), self.space, names=(name, "model"))

    def rows(self, texts: Sequence[str], role: Role | None = None) -> NDArray[np.float32]:
        """Embed texts, each of which must have a vector: float32 (n, dim), in order.

        Args:
            texts: n texts.
            role: `query` or `document`; passed over by a model that knows no roles.

        Raises:
            BadVectors: the model's endpoint refused a text, or the model knows no token in it.
            EmptyText, TextTooLong: a text is blank; it is over the limit and `on_long` is "error".
            Whatever else `Model.embed` raises.
        """
        vectors = self.embed(texts, role, on_empty="error")
        if len(vectors) != len(texts):
            assert vectors.report is not None
            raise BadVectors(
                f"{vectors.report.left_out}: {'; '.join(group_notes(vectors.report.notes))}"
            )
        return vectors.array

    def rows_with_gaps(
        self, texts: Sequence[str | None], role: Role | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Embed texts of which some may be missing or blank.

        Returns:
            float32 (n, dim), NaN where there is no vector, and bool (n,): there is one. A warning
            says which texts have none.
        """
        start = self.report.texts
        vectors = self.embed(texts, role, on_empty="skip")
        there = np.array([int(name) - start for name in vectors.ids], np.intp)
        array = np.full((len(texts), vectors.dimensions), np.nan, np.float32)
        array[there] = vectors.array
        found = np.zeros(len(texts), np.bool_)
        found[there] = True
        return array, found

    def embed(
        self, texts: Sequence[str | None], role: Role | None, *, on_empty: OnEmpty
    ) -> Vectors:
        """Embed texts, add to the report, and warn of texts that were cut."""
        model = self.model
        with _lock(model):
            start = self.report.texts
            vectors = model.embed(
                texts,  # type: ignore[arg-type]  # a missing text is one for on_empty
                ids=range(start, start + len(texts)),
                role=None if role is None else role_of(model.space, role),
                on_long=self.on_long,
                on_empty=on_empty,
            )
            report = vectors.report
            assert report is not None
            self.report.add(report)
        if report.cut:
            warnings.warn(f"texts were cut: {report.cut}", stacklevel=4)
        return vectors


class HasEmbedder:
    """What an adapter that holds a TextEmbedder shows of it."""

    _embedder: TextEmbedder

    @property
    def model(self) -> Model:
        """The model in use."""
        return self._embedder.model

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self._embedder.space

    @property
    def report(self) -> Report:
        """What happened to all texts so far: from the cache, cut, bought."""
        return self._embedder.report

    @property
    def metadata(self) -> dict[str, str]:
        """The Space, to be written into the metadata of a collection."""
        return self._embedder.metadata

    def require(self, metadata: Mapping[str, Any]) -> None:
        """Raise SpaceMismatch where a collection with such metadata is of another Space."""
        self._embedder.require(metadata)


@lru_cache(maxsize=4)
def _shared(name: str, loading: tuple[tuple[str, Any], ...]) -> Model:
    return load(name, **dict(loading))


def _lock(model: Model) -> threading.Lock:
    with _guard:
        return _locks.setdefault(model, threading.Lock())


def fixed_lists(rows: NDArray[np.float32], there: NDArray[np.bool_]) -> pa.FixedSizeListArray:
    """Return rows as an Arrow array of lists of one length, null where there is no vector."""
    import pyarrow as pa

    flat = pa.array(np.nan_to_num(rows).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1], mask=pa.array(~there))


def written_space(metadata: Mapping[str, Any], what: str) -> Space:
    """Read the Space that `TextEmbedder.metadata` wrote; raises InputError where there is none."""
    if SPACE not in metadata:
        raise InputError(
            f"no Space is written down for the {what} ({SPACE}), so nobody can tell which model "
            "made the vectors; write `metadata` there when they are made"
        )
    return Space.from_json(str(metadata[SPACE]))


def to_lists(rows: NDArray[np.float32]) -> list[list[float]]:
    """Return rows as most frameworks want them."""
    return rows.tolist()  # type: ignore[no-any-return]
