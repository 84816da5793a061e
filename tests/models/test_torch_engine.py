"""The torch engine gives what sentence-transformers gives."""

import numpy as np
import pytest
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
