"""A veclab model is what MTEB calls an encoder. Runs where mteb is installed."""

import numpy as np
import pytest

pytest.importorskip("mteb", reason="needs mteb: pip install 'veclab[mteb]'")

import mteb
from datasets import Dataset, DatasetDict
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.sts import AbsTaskSTS
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models import EncoderProtocol
from mteb.types import PromptType

from tests.fakes import FakeProvider
from veclab import InputError
from veclab.evaluation.compare import compare
from veclab.evaluation.datasets import Head, pair_data, retrieval_data
from veclab.integrations.mteb import MTEBModel
from veclab.model import Model
from veclab.space import Space

FIRST = [f"text number {n} about cats" for n in range(20)]
SECOND = [f"another text {n} about dogs" for n in range(20)]
SCORES = [float(n * 7 % 11) for n in range(20)]
QUERIES = {f"q{n}": f"question {n}" for n in range(5)}
DOCUMENTS = {f"d{n}": f"answer {n}" for n in range(40)}
RELEVANT = {f"q{n}": {f"d{n * 3}": 1, f"d{n * 5 + 1}": 1} for n in range(5)}


def metadata(name, kind, score):
    return TaskMetadata(
        name=name,
        type=kind,
        description="made by a test",
        dataset={"path": "none", "revision": "none"},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=score,
    )


class OwnSTS(AbsTaskSTS):
    metadata = metadata("OwnSTS", "STS", "cosine_spearman")
    min_score, max_score = 0, 10

    def load_data(self, **_):
        rows = {"sentence1": FIRST, "sentence2": SECOND, "score": SCORES}
        self.dataset = DatasetDict({"test": Dataset.from_dict(rows)})
        self.data_loaded = True


class OwnRetrieval(AbsTaskRetrieval):
    metadata = metadata("OwnRetrieval", "Retrieval", "ndcg_at_10")

    def load_data(self, **_):
        self.queries = {"test": dict(QUERIES)}
        self.corpus = {"test": {n: {"title": "", "text": t} for n, t in DOCUMENTS.items()}}
        self.relevant_docs = {"test": RELEVANT}
        self.convert_v1_dataset_format_to_v2(None)
        self.data_loaded = True


def evaluate(model, task):
    result = mteb.evaluate(model, task, cache=None, show_progress_bar=False, co2_tracker=False)
    return result.task_results[0].scores["test"][0]


def test_is_an_encoder(model):
    assert isinstance(MTEBModel(model), EncoderProtocol)


def test_sts_gives_what_compare_gives(model):
    scores = evaluate(MTEBModel(model), OwnSTS())
    dataset = pair_data(Head("own", "sts", ""), FIRST, SECOND, SCORES)
    row = compare([model], [dataset], timing=False).boards[0].rows[0]
    assert scores["cosine_spearman"] == pytest.approx(row.figures["spearman"].value, abs=1e-5)
    assert scores["cosine_pearson"] == pytest.approx(row.figures["pearson"].value, abs=1e-5)
    # MTEB's own similarity and that of the wrapper agree.
    assert scores["spearman"] == pytest.approx(scores["cosine_spearman"], abs=1e-6)


def test_retrieval_gives_what_compare_gives(model):
    scores = evaluate(MTEBModel(model), OwnRetrieval())
    dataset = retrieval_data(Head("own", "retrieval", ""), QUERIES, DOCUMENTS, RELEVANT)
    row = compare([model], [dataset], timing=False).boards[0].rows[0]
    assert scores["ndcg_at_10"] == pytest.approx(row.figures["ndcg@10"].value, abs=1e-5)
    assert scores["recall_at_10"] == pytest.approx(row.figures["recall@10"].value, abs=1e-5)


class Remembers(FakeProvider):
    """Knows which texts it was given in which role."""

    def __init__(self, prompts=()):
        super().__init__()
        self.space = Space("fake", "own", 8, weights="0" * 64, prompts=prompts)
        self.roles = {}

    def embed_batch(self, batch, role):
        self.roles.update({one.text: role for one in batch})
        return super().embed_batch(batch, role)


def test_queries_and_documents_get_their_own_prompts():
    provider = Remembers((("query", "query: "), ("document", "passage: ")))
    evaluate(MTEBModel(Model(provider, None)), OwnRetrieval())
    assert {provider.roles[text] for text in QUERIES.values()} == {"query"}
    found = {text.strip(): role for text, role in provider.roles.items()}
    assert {found[text] for text in DOCUMENTS.values()} == {"document"}


def test_a_role_without_a_prompt_is_no_role():
    provider = Remembers((("query", "query: "),))
    wrapped = MTEBModel(Model(provider, None))
    wrapped.encode([{"text": ["a"]}], prompt_type=PromptType.document)
    wrapped.encode([{"text": ["b"]}], prompt_type=PromptType.query)
    assert provider.roles == {"a": None, "b": "query"}


def test_texts_compared_as_equals_get_the_role_of_the_wrapper():
    provider = Remembers((("query", "query: "),))
    MTEBModel(Model(provider, None), role="query").encode([{"text": ["a"]}])
    assert provider.roles == {"a": "query"}


def test_batches_come_back_in_order_and_from_the_cache(model, provider):
    wrapped = MTEBModel(model)
    batches = [{"text": ["one", "two"]}, {"text": ["three"]}]
    first = wrapped.encode(batches, batch_size=2, show_progress_bar=False)
    np.testing.assert_array_equal(first, model.embed(["one", "two", "three"]).array)
    wrapped.encode(batches)
    assert (wrapped.report.embedded, wrapped.report.cached) == (3, 3)


def test_blank_texts_are_told(model):
    with pytest.warns(UserWarning, match="1 blank text"):
        assert MTEBModel(model).encode([{"text": ["a", " "]}]).shape == (2, 8)


def test_what_cannot_be_had_is_refused(model):
    with pytest.raises(InputError, match="image"):
        MTEBModel(model).encode([{"image": [None]}])
    with pytest.raises(InputError, match="int8"):
        MTEBModel(model).encode([{"text": ["a"]}], precision="int8")


def test_results_of_other_weights_are_filed_elsewhere():
    metas = [MTEBModel(Model(FakeProvider(name=n), None)).mteb_model_meta for n in ("a", "b")]
    assert metas[0].revision != metas[1].revision
    assert metas[0].name == "veclab/a"
