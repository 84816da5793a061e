"""The torch engine gives what sentence-transformers gives."""

import importlib.util
import threading

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

import veclab
from veclab import InputError, ModelUnavailable

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

    def test_the_message_counts_what_the_model_would_read(self, tiny_bert, monkeypatch):
        model = veclab.load(str(tiny_bert), engine="torch", cache=False, max_tokens=8)
        self.limit(monkeypatch, model.provider, 0, RuntimeError("CUDA out of memory"))
        with pytest.raises(ModelUnavailable, match="a text of 8 tokens does not fit"):
            model.embed(["the cat sits on the mat " * 20])

    def test_a_text_that_had_no_room_beside_another_batch_is_computed_alone(
        self, model, monkeypatch
    ):
        provider = model.provider
        [one], [other] = provider.tokenize(TEXTS[:1], None), provider.tokenize(TEXTS[1:2], None)
        expected = provider.embed_batch([other], None)
        real, inside, refused = provider._model.forward, threading.Event(), threading.Event()

        def forward(features, **more):
            if threading.current_thread().name == "first":
                inside.set()
                assert refused.wait(600)
            elif not refused.is_set():
                refused.set()
                raise RuntimeError("CUDA out of memory")
            return real(features, **more)

        monkeypatch.setattr(provider._model, "forward", forward)
        first = threading.Thread(target=provider.embed_batch, args=([one], None), name="first")
        first.start()
        assert inside.wait(600)
        with pytest.warns(
            UserWarning, match="for a text beside another batch: it is computed alone"
        ):
            vectors = provider.embed_batch([other], None)
        first.join()
        np.testing.assert_allclose(vectors, expected, atol=1e-6)

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


@pytest.fixture(scope="module")
def make_routed(tmp_path_factory):
    """A function that makes a model whose queries and documents have a head each."""
    from sentence_transformers.base.modules import Dense, Router

    from tests.tiny import make_bert

    base = make_bert(tmp_path_factory.mktemp("routed") / "base")

    def make(name, **options):
        torch.manual_seed(1)
        router = Router.for_query_document(
            query_modules=[Dense(32, 8)], document_modules=[Dense(32, 8)], **options
        )
        inner = list(SentenceTransformer(str(base), device="cpu"))[:2]
        path = base.parent / name
        SentenceTransformer(modules=[*inner, router], device="cpu").save(str(path))
        return path

    return make


class TestRouter:
    """One transformer, a head for queries and a head for documents."""

    def test_each_role_takes_its_way(self, make_routed):
        path = make_routed("both")
        upstream = SentenceTransformer(str(path), device="cpu")
        model = veclab.load(str(path), normalize=False)
        for role, encode in (
            ("query", upstream.encode_query),
            ("document", upstream.encode_document),
        ):
            np.testing.assert_allclose(
                model.embed(TEXTS, role=role).array, encode(TEXTS), atol=1e-6
            )

    def test_without_a_role_it_says_to_give_one(self, make_routed):
        model = veclab.load(
            str(make_routed("no-default", default_route=None, allow_empty_key=False))
        )
        with pytest.raises(InputError, match="give role='query' or role='document'"):
            model.embed(TEXTS)

    def test_openvino_says_that_it_cannot(self, make_routed):
        pytest.importorskip("openvino")
        with pytest.raises(ModelUnavailable, match="take different routes"):
            veclab.load(str(make_routed("fast")), engine="openvino")


def test_token_types_of_a_single_text_reach_the_model(tmp_path):
    """XLNet's <cls> has token type 2, stands last, and padding stands first."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLNetConfig, XLNetModel

    special = ["<pad>", "</s>", "<cls>", "<unk>"]
    vocabulary = {t: i for i, t in enumerate([*special, *"abcdefghijklmnopqrstuvwxyz"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 </s>:0 <cls>:2", special_tokens=[("</s>", 1), ("<cls>", 2)]
    )
    names = {"pad": "<pad>", "eos": "</s>", "cls": "<cls>", "unk": "<unk>"}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side="left",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in names.items()},
    ).save_pretrained(tmp_path / "base")
    torch.manual_seed(0)
    config = XLNetConfig(
        vocab_size=len(vocabulary), d_model=32, n_layer=2, n_head=2, d_inner=64, pad_token_id=0
    )
    XLNetModel(config).save_pretrained(tmp_path / "base")
    modules = [Transformer(str(tmp_path / "base")), Pooling(32, pooling_mode="lasttoken")]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "xlnet"))
    upstream = SentenceTransformer(str(tmp_path / "xlnet"), device="cpu")
    vectors = veclab.load(str(tmp_path / "xlnet"), normalize=False).embed(TEXTS)
    np.testing.assert_allclose(vectors.array, upstream.encode(TEXTS), atol=1e-5)


@pytest.mark.parametrize("device", ["cuda", "cuda:99", "gpu", "mps", "meta", ""])
def test_a_device_that_is_not_there_is_a_message(tiny_bert, tmp_path, device):
    """On every way to a model: loading, distilling."""
    from veclab.models.static.distill import distill

    if (device == "cuda" and torch.cuda.is_available()) or (
        device == "mps" and torch.backends.mps.is_available()
    ):
        pytest.skip("it is there")
    with pytest.raises(InputError, match=r"torch cannot use the device .* It can use cpu") as said:
        veclab.load(str(tiny_bert), device=device, engine="torch")
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 300  # torch answers some with an essay
    if importlib.util.find_spec("model2vec") is not None:
        with pytest.raises(InputError, match="torch cannot use the device"):
            distill(str(tiny_bert), tmp_path / "static", dimensions=8, device=device)
