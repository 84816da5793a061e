"""A folder gives the vectors of sentence-transformers, or is refused with the part named."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

import veclab
from tests.models.local.saved_models import LIMIT, MAKERS
from tests.tiny import edit_json, make_bert, make_roberta
from veclab import InputError, ModelUnavailable

TEXTS = [
    "the cat sits on the mat",
    "The FELINE rests",
    "z",
    "stock markets fell on the mat and the cat sits on the carpet with a query and a text 12345",
]
# What the refusal names. All others give equal vectors.
REFUSED = {
    "prompts default unknown": "default prompt 'none' is not among its prompts",
    "dense own code": "Dense brings its own code",
    "convolution": "CNN: it reads padding",
    "words": "WordEmbeddings",
    "words lstm": "WordEmbeddings",
    "words weighted": "WordEmbeddings",
    "words counted": "BoW",
    "words counted dense": "BoW",
    "static dense": "StaticEmbedding stands among others",
    "router static query": "StaticEmbedding stands among others",
    "router of two limits": "tokenizers or token limits of their own",
    "type SparseEncoder": "it is a SparseEncoder",
    "type CrossEncoder": "it is a CrossEncoder",
    "type MultiVectorEncoder": "it is a MultiVectorEncoder",
    "part SpladePooling": "its part SpladePooling",
    "part MultiVectorMask": "its part MultiVectorMask",
    "setting query length": "'query_length'",
    "setting processing": "'processing_kwargs'",
    "setting query expansion": "'query_expansion'",
    "setting tokenizer from elsewhere": "'tokenizer_name_or_path'",
    "setting tokenizer arguments": "'processor_kwargs' has 'add_prefix_space'",
    "setting weights from elsewhere": "'model_kwargs' has 'subfolder'",
    "setting task": "fill-mask",
}
# Those that read another number of tokens than LIMIT.
LIMITS = {
    **dict.fromkeys(("static", "static prompts", "static truncated")),
    **dict.fromkeys([name for name in MAKERS if name.startswith("setting in")], 9),
    "setting tokenizer limit": 8,
    "setting limit": 9,
    "setting no limit": 64,
    "tokenizer without limit": 64,
    "roberta": 32,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("saved")


@pytest.mark.parametrize("name", MAKERS)
def test_vectors_and_cuts_are_those_of_sentence_transformers_or_it_is_refused(name, place):
    path = MAKERS[name](place)
    if name in REFUSED:
        with pytest.raises(ModelUnavailable, match=REFUSED[name]):
            veclab.load(str(path))
        return
    original = SentenceTransformer(str(path), device="cpu")
    model = veclab.load(str(path), cache=False)
    assert model.max_tokens == LIMITS.get(name, LIMIT)
    for role, encode in (
        (None, original.encode),
        ("query", original.encode_query),
        ("document", original.encode_document),
    ):
        if name == "router without default" and role is None:
            with pytest.raises(InputError, match="give role='query' or role='document'"):
                model.embed(TEXTS)
            continue
        # One by one: in a batch padding may change a vector in its last digits.
        expected = [encode([text], normalize_embeddings=True)[0] for text in TEXTS]
        vectors = model.embed(TEXTS, role=role)
        np.testing.assert_allclose(vectors.array, expected, atol=2e-6, err_msg=str(role))
        if original.max_seq_length == model.max_tokens:  # else nothing is cut there
            name = original.default_prompt_name if role is None else role
            prompt = original.prompts.get(name, "")
            whole = [original.tokenizer(prompt + text)["input_ids"] for text in TEXTS]
            assert vectors.truncated.tolist() == [len(ids) > model.max_tokens for ids in whole]


def test_a_limit_beyond_the_positions_is_the_positions(tmp_path):
    """Where sentence-transformers ends in an IndexError on the first long text."""
    path = make_bert(tmp_path / "m")
    edit_json(path / "sentence_bert_config.json", max_seq_length=512)
    vectors = veclab.load(str(path), cache=False).embed(["a " * 100])
    assert vectors.truncated.tolist() == [True]
    roberta = make_roberta(tmp_path / "r")
    edit_json(roberta / "tokenizer_config.json", model_max_length=10**30)
    assert veclab.load(str(roberta), cache=False).embed(["a" * 40]).truncated.tolist() == [True]
