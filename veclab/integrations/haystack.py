"""Haystack: `VeclabTextEmbedder` and `VeclabDocumentEmbedder`, as components of a pipeline.

    from veclab.integrations.haystack import VeclabDocumentEmbedder, VeclabTextEmbedder

Haystack tells deepset what runs unless HAYSTACK_TELEMETRY_ENABLED is False; veclab tells nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from veclab.errors import InputError, MissingExtra, SpaceMismatch
from veclab.integrations.embedding import SPACE_ID, TextEmbedder, to_lists
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.report import Report
from veclab.space import OnLong, Space

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError:
    raise MissingExtra("haystack", "veclab in Haystack") from None


class _Embedder:
    """What the two have in common; a component of Haystack is not to be derived from another."""

    def __init__(
        self,
        model: Model | str,
        on_long: OnLong,
        loading: dict[str, Any] | None,
        veclab_space: str | None,
    ) -> None:
        self.embedder = TextEmbedder(model, on_long=on_long, loading=loading)
        self.expected = veclab_space

    def warm_up(self) -> None:
        """Load the model.

        Raises:
            SpaceMismatch: the pipeline was written down with a model of another Space.
        """
        space = self.embedder.space
        if self.expected not in (None, space.id):
            raise SpaceMismatch(
                f"this pipeline was written down with the Space {self.expected}, and "
                f"{self.embedder.given} is {space} here: take `veclab_space` out of it if its "
                "documents are embedded anew"
            )

    def options(self) -> dict[str, Any]:
        """Return the arguments that make it again.

        Raises:
            InputError: it was made of a loaded model, which has no form in YAML.
        """
        if not isinstance(self.embedder.given, str):
            raise InputError(
                "a pipeline with a loaded model cannot be written down: give the model's name and "
                "`loading` instead"
            )
        return {
            "model": self.embedder.given,
            "on_long": self.embedder.on_long,
            "loading": self.embedder.loading,
            "veclab_space": self.embedder.space.id,
        }

    def meta(self) -> dict[str, Any]:
        """Return what a pipeline's output says of the model."""
        return {"model": self.embedder.space.model, **self.embedder.metadata}


@component
class VeclabTextEmbedder:
    """A query's vector by a veclab model."""

    def __init__(
        self,
        model: Model | str = DEFAULT_MODEL,
        on_long: OnLong = "truncate",
        loading: dict[str, Any] | None = None,
        veclab_space: str | None = None,
    ) -> None:
        """
        Args:
            model: of `veclab.load`, or a name for it.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            loading: further arguments of `veclab.load`, with a name.
            veclab_space: the Space it must have; a pipeline that is written down holds it.
        """
        self._inner = _Embedder(model, on_long, loading, veclab_space)

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self._inner.embedder.space

    @property
    def report(self) -> Report:
        """What happened to all texts so far."""
        return self._inner.embedder.report

    def warm_up(self) -> None:
        """Load the model; raises SpaceMismatch where it is another than was written down."""
        self._inner.warm_up()

    def to_dict(self) -> dict[str, Any]:
        """Return what a pipeline's YAML holds of it."""
        return default_to_dict(self, **self._inner.options())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VeclabTextEmbedder:
        """Make it again."""
        return default_from_dict(cls, data)

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a query: its vector, and the model and Space in `meta`."""
        if not isinstance(text, str):
            raise InputError("VeclabTextEmbedder takes one text; documents go to the other one")
        self.warm_up()
        row = to_lists(self._inner.embedder.rows([text], "query"))[0]
        return {"embedding": row, "meta": self._inner.meta()}

    @component.output_types(embedding=list[float], meta=dict[str, Any])
    async def run_async(self, text: str) -> dict[str, Any]:
        """Do as `run`, in a thread."""
        return await asyncio.to_thread(self.run, text)


@component
class VeclabDocumentEmbedder:
    """The vectors of documents by a veclab model, each with its Space in the document's `meta`."""

    def __init__(
        self,
        model: Model | str = DEFAULT_MODEL,
        on_long: OnLong = "truncate",
        loading: dict[str, Any] | None = None,
        meta_fields_to_embed: list[str] | None = None,
        embedding_separator: str = "\n",
        veclab_space: str | None = None,
    ) -> None:
        """
        Args:
            model, on_long, loading, veclab_space: as of `VeclabTextEmbedder`.
            meta_fields_to_embed: what of a document's `meta` is embedded before its content.
            embedding_separator: what stands between.
        """
        self._inner = _Embedder(model, on_long, loading, veclab_space)
        self.meta_fields_to_embed = list(meta_fields_to_embed or [])
        self.embedding_separator = embedding_separator

    @property
    def space(self) -> Space:
        """What its vectors may be compared with."""
        return self._inner.embedder.space

    @property
    def report(self) -> Report:
        """What happened to all texts so far."""
        return self._inner.embedder.report

    def warm_up(self) -> None:
        """Load the model; raises SpaceMismatch where it is another than was written down."""
        self._inner.warm_up()

    def to_dict(self) -> dict[str, Any]:
        """Return what a pipeline's YAML holds of it."""
        return default_to_dict(
            self,
            **self._inner.options(),
            meta_fields_to_embed=self.meta_fields_to_embed,
            embedding_separator=self.embedding_separator,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VeclabDocumentEmbedder:
        """Make it again."""
        return default_from_dict(cls, data)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed documents: copies with their vectors, and the model and Space in `meta`."""
        if not isinstance(documents, Sequence) or not all(
            isinstance(one, Document) for one in documents
        ):
            raise InputError("VeclabDocumentEmbedder takes a list of documents")
        self.warm_up()
        rows = to_lists(self._inner.embedder.rows(list(map(self._text, documents)), "document"))
        mark = {SPACE_ID: self.space.id}
        made = [
            replace(one, embedding=row, meta={**one.meta, **mark})
            for one, row in zip(documents, rows, strict=True)
        ]
        return {"documents": made, "meta": self._inner.meta()}

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """Do as `run`, in a thread."""
        return await asyncio.to_thread(self.run, documents)

    def _text(self, document: Document) -> str:
        fields = (document.meta.get(name) for name in self.meta_fields_to_embed)
        said = [str(value) for value in fields if value is not None]
        return self.embedding_separator.join([*said, document.content or ""])
