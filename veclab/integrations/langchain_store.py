"""LangChain: a store of veclab as a `VectorStore`.

from veclab.integrations.langchain_store import VeclabVectorStore

store = VeclabVectorStore.open("store", "all-MiniLM-L6-v2")
retriever = store.as_retriever(search_kwargs={"k": 4, "mode": "hybrid"})
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from veclab.errors import InputError, MissingExtra
from veclab.integrations.embedding import SPACE_ID
from veclab.integrations.langchain import VeclabEmbeddings
from veclab.integrations.stored import (
    compare,
    documents,
    is_empty,
    require_space,
    to_fields,
    to_metadata,
)
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.store.passage import Hit, Passage
from veclab.store.store import Store

try:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import VectorStore, VectorStoreRetriever
except ImportError:
    raise MissingExtra("langchain", "veclab in LangChain") from None

Filter = str | Mapping[str, Any] | None


class VeclabVectorStore(VectorStore):
    """A `veclab.Store`; the store's own model embeds, so nothing of another Space gets in.

    Filters are veclab's (`"year >= 2020 and lang = 'en'"`), or a dictionary of values.
    """

    def __init__(self, store: Store) -> None:
        """Look at a store of `Store.open`."""
        self.store = store
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: str | Path, model: Model | str | None = DEFAULT_MODEL) -> Self:
        """Open a store, or begin one; see `Store.open`."""
        return cls(Store.open(path, model, create=True))

    @property
    def embeddings(self) -> VeclabEmbeddings:
        """The store's own model."""
        return VeclabEmbeddings(self.store.query_model)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Sequence[Mapping[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed texts and put them in, in one commit; those of known ids replace what was there."""
        _refuse(kwargs)
        listed = list(texts)
        names = [name or uuid.uuid4().hex for name in ids or [None] * len(listed)]
        fields = to_fields(list(metadatas or [{}] * len(listed)))
        if listed:
            with self._lock:
                self.store.add(listed, ids=names, fields=fields)
        return names

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Remove documents by their ids, or all where none are given."""
        _refuse(kwargs)
        with self._lock:
            if not is_empty(self.store):
                if ids is None:
                    self.store.delete(where="id is not null")
                else:
                    self.store.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents of these ids that there are."""
        with self._lock:
            return [_document(passage) for passage in documents(self.store, ids)]

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """Find passages, best first.

        Args:
            query: what to look for.
            k: how many.
            filter: what they must be like.
            kwargs: further options of `Store.search`: `mode`, `min_score`, `rerank`, ...; `mode`
                is `vector` unless it is said.
        """
        return [_document(hit.passage) for hit in self._search(query, k, filter, kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Find passages with what they are ordered by: the cosine, in the mode `vector`."""
        hits = self._search(query, k, filter, kwargs)
        return [(_document(hit.passage), hit.score) for hit in hits]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Refuse: a list of numbers does not say which model made it.

        Raises:
            InputError: always; search by text.
        """
        raise InputError(
            "a vector without its Space cannot be searched with, as any model may have made it; "
            "search by text, or with store.search(query, vector=...) on your own word"
        )

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Find passages that are unlike each other; `fetch_k` is the store's own affair."""
        hits = self._search(query, k, filter, {**kwargs, "mmr": lambda_mult})
        return [_document(hit.passage) for hit in hits]

    def as_retriever(self, **kwargs: Any) -> VectorStoreRetriever:
        """Return a retriever; the Space is in its metadata, which traces show."""
        metadata = dict(kwargs.pop("metadata", None) or {})
        if self.store.exists:
            metadata[SPACE_ID] = self.store.space.id
        return super().as_retriever(metadata=metadata, **kwargs)

    @classmethod
    def from_texts(  # type: ignore[override]
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        path: str | Path,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Open or begin the store at `path`, and put texts in.

        Raises:
            InputError: the embedding is not a VeclabEmbeddings, whose Space is known.
            SpaceMismatch: the store is of another Space.
        """
        _refuse(kwargs)
        if not isinstance(embedding, VeclabEmbeddings):
            raise InputError(
                f"a store needs to know the Space of its vectors, and {type(embedding).__name__} "
                "has none: give VeclabEmbeddings"
            )
        made = cls(Store.open(path, embedding.model, create=True))
        require_space(made.store, embedding.space, "the embedding")
        made.add_texts(texts, metadatas, ids=ids)
        return made

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: max(0.0, cosine)

    def _search(self, query: str, k: int, filter: Filter, options: dict[str, Any]) -> list[Hit]:
        where = filter
        if isinstance(filter, Mapping):
            where = " and ".join(compare(name, "=", value) for name, value in filter.items())
        with self._lock:
            if is_empty(self.store):
                return []
            return self.store.search(
                query, top=k, where=str(where) if where else None, **{"mode": "vector", **options}
            )


def _document(passage: Passage) -> Document:
    # A text of one's own is a document; of a file each passage is.
    name = passage.document if passage.file is None else passage.id
    return Document(page_content=passage.text, metadata=to_metadata(passage), id=name)


def _refuse(unknown: Mapping[str, Any]) -> None:
    if unknown:
        raise TypeError(f"unexpected keyword arguments: {sorted(unknown)}")
