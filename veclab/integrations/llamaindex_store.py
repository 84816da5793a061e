"""LlamaIndex: a store of veclab as a vector store.

    from veclab.integrations.llamaindex_store import VeclabVectorStore

    store = VeclabVectorStore.open("store", model)
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex.from_documents(documents, context, embed_model=VeclabEmbedding(model))

LlamaIndex hands over vectors that do not say which model made them. So the store's own model
embeds the same texts (from the cache, where it was the same model), and vectors that are not its
own are refused.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from veclab.errors import InputError, MissingExtra, SpaceMismatch
from veclab.integrations.embedding import TextEmbedder
from veclab.integrations.stored import compare, documents, is_empty, to_fields
from veclab.model import Model
from veclab.models.names import DEFAULT_MODEL
from veclab.store.passage import Hit, Passage
from veclab.store.store import Store
from veclab.vectors import Vectors

try:
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.schema import BaseNode, MetadataMode, TextNode
    from llama_index.core.vector_stores.types import (
        BasePydanticVectorStore,
        FilterOperator,
        MetadataFilter,
        MetadataFilters,
        VectorStoreQuery,
        VectorStoreQueryMode,
        VectorStoreQueryResult,
    )
    from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict
except ImportError:
    raise MissingExtra("llamaindex", "veclab in LlamaIndex") from None

# A vector of another model has a cosine near 0; of the same one, over another engine, over this.
_SAME = 0.99
# Fields of the view: the node as JSON, and the document it was cut from.
_NODE, _OF = "llamaindex_node", "llamaindex_document"
_MODES: dict[VectorStoreQueryMode, Any] = {
    VectorStoreQueryMode.DEFAULT: "vector",
    VectorStoreQueryMode.MMR: "vector",
    VectorStoreQueryMode.HYBRID: "hybrid",
    VectorStoreQueryMode.SEMANTIC_HYBRID: "hybrid",
    VectorStoreQueryMode.TEXT_SEARCH: "keyword",
}
_OPERATORS = {
    FilterOperator.EQ: "=",
    FilterOperator.NE: "!=",
    FilterOperator.GT: ">",
    FilterOperator.LT: "<",
    FilterOperator.GTE: ">=",
    FilterOperator.LTE: "<=",
    FilterOperator.IN: "in",
    FilterOperator.NIN: "not in",
    FilterOperator.TEXT_MATCH: "contains",
}


class VeclabVectorStore(BasePydanticVectorStore):
    """A `veclab.Store`; see the module."""

    stores_text: bool = True
    flat_metadata: bool = False
    is_embedding_query: bool = True
    _store: Store = PrivateAttr()
    _lock: threading.RLock = PrivateAttr(default_factory=threading.RLock)

    def __init__(self, store: Store) -> None:
        """Look at a store of `Store.open`."""
        super().__init__(stores_text=True)
        self._store = store

    @classmethod
    def open(cls, path: str | Path, model: Model | str | None = DEFAULT_MODEL) -> Self:
        """Open a store, or begin one; see `Store.open`."""
        return cls(Store.open(path, model, create=True))

    @classmethod
    def class_name(cls) -> str:
        """Return the name in LlamaIndex's own records."""
        return "VeclabVectorStore"

    @property
    def client(self) -> Store:
        """The store."""
        return self._store

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Put nodes in, in one commit; those of known ids replace what was there.

        Raises:
            SpaceMismatch: their vectors are not those of the store's model.
        """
        if not nodes:
            return []
        with self._lock:
            embedder = TextEmbedder(self._store.model, on_long="truncate")
            texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
            own = embedder.rows(texts, "document")
            self._check(nodes, own)
            self._store.add_vectors(
                Vectors(
                    array=own,
                    space=embedder.space,
                    ids=[node.node_id for node in nodes],
                    texts=[node.get_content(MetadataMode.NONE) for node in nodes],
                    columns=_columns(nodes),
                )
            )
        return [node.node_id for node in nodes]

    def _check(self, nodes: Sequence[BaseNode], own: NDArray[np.float32]) -> None:
        for node, row in zip(nodes, own, strict=True):
            if node.embedding is None or _alike(node.embedding, row):
                continue
            raise SpaceMismatch(
                f"the vector of the node {node.node_id} is not one of {self._store.model.space}, "
                "the model of this store, which makes another of the same text. Give the index "
                "the store's model: embed_model=VeclabEmbedding(store.client.model)"
            )

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Remove all nodes of a document."""
        self._remove(where=compare(_OF, "=", ref_doc_id))

    def delete_nodes(
        self,
        node_ids: list[str] | None = None,
        filters: MetadataFilters | None = None,
        **delete_kwargs: Any,
    ) -> None:
        """Remove nodes by their ids or by a filter."""
        if node_ids is None and filters is None:
            raise InputError("give the ids of nodes, or a filter; `clear` removes all")
        where = None if filters is None else _where(filters)
        if node_ids is not None:
            with self._lock:
                there = documents(self._store, node_ids)
                found = None if where is None else self._ids(where)
                names = [p.document for p in there if found is None or p.document in found]
                if names:
                    self._store.delete(names)
        else:
            self._remove(where=where)

    def clear(self) -> None:
        """Remove all nodes."""
        self._remove(where="id is not null")

    def _remove(self, where: str | None) -> None:
        with self._lock:
            if not is_empty(self._store):
                self._store.delete(where=where)

    def _ids(self, where: str) -> set[str]:
        rows = self._store.table.scan(["document"], self._store.where(where))
        return {name for part in rows for name in part["document"].to_pylist()}

    def get_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """Return nodes by their ids or by a filter, without their vectors."""
        with self._lock:
            if is_empty(self._store):
                return []
            names = node_ids
            if names is None:
                names = sorted(self._ids("id is not null" if filters is None else _where(filters)))
            return [_node(passage) for passage in documents(self._store, names)]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Find nodes, best first.

        Raises:
            SpaceMismatch: the query's vector is not one of the store's model.
            InputError: there is a vector and no text, or a mode that a store has not.
        """
        if query.query_str is None:
            raise InputError(
                "a query needs its text: a vector alone does not say which model made it"
            )
        if query.mode not in _MODES:
            known = ", ".join(sorted(mode.value for mode in _MODES))
            raise InputError(f"a store of veclab has no mode {query.mode.value!r}; it has {known}")
        with self._lock:
            if is_empty(self._store):
                return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
            hits = self._search(query)
        return VectorStoreQueryResult(
            nodes=[_node(hit.passage) for hit in hits],
            similarities=[hit.score for hit in hits],
            ids=[hit.passage.document for hit in hits],
        )

    def _search(self, query: VectorStoreQuery) -> list[Hit]:
        text, mode = str(query.query_str), _MODES[query.mode]
        options: dict[str, Any] = {"mode": mode, "top": query.similarity_top_k}
        if mode != "keyword":
            options["vector"] = own = self._store.embed_query(text)
            if query.query_embedding is not None and not _alike(query.query_embedding, own):
                raise SpaceMismatch(
                    f"the query's vector is not one of {self._store.query_model.space}, the model "
                    "of this store. Give the index the store's model: "
                    "embed_model=VeclabEmbedding(store.client.model)"
                )
        if query.mode == VectorStoreQueryMode.MMR:
            options["mmr"] = 0.5 if query.mmr_threshold is None else query.mmr_threshold
        if query.alpha is not None and mode == "hybrid":
            options["weight"] = query.alpha
        parts = [] if query.filters is None else [_where(query.filters)]
        if query.doc_ids:
            parts.append(compare(_OF, "in", query.doc_ids))
        if query.node_ids:
            names = ", ".join("'" + name.replace("'", "''") + "'" for name in query.node_ids)
            parts.append(f"document in ({names})")
        return self._store.search(text, where=" and ".join(parts) or None, **options)


def _columns(nodes: Sequence[BaseNode]) -> Any:
    import pyarrow as pa

    fields = to_fields([node.metadata for node in nodes])
    fields[_NODE] = [
        json.dumps(node_to_metadata_dict(node, remove_text=True, flat_metadata=False))
        for node in nodes
    ]
    fields[_OF] = [node.ref_doc_id or node.node_id for node in nodes]
    try:
        return pa.table(fields)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"the metadata hold values of several types: {error}") from None


def _node(passage: Passage) -> BaseNode:
    written = passage.fields.get(_NODE)
    if written is None:  # `veclab index` put it in
        from veclab.integrations.stored import to_metadata

        return TextNode(id_=passage.id, text=passage.text, metadata=to_metadata(passage))
    node = metadata_dict_to_node(json.loads(written))
    node.set_content(passage.text)
    return node


def _alike(given: Sequence[float], own: NDArray[np.float32]) -> bool:
    vector = np.asarray(given, np.float32)
    if vector.shape != own.shape:
        return False
    length = float(np.linalg.norm(vector) * np.linalg.norm(own))
    return length > 0 and float(vector @ own) / length >= _SAME


def _where(filters: MetadataFilters) -> str:
    """Return filters in the words of a store's own.

    Raises:
        InputError: an operator is one that a store has not.
    """
    parts = []
    for one in filters.filters:
        if isinstance(one, MetadataFilters):
            parts.append(f"({_where(one)})")
        elif isinstance(one, MetadataFilter):
            if one.operator not in _OPERATORS:
                raise InputError(
                    f"a store of veclab has no filter {one.operator.value!r}; it has "
                    f"{', '.join(sorted(known.value for known in _OPERATORS))}"
                )
            parts.append(compare(one.key, _OPERATORS[one.operator], one.value))
    condition = getattr(filters.condition, "value", "and")
    if condition == "not":
        return "not (" + " or ".join(parts) + ")"
    return f" {condition} ".join(parts)
