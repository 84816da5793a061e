"""The torch engine gives what sentence-transformers gives."""

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import veclab
from veclab import ModelUnavailable

TEXTS = ["the cat sits on the mat", "a feline rests on the carpet", "stock markets fell", "z"]
LONG = "the cat sits on the mat and rests " * 20


@pytest.mark.parametrize("role", [None, "query", "document"])
def test_vectors_are_those_of_sentence_transformers(tiny_e5, role):
    upstream = SentenceTransformer(str(tiny_e5), device="cpu")
    encode = {
        None: upstream.encode,
        "query": upstream.encode_query,
        "document": upstream.encode_document,
    }[role]
    vectors = veclab.load(str(tiny_e5)).embed([*TEXTS, LONG], role=role)
    np.testing.assert_allclose(vectors.array, encode([*TEXTS, LONG]), atol=1e-6)
    assert vectors.truncated.tolist() == [False] * 4 + [True]


def test_tokens_are_counted_with_prompt_and_special_tokens(tiny_e5):
    model = veclab.load(str(tiny_e5))
    assert model.count_tokens(["the cat"]) == [4]
    assert model.count_tokens(["the cat"], role="query") == [6]  # "query", ":"


def test_windows_of_a_long_text_are_within_the_limit(tiny_e5):
    vectors = veclab.load(str(tiny_e5)).embed([LONG], role="document", on_long="split")
    assert vectors.report.split == 1
    assert vectors.report.tokens_embedded > vectors.tokens[0]  # special tokens of each window


def test_a_lower_limit_cuts_earlier(tiny_bert):
    vectors = veclab.load(str(tiny_bert), max_tokens=5).embed(TEXTS)
    assert vectors.truncated.tolist() == [True, True, False, False]
    upstream = SentenceTransformer(str(tiny_bert), device="cpu")
    upstream.max_seq_length = 5
    np.testing.assert_allclose(vectors.array, upstream.encode(TEXTS), atol=1e-6)


def test_damaged_weights_are_refused(tiny_bert, tmp_path):
    import shutil

    broken = shutil.copytree(tiny_bert, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        veclab.load(str(broken))


class TestOutOfMemory:
    """A batch that does not fit is computed in halves, and the run goes on."""

    @pytest.fixture
    def model(self, tiny_bert):
        return veclab.load(str(tiny_bert), engine="torch", cache=False)

    @staticmethod
    def limit(monkeypatch, provider, rows, error):
        """A device that has memory for `rows` texts: the real model, refusing larger batches."""
        asked = []
        real = provider._model.forward

        def forward(features, **more):
            asked.append(len(features["input_ids"]))
            if asked[-1] > rows:
                raise error
            return real(features, **more)

        monkeypatch.setattr(provider._model, "forward", forward)
        return asked

    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
            RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"),
        ],
    )
    def test_halves_give_the_same_vectors(self, model, monkeypatch, error):
        texts = [f"{text} {i}" for i in range(5) for text in TEXTS]
        expected = model.embed(texts).array
        before = model.provider.limits.batch_tokens
        asked = self.limit(monkeypatch, model.provider, 6, error)
        with pytest.warns(UserWarning, match="out of memory for a batch of 10 texts: it is halved"):
            vectors = model.embed(texts)
        np.testing.assert_allclose(vectors.array, expected, atol=1e-6)
        assert asked == [10, 5, 5, 5, 5]  # the second batch of 10 is cut without trying
        assert model.provider.limits.batch_tokens < before  # later batches start out smaller

    def test_a_single_text_that_does_not_fit_says_what_to_do(self, model, monkeypatch):
        self.limit(monkeypatch, model.provider, 0, RuntimeError("CUDA out of memory"))
        with pytest.raises(ModelUnavailable, match=r"9 tokens does not fit .*--max-tokens"):
            model.embed(["the cat sits on the mat z"])

    def test_other_errors_are_not_taken_for_it(self, model, monkeypatch):
        asked = self.limit(monkeypatch, model.provider, 0, RuntimeError("shapes do not match"))
        with pytest.raises(RuntimeError, match="shapes do not match"):
            model.embed(TEXTS)
        assert len(asked) == 1


def test_bf16_gives_nearly_the_same_vectors_and_a_recipe_of_its_own(tiny_bert):
    exact = veclab.load(str(tiny_bert), cache=False)
    half = veclab.load(str(tiny_bert), engine="torch", precision="bf16", cache=False)
    assert half.provider.precision == "bf16"
    assert half.space == exact.space
    assert half.start().recipe.id != exact.start().recipe.id
    cosines = (half.embed(TEXTS).array * exact.embed(TEXTS).array).sum(axis=1)
    assert cosines.min() > 0.999


def test_threads_are_as_many_as_asked_for(tiny_bert):
    before = torch.get_num_threads()
    try:
        veclab.load(str(tiny_bert), engine="torch", threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
