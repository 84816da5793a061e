"""LangChain: `VeclabEmbeddings` wherever an `Embeddings` is taken.

from veclab.integrations.langchain import VeclabEmbeddings

embeddings = VeclabEmbeddings("all-MiniLM-L6-v2")
"""

from __future__ import annotations

import asyncio
from typing import Any

from veclab.errors import MissingExtra
from veclab.integrations.embedding import HasEmbedder, TextEmbedder, to_lists
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.space import OnLong

try:
    from langchain_core.embeddings import Embeddings
except ImportError:
    raise MissingExtra("langchain", "veclab in LangChain") from None


class VeclabEmbeddings(HasEmbedder, Embeddings):
    """A veclab model in LangChain's terms: documents and queries in their roles."""

    def __init__(
        self, model: Model | str = DEFAULT_MODEL, *, on_long: OnLong = "truncate", **loading: Any
    ) -> None:
        """
        Args:
            model: of `veclab.load`, or a name for it.
            on_long: what becomes of texts over the limit, as in `Model.embed`.
            loading: further arguments of `veclab.load`, with a name.
        """
        self._embedder = TextEmbedder(model, on_long=on_long, loading=loading)

    def __repr__(self) -> str:
        return f"VeclabEmbeddings({self.model!r})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts that are searched."""
        return to_lists(self._embedder.rows(texts, "document"))

    def embed_query(self, text: str) -> list[float]:
        """Embed what is looked for."""
        return to_lists(self._embedder.rows([text], "query"))[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts that are searched, in a thread."""
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Embed what is looked for, in a thread."""
        return await asyncio.to_thread(self.embed_query, text)
