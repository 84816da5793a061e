"""LlamaIndex embeds with a veclab model: indices, ingestion, callbacks, async, pickles."""

import pickle

import numpy as np
import pytest

pytest.importorskip("llama_index.core", reason="needs veclab[llamaindex]")

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore

from tests.fakes import FakeProvider
from tests.waiting import run_async
from veclab import SpaceMismatch
from veclab.integrations.llamaindex import VeclabEmbedding
from veclab.model import Model

TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


@pytest.fixture
def embedding(model):
    return VeclabEmbedding(model)


def test_an_index_finds_what_is_alike(embedding):
    index = VectorStoreIndex.from_documents(
        [Document(text=text) for text in TEXTS],
        embed_model=embedding,
        transformations=[SentenceSplitter()],
    )
    found = index.as_retriever(similarity_top_k=1).retrieve("a feline rests")
    assert [one.text for one in found] == ["a feline rests"]
    assert found[0].score == pytest.approx(1)


def test_one_text_a_batch_and_the_asynchronous_twins_agree(embedding, model):
    expected = model.embed(TEXTS).array

    async def all_of_them():
        return [
            await embedding.aget_text_embedding(TEXTS[0]),
            await embedding.aget_query_embedding(TEXTS[0]),
            *(await embedding.aget_text_embedding_batch(TEXTS)),
        ]

    found = run_async(all_of_them())
    assert np.array_equal(np.array(found, np.float32), expected[[0, 0, 0, 1, 2]])
    assert np.array_equal(np.float32(embedding.get_text_embedding_batch(TEXTS)), expected)
    assert np.array_equal(np.float32(embedding.get_text_embedding(TEXTS[0])), expected[0])
    assert np.array_equal(np.float32(embedding.get_query_embedding(TEXTS[0])), expected[0])


def test_many_batches_at_once(model):
    embedding = VeclabEmbedding(model, embed_batch_size=2, num_workers=4)
    texts = [f"text {n}" for n in range(31)]
    found = run_async(embedding.aget_text_embedding_batch(texts))
    assert np.array_equal(np.float32(found), model.embed(texts).array)
    assert embedding.report.texts == 31


def test_nodes_bear_the_space_where_neither_model_nor_reader_sees_it(embedding):
    node = TextNode(text="the cat sits", metadata={"page": 3})
    (made,) = embedding([node])
    assert made.metadata["veclab_space"] == embedding.space.id
    shown = made.get_content(MetadataMode.EMBED), made.get_content(MetadataMode.LLM)
    assert shown == (node.get_content(MetadataMode.EMBED), node.get_content(MetadataMode.LLM))
    assert node.embedding == made.embedding
    assert "veclab_space" not in node.metadata
    (later,) = run_async(embedding.acall([node]))
    assert later.metadata == made.metadata


def test_a_pipeline_s_cache_tells_models_apart(model, provider):
    cache, documents = IngestionCache(), [Document(text=text, id_=text) for text in TEXTS]

    def run(with_model):
        pipeline = IngestionPipeline(transformations=[VeclabEmbedding(with_model)], cache=cache)
        return [node.metadata["veclab_space"] for node in pipeline.run(documents=documents)]

    assert set(run(model)) == set(run(model)) == {model.space.id}
    assert len(provider.batches) == 1
    other = Model(FakeProvider(name="another"), None)
    assert set(run(other)) == {other.space.id}


def test_a_docstore_knows_what_it_has_seen(model):
    pipeline = IngestionPipeline(
        transformations=[VeclabEmbedding(model)],
        docstore=SimpleDocumentStore(),
        docstore_strategy="duplicates_only",
    )
    documents = [Document(text=text, id_=text) for text in TEXTS]
    assert len(pipeline.run(documents=documents)) == 3
    assert pipeline.run(documents=documents) == []


def test_observers_see_the_space(embedding):
    assert embedding.to_payload()["veclab_space"] == embedding.space.id
    assert embedding.to_dict()["veclab_space"] == embedding.space.id


def test_a_collection_of_another_space_is_refused(embedding):
    embedding.require(embedding.metadata)
    other = VeclabEmbedding(Model(FakeProvider(name="another"), None))
    with pytest.raises(SpaceMismatch):
        embedding.require(other.metadata)


def test_it_pickles(tiny_bert, model):
    embedding = VeclabEmbedding(str(tiny_bert), loading={"cache": False}, on_long="split")
    again = pickle.loads(pickle.dumps(embedding))
    assert again.get_text_embedding("cat") == embedding.get_text_embedding("cat")
    assert again.to_dict() == embedding.to_dict()
    around = VeclabEmbedding(model)  # a provider of one's own goes with it
    again = pickle.loads(pickle.dumps(around))
    assert again.get_text_embedding("cat") == around.get_text_embedding("cat")


def test_what_was_written_down_is_read_back_or_refused(tiny_bert, model):
    embedding = VeclabEmbedding(str(tiny_bert), loading={"cache": False})
    written = embedding.to_dict()
    again = VeclabEmbedding.from_dict(written)
    assert again.get_text_embedding("cat") == embedding.get_text_embedding("cat")
    with pytest.raises(SpaceMismatch, match=embedding.veclab_space):
        VeclabEmbedding.from_dict(written | {"model": model, "loading": {}})
