"""A veclab store behind LlamaIndex's indices."""

import pytest

pytest.importorskip("llama_index.core", reason="needs veclab[llamaindex]")
pytest.importorskip("lance", reason="needs veclab[store]")

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from tests.fakes import FakeProvider
from tests.waiting import run_async
from veclab import InputError, SpaceMismatch, Store
from veclab.integrations.llamaindex import VeclabEmbedding
from veclab.integrations.llamaindex_store import VeclabVectorStore
from veclab.model import Model

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


def index_of(store, model):
    return VectorStoreIndex.from_documents(
        [
            Document(text=text, id_=f"d{n}", metadata={"year": 2020 + n, "page": n, "tags": [n]})
            for n, text in enumerate(TEXTS)
        ],
        storage_context=StorageContext.from_defaults(vector_store=store),
        embed_model=VeclabEmbedding(model),
        transformations=[SentenceSplitter()],
    )


@pytest.fixture
def store(tmp_path, model):
    return VeclabVectorStore.open(tmp_path / "store", model)


@pytest.fixture
def index(store, model):
    return index_of(store, model)


def only(name, operator, value):
    return MetadataFilters(filters=[MetadataFilter(key=name, operator=operator, value=value)])


def test_an_index_over_it_finds_and_keeps_nodes_whole(index, provider):
    assert len(provider.embedded) == 3  # the store's own look came from the cache
    (found,) = index.as_retriever(similarity_top_k=1, filters=only("year", "==", 2021)).retrieve(
        "feline"
    )
    assert found.text == TEXTS[1]
    assert found.metadata == {"year": 2021, "page": 1, "tags": [1]}
    assert found.node.ref_doc_id == "d1"
    again = VectorStoreIndex.from_vector_store(index.vector_store, index._embed_model)
    assert len(again.as_retriever(similarity_top_k=5).retrieve("cat")) == 3


def test_modes(index, store):
    for mode in ("default", "hybrid", "text_search", "mmr"):
        query = VectorStoreQuery(
            query_str="markets", mode=VectorStoreQueryMode(mode), similarity_top_k=3
        )
        assert TEXTS[2] in [node.text for node in store.query(query).nodes]
        assert len(run_async(store.aquery(query)).nodes) == len(store.query(query).nodes)
    with pytest.raises(InputError, match="no mode 'sparse'"):
        store.query(VectorStoreQuery(query_str="x", mode=VectorStoreQueryMode.SPARSE))
    with pytest.raises(InputError, match="needs its text"):
        store.query(VectorStoreQuery(query_embedding=[0.1] * 8))


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        (">", 2020, {1, 2}),
        ("<=", 2021, {0, 1}),
        ("!=", 2021, {0, 2}),
        ("in", [2020, 2022], {0, 2}),
        ("nin", [2020, 2022], {1}),
    ],
)
def test_filters(index, store, operator, value, expected):
    found = store.get_nodes(filters=only("year", operator, value))
    assert {TEXTS.index(node.text) for node in found} == expected


def test_what_cannot_be_filtered_says_so(index, store):
    with pytest.raises(InputError, match="has no filter 'any'"):
        store.get_nodes(filters=only("tags", FilterOperator.ANY, [1]))
    with pytest.raises(InputError, match="store's own"):
        store.get_nodes(filters=only("page", "==", 1))


def test_documents_and_nodes_are_removed(index, store):
    index.delete_ref_doc("d0")
    left = store.get_nodes()
    assert {node.ref_doc_id for node in left} == {"d1", "d2"}
    store.delete_nodes([left[0].node_id], filters=only("year", "==", 1999))
    assert len(store.get_nodes()) == 2
    store.delete_nodes([left[0].node_id])
    assert len(store.get_nodes()) == 1
    store.clear()
    assert store.get_nodes() == []
    assert store.query(VectorStoreQuery(query_str="cat")).nodes == []


def test_vectors_of_another_model_get_neither_in_nor_out(index, store, tmp_path, model):
    other = Model(FakeProvider(name="another"), None)
    # Of the same length, and nobody would notice.
    Other = type("Other", (FakeProvider,), {"vector": lambda self, t, r=None: -model_vector(t)})
    reverse = Model(Other(name="reverse"), None)
    with pytest.raises(SpaceMismatch, match="is not one of"):
        index_of(VeclabVectorStore.open(tmp_path / "new", model), reverse)
    query = VectorStoreIndex.from_vector_store(store, VeclabEmbedding(reverse))
    with pytest.raises(SpaceMismatch, match="query's vector"):
        query.as_retriever().retrieve("cat")
    with pytest.raises(SpaceMismatch):
        VeclabVectorStore.open(tmp_path / "store", other)


def model_vector(text):
    return FakeProvider().vector(text)


def test_nodes_without_vectors_are_embedded_and_a_store_of_files_is_read(tmp_path, model):
    with Store.open(tmp_path / "own", model, create=True) as own:
        own.add(TEXTS, ids=["a", "b", "c"], fields={"year": [1, 2, 3]})
    view = VeclabVectorStore.open(tmp_path / "own", model)
    view.add([TextNode(text="a dog barks", id_="d")])
    found = view.query(VectorStoreQuery(query_str="a feline rests", similarity_top_k=1))
    assert found.nodes[0].metadata == {"year": 2}
    assert view.get_nodes(["d"])[0].text == "a dog barks"
