"""Static models give what model2vec's own `encode` gives, and nothing is dropped in silence."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

import veclab
from veclab import EmptyText, InputError, ModelUnavailable
from veclab.models.local.folder import read_folder
from veclab.pipeline.prepare import Preparation

model2vec = pytest.importorskip("model2vec")

WORDS = ["[PAD]", "[UNK]", "cat", "sat", "on", "mat", "the", "##s", "a", "b", "c", "."]
TEXTS = ["the cat sat on the mat.", "cats", "the zebra sat", "Cat  on\nmat", "a b c" * 50]


def make_static(path, *, dtype=np.float32, quantized=False, normalize=True, max_length=512):
    """A static model of 12 tokens and 8 dimensions, written by model2vec itself."""
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    random = np.random.default_rng(0)
    more = {}
    rows = len(WORDS)
    if quantized:
        rows = 5
        more["token_mapping"] = random.integers(0, rows, len(WORDS))
        more["weights"] = random.uniform(0.1, 2, len(WORDS)).astype(np.float32)
    table = random.normal(size=(rows, 8)) * (40 if dtype == np.int8 else 1)
    model = model2vec.StaticModel(
        table.astype(dtype),
        tokenizer,
        config={"model_type": "model2vec"},
        normalize=normalize,
        max_length=max_length,
        **more,
    )
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_static(tmp_path_factory.mktemp("static") / "tiny-static")


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float32, 1e-6), (np.float16, 1e-3), (np.int8, 1e-6)]
)
def test_vectors_are_those_of_model2vec(tmp_path, dtype, tolerance, quantized):
    path = make_static(tmp_path / "m", dtype=dtype, quantized=quantized)
    upstream = model2vec.StaticModel.from_pretrained(path).encode(TEXTS)
    np.testing.assert_allclose(veclab.load(str(path)).embed(TEXTS).array, upstream, atol=tolerance)


def test_raw_means_where_no_unit_length_is_asked_for(tmp_path):
    path = make_static(tmp_path / "m", normalize=False)
    upstream = model2vec.StaticModel.from_pretrained(path).encode(TEXTS)
    vectors = veclab.load(str(path), normalize=False).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, upstream, atol=1e-6)
    assert not vectors.space.normalized


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
def test_any_text_gets_the_vector_of_model2vec_or_is_left_out(folder, texts):
    vectors = veclab.load(str(folder)).embed(texts, on_empty="skip")
    read = [Preparation.of()(text) for text in vectors.texts] or ["a"]
    upstream = model2vec.StaticModel.from_pretrained(folder).encode(read)
    np.testing.assert_allclose(vectors.array, upstream[: len(vectors)], atol=1e-6)
    report = vectors.report
    assert len(vectors) + report.empty + report.unknown == len(texts)


def test_a_long_text_is_cut_at_the_limit_and_reported(tmp_path):
    path = make_static(tmp_path / "m", max_length=6)
    text = "a z b c a b . b"  # the unknown z counts, but is not averaged
    vectors = veclab.load(str(path)).embed([text])
    upstream = model2vec.StaticModel.from_pretrained(path).encode([text])
    np.testing.assert_allclose(vectors.array, upstream, atol=1e-6)
    assert (vectors.tokens.tolist(), vectors.truncated.tolist()) == ([8], [True])
    assert vectors.report.tokens_lost == 2


def test_no_text_is_cut_by_its_characters(tmp_path):
    """model2vec reads the first max_length x 3 characters here (3: the median token)."""
    path = make_static(tmp_path / "m", max_length=6)
    text = "the   " * 5 + "cat"
    vectors = veclab.load(str(path)).embed([text])
    whole = model2vec.StaticModel.from_pretrained(path, max_length=None).encode([text])
    np.testing.assert_allclose(vectors.array, whole, atol=1e-6)
    assert vectors.report.truncated == 0
    cut = model2vec.StaticModel.from_pretrained(path).encode([text])
    assert not np.allclose(cut, whole, atol=1e-3)


def test_windows_cover_a_long_text(tmp_path):
    path = make_static(tmp_path / "m", max_length=4)
    vectors = veclab.load(str(path)).embed(["the cat sat on the mat " * 5], on_long="split")
    assert vectors.report.split == 1
    assert vectors.report.tokens_embedded == 30


class TestUnknownTexts:
    def test_are_refused_by_id(self, folder):
        with pytest.raises(EmptyText, match=r"tiny-static knows no token in 2 text\(s\).*: x, z"):
            veclab.load(str(folder)).embed(
                ["zebra", "cat", "\u4f60"], ids=["x", "y", "z"], on_empty="error"
            )

    def test_are_left_out_and_reported(self, folder):
        texts = ["zebra", "cat", "zebra", "", "mat"]
        finished = []
        vectors = veclab.load(str(folder)).embed(texts, on_empty="skip", on_done=finished.append)
        assert list(vectors.ids) == ["1", "4"]
        assert vectors.report.unknown_ids == ["0", "2"]
        assert vectors.report.empty_ids == ["3"]
        assert ("unknown", "2 left out, the model knows no token in them: 0, 2") in (
            vectors.report.lines()
        )
        assert sum(finished) == len(texts)

    def test_every_row_keeps_its_own_vector_when_one_is_left_out_and_one_repeats(self, folder):
        """As many rows as distinct texts, but not the same ones."""
        model = veclab.load(str(folder))
        vectors = model.embed(["cat", "cat", "mat", "zebra"], on_empty="skip")
        expected = [model.embed(text).array[0] for text in ("cat", "cat", "mat")]
        np.testing.assert_allclose(vectors.array, expected, atol=1e-6)

    def test_nothing_but_them_gives_no_rows(self, folder):
        assert veclab.load(str(folder)).embed(["zebra"], on_empty="skip").array.shape == (0, 8)

    def test_a_cache_does_not_bring_them_back(self, folder, tmp_path):
        model = veclab.load(str(folder), cache=tmp_path / "cache")
        for _ in range(2):
            vectors = model.embed(["zebra", "cat"], on_empty="skip")
            assert (list(vectors.ids), vectors.report.unknown) == (["1"], 1)
        assert vectors.report.cached == 1


class TestFolder:
    def test_says_what_the_space_needs(self, folder):
        model = read_folder(folder, name="m")
        assert (model.dimensions, model.max_tokens, model.pooling) == (8, 512, "mean")
        assert len(model.weights) == 64
        assert model.tokenizer_digest is not None

    @pytest.mark.parametrize(
        ("damage", "complaint"),
        [
            (lambda p: (p / "tokenizer.json").unlink(), "lacks tokenizer.json"),
            (lambda p: (p / "model.safetensors").rename(p / "model.bin"), "safetensors"),
            (lambda p: _cut(p / "model.safetensors", 4), "damaged"),
            (lambda p: _cut(p / "model.safetensors", 200), "damaged"),
            (lambda p: (p / "tokenizer.json").write_text("{"), "tokenizer .* cannot be read"),
        ],
    )
    def test_a_damaged_one_is_refused(self, tmp_path, damage, complaint):
        path = make_static(tmp_path / "m")
        damage(path)
        with pytest.raises(ModelUnavailable, match=complaint):
            veclab.load(str(path))

    def test_a_tokenizer_with_more_tokens_than_rows_is_refused(self, tmp_path):
        path = make_static(tmp_path / "m")
        content = json.loads((path / "tokenizer.json").read_text())
        content["model"]["vocab"]["dog"] = len(WORDS)
        (path / "tokenizer.json").write_text(json.dumps(content))
        with pytest.raises(ModelUnavailable, match=r"damaged.*13.*12"):
            veclab.load(str(path))

    def test_one_in_the_home_is_found_by_its_name(self, home):
        from veclab.models.catalog import usable_models

        make_static(home / "models" / "mine")
        assert veclab.load("mine").space.model == "mine"
        assert "mine" in [folder.name for folder in usable_models()]


def _cut(file, size):
    file.write_bytes(file.read_bytes()[:size])


def test_runs_without_torch_and_without_model2vec(folder, environment):
    code = (
        "import sys, veclab; veclab.load(sys.argv[1]).embed(['the cat']); "
        "print([m for m in ('torch', 'model2vec', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_no_cache_unless_one_is_named(folder, tmp_path):
    assert veclab.load(str(folder)).cache is None
    assert veclab.load(str(folder), cache=tmp_path / "cache").cache is not None


@pytest.mark.parametrize(
    "option", [{"device": "cuda"}, {"engine": "torch"}, {"precision": "int8"}], ids=str
)
def test_what_does_not_go_with_it_is_refused(folder, option):
    with pytest.raises(InputError, match=next(iter(option.values()))):
        veclab.load(str(folder), **option)


def test_wordllama_is_what_its_own_code_gives():
    pytest.importorskip("wordllama")
    from safetensors.numpy import load_file
    from wordllama.inference import WordLlamaInference

    texts = ["the cat sat on the mat", "\u4f60\u597d \U0001f600", "x"]
    model = veclab.load("wordllama")
    files = model.provider.folder.static
    upstream = WordLlamaInference(
        load_file(files.weights)["embedding.weight"], Tokenizer.from_file(str(files.tokenizer))
    )
    np.testing.assert_allclose(
        model.embed(texts).array, upstream.embed(texts, norm=True), atol=1e-5
    )
    scores = veclab.similarity(
        model.embed("The cat sits on the mat"),
        model.embed(["A cat lies on a rug", "Stock markets fell sharply on Monday"]),
    )
    assert scores[0, 0] > scores[0, 1] + 0.2


@pytest.mark.parametrize("ending", [False, True])
def test_a_sentence_transformers_folder_of_a_static_embedding(tmp_path, ending):
    """It has no config.json; Normalize and prompts count as in other folders."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "cat": 1, "mat": 2, "find": 3}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    parts = [StaticEmbedding(words, embedding_dim=8), *([Normalize()] if ending else [])]
    upstream = SentenceTransformer(modules=parts, prompts={"query": "find "}, device="cpu")
    upstream.save(str(tmp_path / "static"))
    model = veclab.load(str(tmp_path / "static"), normalize=False)
    texts = ["cat mat", "a strange cat"]
    np.testing.assert_allclose(model.embed(texts).array, upstream.encode(texts), atol=1e-6)
    np.testing.assert_allclose(
        model.embed(texts, role="query").array, upstream.encode_query(texts), atol=1e-6
    )
    assert dict(model.space.configuration)["modules"].endswith("Normalize") == ending
