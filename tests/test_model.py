"""What the library takes, and what it says to what it does not take."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import veclab
from tests.fakes import FakeProvider
from veclab import InputError, SpaceMismatch, Vectors, nearest, similarity
from veclab.model import Model, load, open_cache
from veclab.space import Space

TEXTS = ["one", "two", "three"]


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        tuple(TEXTS),
        iter(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS),
        pl.Series(TEXTS),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_takes_anything_that_holds_texts(model, texts):
    vectors = model.embed(texts)
    assert list(vectors.texts) == TEXTS
    assert list(vectors.ids) == ["0", "1", "2"]


def test_one_text_gives_one_row(model):
    assert model.embed("hello").array.shape == (1, 8)


def test_ids_are_kept_as_strings(model):
    assert list(model.embed(TEXTS, ids=[10, 20, 30]).ids) == ["10", "20", "30"]


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c", "d"]])
def test_ids_must_be_as_many(model, ids):
    with pytest.raises(InputError, match="more"):
        model.embed(TEXTS, ids=ids)


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["a", 3], "text 1 is of type int, not a string: 3"),
        (["a", 3.5], "text 1 is of type float"),
        (["a", ["b"]], "text 1 is of type list"),
        ([b"bytes"], "text 0 is of type bytes"),
        (b"bytes", "bytes is not a list of texts"),
        ({"a": 1}, "dict is not a list of texts"),
        (pd.DataFrame({"a": TEXTS}), "DataFrame is not a list of texts; give one column"),
        (7, "not 7"),
    ],
)
def test_says_what_is_not_a_text_and_where(model, provider, texts, complaint):
    with pytest.raises(InputError, match=complaint):
        model.embed(texts)
    assert provider.batches == []


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_missing_values_of_data_frames_count_as_empty(model, missing):
    vectors = model.embed(["a", missing], on_empty="skip")
    assert list(vectors.ids) == ["0"]
    assert vectors.report.empty == 1


@pytest.mark.parametrize(
    "option", [{"role": "passage"}, {"on_long": "cut"}, {"on_empty": "zero"}, {"prepare": ["stem"]}]
)
def test_unknown_options_are_refused_with_those_there_are(model, option):
    with pytest.raises(InputError, match="choose from"):
        model.embed(TEXTS, **option)


def test_a_model_with_prompts_says_when_none_was_used():
    provider = FakeProvider()
    provider.space = Space("fake", "e5", 8, prompts=(("query", "query: "),))
    plain = Model(provider, None).embed(["a"])
    assert "role='query'" in plain.report.notes[0]
    assert Model(provider, None).embed(["a"], role="query").report.notes == []


def test_vectors_that_version_1_of_the_space_kept_are_not_used_and_that_is_said(provider, cache):
    Model(provider, cache).embed(["a"])  # a Space without a configuration, as version 1 wrote it
    provider.space = replace(provider.space, configuration=(("layers", 3),))
    report = Model(provider, cache).embed(["a"]).report
    assert report.cached == 0
    assert any("cache prune --model 'space version 1'" in note for note in report.notes)
    assert Model(provider, cache).embed(["a"]).report.cached == 1
    # Nothing was there for other texts' recipe, so nothing is said.
    asked = Model(provider, cache).embed(["a"], role="query").report
    assert not any("space version 1" in note for note in asked.notes)


def test_a_cache_that_cannot_be_had_is_said_and_the_work_goes_on(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(UserWarning, match="running without a cache"):
        cache, notes = open_cache(tmp_path / "file" / "cache")
    vectors = Model(FakeProvider(), cache, notes).embed(["a"])
    assert "running without a cache" in vectors.report.notes[0]


class TestSimilarity:
    def test_is_the_cosine(self, model):
        a, b = model.embed(["one", "two"]), model.embed(["two", "three", "four"])
        scores = similarity(a, b)
        assert scores.shape == (2, 3)
        assert scores[1, 0] == pytest.approx(1)
        np.testing.assert_allclose(scores, a.array @ b.array.T, atol=1e-6)

    def test_normalizes_what_is_not(self):
        space = Space("fake", "raw", 2, normalized=False)
        one = Vectors(np.array([[3.0, 0.0]], np.float32), space, ["a"])
        two = Vectors(np.array([[0.0, 5.0], [7.0, 0.0]], np.float32), space, ["b", "c"])
        np.testing.assert_allclose(similarity(one, two), [[0, 1]], atol=1e-6)

    def test_of_two_models_means_nothing_and_is_refused(self, model):
        other = Model(FakeProvider(name="other"), None)
        with pytest.raises(SpaceMismatch, match="weights"):
            similarity(model.embed(["a"]), other.embed(["a"]))
        with pytest.raises(SpaceMismatch, match="weights"):
            nearest(model.embed(["a"]), other.embed(["a"]))

    @pytest.mark.parametrize("k", [1, 3, 7, 5000])
    def test_nearest_finds_what_sorting_everything_finds(self, k):
        random = np.random.default_rng(1)
        space = Space("fake", "random", 8, normalized=False)
        rows = random.normal(size=(9000, 8)).astype(np.float32)
        vectors = Vectors(rows, space, [str(i) for i in range(9000)])
        found = nearest(vectors[:20], vectors, k)
        scores = similarity(vectors[:20], vectors)
        np.testing.assert_allclose(found.scores, -np.sort(-scores, axis=1)[:, :k], atol=1e-6)
        taken = np.take_along_axis(scores, found.positions, axis=1)
        np.testing.assert_allclose(taken, found.scores, atol=1e-6)

    def test_nearest_gives_no_more_than_there_is(self, model):
        vectors = model.embed(["one", "two"])
        assert nearest(vectors, vectors, 10).scores.shape == (2, 2)
        with pytest.raises(InputError):
            nearest(vectors, vectors, 0)


class TestWordsOfOtherLibraries:
    """What users of sentence-transformers, fastembed and scikit-learn type is answered."""

    @pytest.mark.parametrize(
        ("name", "answer"),
        [
            ("encode", "model.embed"),
            ("embed_query", "role='query'"),
            ("get_sentence_embedding_dimension", "space.dimensions"),
            ("max_seq_length", "max_tokens"),
        ],
    )
    def test_a_method(self, model, name, answer):
        assert not hasattr(model, name)
        with pytest.raises(AttributeError, match=answer):
            getattr(model, name)

    @pytest.mark.parametrize(
        ("argument", "answer"),
        [
            ({"batch_size": 32}, "cut by tokens"),
            ({"normalize_embeddings": True}, "veclab.load"),
            ({"show_progress_bar": True}, "on_done"),
            ({"frobnicate": 1}, "unexpected keyword argument 'frobnicate'$"),
        ],
    )
    def test_an_argument(self, model, argument, answer):
        with pytest.raises(TypeError, match=answer):
            model.embed(["a"], **argument)
        with pytest.raises(TypeError, match="unexpected keyword"):
            veclab.load("all-MiniLM-L6-v2", **argument)

    def test_nearest_says_k(self, model):
        vectors = model.embed(["a", "b"])
        with pytest.raises(TypeError, match="'top_k': k"):
            nearest(vectors, vectors, top_k=1)

    def test_one_text_is_one_text_everywhere(self, model):
        assert len(model.embed("two words")) == len(model.count_tokens("two words")) == 1

    def test_a_series_names_its_texts(self, model):
        pandas = pytest.importorskip("pandas")
        series = pandas.Series(["a", "b"], index=["x", "y"])
        assert list(model.embed(series).ids) == ["x", "y"]
        assert list(model.embed(series, ids=[1, 2]).ids) == ["1", "2"]
        assert list(model.embed(["a", "b"]).ids) == ["0", "1"]


def test_a_role_without_a_prompt_is_served_by_the_cache(tiny_bert, tiny_e5):
    plain = load(str(tiny_bert))
    plain.embed(["the cat"])
    assert plain.embed(["the cat"], role="query").report.cached == 1
    prompted = load(str(tiny_e5))
    prompted.embed(["the cat"])
    assert prompted.embed(["the cat"], role="query").report.cached == 0
