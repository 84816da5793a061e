"""LangChain's own suites, and a pipeline of its parts."""

import pickle

import numpy as np
import pytest

pytest.importorskip("langchain_tests", reason="needs langchain-tests")

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from tests.fakes import FakeProvider
from veclab import EmptyText, InputError, SpaceMismatch
from veclab.integrations.langchain import VeclabEmbeddings
from veclab.model import Model
from veclab.space import Space

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


class Params:
    embeddings_class = VeclabEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": Model(FakeProvider(), None)}


class TestUnit(Params, EmbeddingsUnitTests):
    pass


class TestIntegration(Params, EmbeddingsIntegrationTests):
    pass


def test_a_pipeline_finds_what_is_alike(model):
    store = InMemoryVectorStore(VeclabEmbeddings(model))
    store.add_documents([Document(text) for text in TEXTS])
    found = store.as_retriever(search_kwargs={"k": 1}).invoke("a feline rests")
    assert [one.page_content for one in found] == ["a feline rests"]


def test_vectors_are_the_model_s_own_and_come_from_the_cache(model, provider):
    embeddings = VeclabEmbeddings(model)
    expected = model.embed(TEXTS).array
    assert np.array_equal(np.array(embeddings.embed_documents(TEXTS), np.float32), expected)
    assert len(provider.embedded) == len(TEXTS)
    assert (embeddings.report.texts, embeddings.report.cached) == (3, 3)


def test_queries_and_documents_have_their_prompts():
    provider = FakeProvider()
    provider.space = Space("fake", "roles", 8, prompts=(("query", "q: "), ("document", "d: ")))
    embeddings = VeclabEmbeddings(Model(provider, None))
    query, document = embeddings.embed_query("cat"), embeddings.embed_documents(["cat"])[0]
    unit = provider.vector("cat", "query") / np.linalg.norm(provider.vector("cat", "query"))
    assert np.allclose(query, unit, atol=1e-6)
    assert not np.allclose(query, document)


def test_a_cut_text_is_told(model):
    embeddings = VeclabEmbeddings(model)
    embeddings.embed_documents(TEXTS)
    with pytest.warns(UserWarning, match="texts were cut: 1, 8 tokens never read: 4"):
        embeddings.embed_documents(["short", "word " * 22])
    assert embeddings.report.truncated_ids == ["4"]


def test_a_blank_text_is_an_error_and_no_vector_of_zeros(model):
    with pytest.raises(EmptyText):
        VeclabEmbeddings(model).embed_documents(["cat", " "])


def test_a_collection_of_another_space_is_refused(model):
    embeddings = VeclabEmbeddings(model)
    embeddings.require(embeddings.metadata)
    other = VeclabEmbeddings(Model(FakeProvider(name="another"), None))
    with pytest.raises(SpaceMismatch, match="weights"):
        embeddings.require(other.metadata)
    with pytest.raises(InputError, match="no Space is written down for the collection"):
        embeddings.require({})


def test_a_pickle_holds_the_name_and_loads_the_same_space(tiny_bert, monkeypatch):
    embeddings = VeclabEmbeddings(str(tiny_bert), cache=False)
    again = pickle.loads(pickle.dumps(embeddings))
    assert again.embed_query("cat") == embeddings.embed_query("cat")
    # Neither weights nor anything else of size.
    assert len(pickle.dumps(embeddings.model)) < 10_000


def test_options_for_a_loaded_model_are_refused(model):
    with pytest.raises(InputError, match="precision"):
        VeclabEmbeddings(model, precision="f32")
