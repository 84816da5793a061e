"""LangChain's suite for vector stores over a veclab store, and what the store adds to it."""

import pytest

pytest.importorskip("langchain_tests", reason="needs langchain-tests")
pytest.importorskip("lance", reason="needs veclab[store]")

from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from tests.fakes import FakeProvider
from veclab import InputError, SpaceMismatch, Store
from veclab.integrations.langchain import VeclabEmbeddings
from veclab.integrations.langchain_store import VeclabVectorStore
from veclab.model import Model

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


class TestSuite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path, model):
        yield VeclabVectorStore.open(tmp_path / "store", model)


@pytest.fixture
def view(tmp_path, model):
    made = VeclabVectorStore.open(tmp_path / "store", model)
    made.add_documents(
        [
            Document(text, metadata={"year": 2020 + n, "page": n, "tags": ["a", n], "none": None})
            for n, text in enumerate(TEXTS)
        ],
        ids=["one", "two", "three"],
    )
    return made


def test_a_retriever_answers_and_names_the_space(view, model):
    retriever = view.as_retriever(search_kwargs={"k": 1, "filter": {"year": 2021}})
    (found,) = retriever.invoke("the cat sits")
    assert (found.id, found.page_content) == ("two", TEXTS[1])
    assert found.metadata == {"year": 2021, "page": 1, "tags": ["a", 1], "none": None}
    assert retriever.metadata == {"veclab_space": model.space.id}


def test_filters_modes_and_scores(view):
    found = view.similarity_search("cat", filter="year >= 2021", k=5)
    assert {one.id for one in found} == {"two", "three"}
    ((best, score),) = view.similarity_search_with_score("a feline rests", k=1)
    assert (best.id, score) == ("two", pytest.approx(1, abs=1e-5))
    assert view.similarity_search("markets", k=1, mode="keyword")[0].id == "three"
    assert len(view.max_marginal_relevance_search("cat", k=2)) == 2
    with pytest.raises(InputError, match="store's own"):
        view.similarity_search("cat", filter={"page": 1})
    with pytest.raises(InputError):
        view.similarity_search("cat", filter={"nothing": 1})


def test_the_store_is_a_store_like_any_other(view, model, tmp_path):
    with Store.open(tmp_path / "store", model) as store:
        assert store.search("markets", mode="keyword")[0].passage.fields["year"] == 2022
    assert view.delete()
    assert view.similarity_search("cat") == []


def test_another_space_gets_neither_in_nor_out(view, tmp_path):
    other = Model(FakeProvider(name="another"), None)
    with pytest.raises(SpaceMismatch):
        VeclabVectorStore.from_texts(TEXTS, VeclabEmbeddings(other), path=tmp_path / "store")
    with pytest.raises(InputError, match="has none: give VeclabEmbeddings"):
        VeclabVectorStore.from_texts(
            TEXTS, DeterministicFakeEmbedding(size=8), path=tmp_path / "new"
        )
    with pytest.raises(InputError, match="without its Space"):
        view.similarity_search_by_vector([0.1] * 8)


def test_from_texts(model, tmp_path):
    made = VeclabVectorStore.from_texts(
        TEXTS, VeclabEmbeddings(model), [{"n": n} for n in range(3)], path=tmp_path / "new"
    )
    (found,) = made.similarity_search("a feline rests", k=1)
    assert found.metadata == {"n": 1}
    assert made.embeddings.space == model.space
