"""Haystack's pipelines embed with a veclab model."""

import os

import pytest

# Before it is imported: it would tell its makers what runs.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
pytest.importorskip("haystack", reason="needs veclab[haystack]")

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from tests.fakes import FakeProvider
from tests.waiting import run_async
from veclab import InputError, SpaceMismatch
from veclab.integrations.haystack import VeclabDocumentEmbedder, VeclabTextEmbedder
from veclab.model import Model

# Haystack makes nothing of a foreign package out of YAML unless it is told to.
OURS = ["veclab.integrations.haystack"]
TEXTS = ["the cat sits", "a feline rests", "stock markets fell"]


def indexed(embedder):
    store = InMemoryDocumentStore()
    pipeline = Pipeline()
    pipeline.add_component("embedder", embedder)
    pipeline.add_component("writer", DocumentWriter(store))
    pipeline.connect("embedder.documents", "writer.documents")
    done = pipeline.run({"embedder": {"documents": [Document(content=text) for text in TEXTS]}})
    return store, done


def test_documents_are_written_and_found(model):
    store, done = indexed(VeclabDocumentEmbedder(model))
    assert done["embedder"]["meta"]["veclab_space"] == model.space.id
    assert {one.meta["veclab_space"] for one in store.filter_documents()} == {model.space.id}
    query = Pipeline()
    query.add_component("embedder", VeclabTextEmbedder(model))
    query.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=1))
    query.connect("embedder.embedding", "retriever.query_embedding")
    found = query.run({"embedder": {"text": "a feline rests"}})["retriever"]["documents"]
    assert [one.content for one in found] == ["a feline rests"]


def test_the_asynchronous_twins_agree(model):
    document = Document(content="cat", meta={"title": "animals"})
    embedder = VeclabDocumentEmbedder(model, meta_fields_to_embed=["title", "nothing"])
    made = embedder.run([document])["documents"][0]
    assert made == run_async(embedder.run_async([document]))["documents"][0]
    assert made.id == document.id
    assert document.embedding is None
    text = VeclabTextEmbedder(model)
    assert text.run("animals\ncat")["embedding"] == made.embedding
    assert run_async(text.run_async("cat")) == text.run("cat")
    assert embedder.report.texts == 2


def test_a_pipeline_is_written_down_with_its_space(tiny_bert, tiny_e5):
    pipeline = Pipeline()
    pipeline.add_component("text", VeclabTextEmbedder(str(tiny_bert), loading={"cache": False}))
    written = pipeline.dumps()
    again = Pipeline.loads(written, allowed_modules=OURS)
    assert again.dumps() == written
    assert len(again.run({"text": {"text": "cat"}})["text"]["embedding"]) > 0
    renamed = written.replace(str(tiny_bert), str(tiny_e5))
    with pytest.raises(SpaceMismatch, match="was written down with the Space"):
        Pipeline.loads(renamed, allowed_modules=OURS).run({"text": {"text": "cat"}})
    documents = VeclabDocumentEmbedder(str(tiny_bert), meta_fields_to_embed=["title"])
    assert VeclabDocumentEmbedder.from_dict(documents.to_dict()).to_dict() == documents.to_dict()


def test_a_loaded_model_has_no_form_in_yaml(model):
    with pytest.raises(InputError, match="give the model's name"):
        VeclabTextEmbedder(Model(FakeProvider(), None)).to_dict()


def test_what_goes_to_the_other_one_is_refused(model):
    with pytest.raises(InputError, match="one text"):
        VeclabTextEmbedder(model).run([Document(content="cat")])
    with pytest.raises(InputError, match="list of documents"):
        VeclabDocumentEmbedder(model).run("cat")
