"""LlamaIndex: `VeclabEmbedding` wherever a `BaseEmbedding` is taken.

from veclab.integrations.llamaindex import VeclabEmbedding

Settings.embed_model = VeclabEmbedding("all-MiniLM-L6-v2")
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from veclab.errors import MissingExtra, SpaceMismatch
from veclab.integrations.embedding import SPACE_ID, HasEmbedder, TextEmbedder, to_lists
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.space import OnLong

try:
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode
except ImportError:
    raise MissingExtra("llamaindex", "veclab in LlamaIndex") from None


class VeclabEmbedding(HasEmbedder, BaseEmbedding):
    """A veclab model in LlamaIndex's terms: texts and queries in their roles.

    `veclab_space`, the id of its Space, is one of its fields: an ingestion pipeline's cache keys
    hold it, so that it never hands out another model's vectors.
    """

    veclab_space: str
    on_long: OnLong
    loading: dict[str, Any]
    _embedder: TextEmbedder = PrivateAttr()

    def __init__(
        self,
        model: Model | str | None = None,
        *,
        on_long: OnLong = "truncate",
        loading: Mapping[str, Any] | None = None,
        embed_batch_size: int = 512,
        veclab_space: str | None = None,
        **fields: Any,
    ) -> None:
        """
        Args:
            model: of `veclab.load`, or a name for it; by default `model_name`, as `to_dict` has
                it, else veclab's default.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            loading: further arguments of `veclab.load`, with a name.
            embed_batch_size: texts that are handed over together; veclab cuts its own batches.
            veclab_space: the Space that it must have, as `to_dict` has it.
            fields: of `BaseEmbedding`.

        Raises:
            SpaceMismatch: the name means a model of another Space here.
        """
        named = model or fields.pop("model_name", DEFAULT_MODEL)
        embedder = TextEmbedder(named, on_long=on_long, loading=loading)
        space = embedder.space
        if veclab_space not in (None, space.id):
            raise SpaceMismatch(
                f"what was written down is of the Space {veclab_space}, and {named} is {space} "
                "here; give the model: VeclabEmbedding(model)"
            )
        known = {
            "model_name": named if isinstance(named, str) else space.model,
            "veclab_space": space.id,
            "on_long": on_long,
            "loading": dict(loading or {}),
            "embed_batch_size": embed_batch_size,
        }
        super().__init__(**{**fields, **known})
        self._embedder = embedder

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the model does, with the fields; LlamaIndex would leave the model out."""
        fields = self.model_dump()
        del fields["class_name"], fields["model_name"]
        return _unpickle, (type(self), self._embedder.given, fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name in LlamaIndex's own records."""
        return "VeclabEmbedding"

    def to_payload(self) -> dict[str, Any]:
        """Return what LlamaIndex tells its observers; the Space among it."""
        return {**super().to_payload(), SPACE_ID: self.veclab_space}

    def _get_query_embedding(self, query: str) -> list[float]:
        return to_lists(self._embedder.rows([query], "query"))[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return to_lists(self._embedder.rows([text], "document"))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return to_lists(self._embedder.rows(texts, "document"))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Give nodes their vectors, and copies of them the Space in their metadata."""
        return [self._marked(node) for node in super().__call__(nodes, **kwargs)]

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Do as a call does, without blocking."""
        return [self._marked(node) for node in await super().acall(nodes, **kwargs)]

    def _marked(self, node: BaseNode) -> BaseNode:
        """Return a copy: a docstore knows the node itself by a hash of its metadata."""
        hidden = {
            name: [*getattr(node, name), SPACE_ID]
            for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
        }
        metadata = {**node.metadata, SPACE_ID: self.veclab_space}
        return node.model_copy(update={"metadata": metadata, **hidden})


def _unpickle(kind: type[VeclabEmbedding], given: Any, fields: dict[str, Any]) -> VeclabEmbedding:
    return kind(given, **fields)
