"""The OpenVINO engine: the vectors of sentence-transformers, without torch."""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import veclab
from tests.tiny import edit_json, make_electra, make_roberta
from veclab import InputError, ModelUnavailable
from veclab.models.local.openvino.engine import Engine, pad_rows

pytest.importorskip("openvino")

PACKAGES = Path(__file__).parents[4] / "examples" / "packages.jsonl.gz"
TEXTS = ["the cat sits on the mat", "a feline rests on the carpet", "stock markets fell", "z"]
LONG = "the cat sits on the mat and rests " * 20


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A home whose converted models the tests of this file share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def shared_home(models, monkeypatch):
    monkeypatch.setenv("VECLAB_HOME", str(models))


def load(path, precision="f32", **options):
    """In f32, as the originals are: the default would be bf16 where the processor has it."""
    return veclab.load(str(path), engine="openvino", precision=precision, cache=False, **options)


def upstream(path):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(path), device="cpu")


@pytest.fixture(scope="session")
def tiny_xlmr(tmp_path_factory):
    return make_roberta(tmp_path_factory.mktemp("models") / "tiny-xlmr")


@pytest.mark.parametrize("role", [None, "query", "document"])
def test_a_model_with_prompts(tiny_e5, role):
    st = upstream(tiny_e5)
    encode = {None: st.encode, "query": st.encode_query, "document": st.encode_document}[role]
    vectors = load(tiny_e5).embed([*TEXTS, LONG], role=role)
    np.testing.assert_allclose(vectors.array, encode([*TEXTS, LONG]), atol=1e-5)
    assert vectors.truncated.tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_xlmr"])
def test_space_recipe_and_vectors_are_those_of_the_torch_engine(kind, request):
    path = request.getfixturevalue(kind)
    fast, slow = load(path), veclab.load(str(path), engine="torch", cache=False)
    assert type(fast.provider) is not type(slow.provider)
    assert fast.space == slow.space
    assert fast.start().recipe == slow.start().recipe  # so they share what is in the cache
    texts = [*TEXTS, LONG, "\U0001f600", "\u4f60\u597d"]
    a, b = fast.embed(texts), slow.embed(texts)
    np.testing.assert_allclose(a.array, b.array, atol=1e-5)
    np.testing.assert_array_equal(a.tokens, b.tokens)


@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_e5", "tiny_xlmr"])
def test_the_default_precision_loses_next_to_nothing(kind, request):
    path = request.getfixturevalue(kind)
    quick, exact = load(path, precision=None), load(path)
    assert quick.provider.precision == ("bf16" if quick.provider.engine.native_bf16 else "f32")
    texts = [*TEXTS, LONG]
    assert (quick.embed(texts).array * exact.embed(texts).array).sum(axis=1).min() > 0.9999


def test_a_limit_beyond_the_positions_is_refused(tiny_bert, tiny_xlmr):
    with pytest.raises(InputError, match=r"has 64 positions, so max_tokens .* cannot be 65"):
        load(tiny_bert, max_tokens=65)
    assert load(tiny_bert, max_tokens=64).embed([LONG]).truncated.tolist() == [True]
    with pytest.raises(InputError, match="has 32 positions"):
        load(tiny_xlmr, max_tokens=33)


def test_a_lower_limit_cuts_earlier(tiny_bert):
    st = upstream(tiny_bert)
    st.max_seq_length = 5
    np.testing.assert_allclose(
        load(tiny_bert, max_tokens=5).embed(TEXTS).array, st.encode(TEXTS), atol=1e-5
    )


def test_the_second_start_imports_no_torch_and_no_telemetry(tiny_bert, models):
    load(tiny_bert)
    code = (
        "import sys\n"
        "def watch(event, _):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        raise SystemExit(f'{event} was called')\n"
        "sys.addaudithook(watch)\n"
        "import veclab\n"
        f"vectors = veclab.load({str(tiny_bert)!r}, engine='openvino').embed(['the cat'])\n"
        "print(vectors.array.shape, *(m for m in sys.modules if sys.modules[m] is not None))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"VECLAB_HOME": str(models)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(1, 32)")
    loaded = set(done.stdout.split())
    assert "openvino" in loaded
    assert not {"torch", "transformers", "sentence_transformers", "openvino_telemetry"} & loaded
    assert not {"openvino.tools.ovc", "huggingface_hub", "requests", "httpx"} & loaded


def test_asking_for_bf16_gives_it_or_says_that_there_is_none(tiny_bert):
    model = load(tiny_bert, precision="bf16")
    native = model.provider.engine.native_bf16
    assert model.provider.precision == ("bf16" if native else "f32")
    assert native or "no bf16" in model.embed(["cat"]).report.notes[0]
    reference = load(tiny_bert, precision="f32").embed(TEXTS).array
    assert (model.embed(TEXTS).array * reference).sum(axis=1).min() > 0.999


def test_threads_are_as_many_as_asked_for(tiny_bert):
    assert load(tiny_bert, threads=1).provider.limits.concurrency == 1
    assert load(tiny_bert, threads=3).provider.limits.concurrency == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"engine": "onnx"}, "engine cannot be 'onnx'; choose from torch, openvino"),
        ({"precision": "fp8"}, "precision cannot be"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"engine": "openvino", "device": "cuda"}, "runs on the cpu"),
        ({"engine": "openvino", "precision": "f16"}, "not f16"),
        ({"engine": "torch", "precision": "int8"}, "no int8"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tiny_bert, options, complaint):
    with pytest.raises(InputError, match=complaint):
        veclab.load(str(tiny_bert), **options)


def test_rows_without_tokens_do_not_break_a_batch():
    ids, mask = pad_rows([np.zeros(0, np.int32), np.array([5, 6], np.int32)], pad_id=9)
    assert ids.tolist() == [[9, 9], [5, 6]]
    assert mask.tolist() == [[0, 0], [1, 1]]
    assert pad_rows([np.zeros(0, np.int32)], 0)[0].shape == (1, 1)


def test_padding_is_reported(tiny_bert):
    report = load(tiny_bert).embed(["the cat sits on the mat", "cat"]).report
    assert report.tokens_embedded == 8 + 3
    assert report.tokens_padding == 5  # one batch: a second would have cost more
    assert report.to_dict()["tokens_padding"] == 5


class TestWithoutTheEngine:
    """Where OpenVINO cannot run a model torch does, and it is said."""

    @pytest.fixture(autouse=True)
    def choice_is_ours(self, monkeypatch):
        monkeypatch.delenv("VECLAB_ENGINE")

    def test_not_installed(self, tiny_bert, monkeypatch):
        from veclab.models import loading

        monkeypatch.setattr(loading, "find_spec", lambda name: None)
        model = veclab.load(str(tiny_bert), cache=False)
        assert type(model.provider).__name__ == "TorchModel"
        assert "pip install openvino" in model.embed(["cat"]).report.notes[0]

    def test_pooling_that_leaves_the_prompt_out(self, tiny_e5, tmp_path):
        import shutil

        path = shutil.copytree(tiny_e5, tmp_path / "m")
        edit_json(path / "1_Pooling" / "config.json", include_prompt=False)
        model = veclab.load(str(path), cache=False)
        assert "leaves the prompt out" in model.notes[0]
        expected = upstream(path).encode_query(TEXTS)
        np.testing.assert_allclose(model.embed(TEXTS, role="query").array, expected, atol=1e-6)
        with pytest.raises(ModelUnavailable, match="leaves the prompt out"):
            load(path)


def make_with_export(path, pooling="mean", seed=0):
    """A model whose openvino/ folder holds its transformer alone, as exports do."""
    import torch
    from openvino import PartialShape, Type, save_model
    from openvino.tools.ovc import convert_model

    make_electra(path, pooling=pooling, seed=seed)

    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = upstream(path)[0].model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.inner(
                input_ids=input_ids,
                attention_mask=attention_mask,
                token_type_ids=token_type_ids,
            ).last_hidden_state

    one = torch.ones((2, 5), dtype=torch.long)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    mask = one.clone()
    mask[1, 3:] = 0
    model = convert_model(
        Tokens().eval(),
        example_input={"input_ids": one, "attention_mask": mask, "token_type_ids": one * 0},
        input=[(name, PartialShape([-1, -1]), Type.i64) for name in names],
    )
    model.output(0).get_tensor().set_names({"last_hidden_state"})
    (path / "openvino").mkdir()
    save_model(model, path / "openvino" / "openvino_model.xml", compress_to_fp16=False)
    return path


@pytest.fixture(scope="module", params=["mean", "cls", "max"])
def with_export(request, tmp_path_factory):
    return make_with_export(tmp_path_factory.mktemp("carried") / "m", request.param)


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    """A folder whose export is that of other weights."""
    base = tmp_path_factory.mktemp("stale")
    path = make_electra(base / "tuned", seed=1)
    before = make_with_export(base / "before")
    shutil.copytree(before / "openvino", path / "openvino")
    return path


class TestCarriedFiles:
    """Of a model that no builder knows, OpenVINO and ONNX files are used if they are its own."""

    def test_give_the_same_vectors(self, with_export, tmp_path, monkeypatch):
        monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "home"))
        model = load(with_export)
        made = [path.name for path in (tmp_path / "home" / "models").glob("[!.]*")]
        assert len(made) == 1  # the proof: nothing was converted
        assert "-proof-" in made[0]
        texts = [*TEXTS, LONG]
        np.testing.assert_allclose(
            model.embed(texts).array, upstream(with_export).encode(texts), atol=1e-5
        )
        assert model.space.id == veclab.load(str(with_export), engine="torch", cache=False).space.id

    def test_a_stale_one_is_skipped_and_remembered(self, stale, monkeypatch):
        expected = upstream(stale).encode(TEXTS)
        first = load(stale)
        np.testing.assert_allclose(first.embed(TEXTS).array, expected, atol=1e-5)
        note = "openvino_model.xml of tuned was skipped.*does not compute what the weights"
        assert any(re.search(note, said) for said in first.embed(TEXTS).report.notes)
        # Found once, it is known: no second process is needed to say it.
        monkeypatch.setattr(subprocess, "run", None)
        np.testing.assert_allclose(load(stale).embed(TEXTS).array, expected, atol=1e-5)

    def test_without_torch_it_is_a_space_of_its_own(self, stale, tmp_path, monkeypatch):
        from veclab.models.local.openvino import exported

        monkeypatch.setenv("VECLAB_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(exported, "find_spec", lambda name: None)
        model = load(stale)
        of_weights = veclab.load(str(stale), engine="torch", cache=False)
        assert model.space.difference(of_weights.space).keys() == {"weights"}
        notes = model.embed(TEXTS).report.notes
        assert any("Space of their own" in note and "veclab[torch]" in note for note in notes)

    def test_what_was_proven_needs_no_torch(self, with_export, monkeypatch):
        from veclab.models.local.openvino import exported

        proven = load(with_export).space
        monkeypatch.setattr(exported, "find_spec", lambda name: None)
        assert load(with_export).space == proven

    def test_damaged_ones_are_passed_over(self, with_export, tmp_path):
        broken = shutil.copytree(with_export, tmp_path / "broken")
        (broken / "openvino" / "openvino_model.xml").write_text("<xml")
        np.testing.assert_allclose(
            load(broken).embed(TEXTS).array, upstream(with_export).encode(TEXTS), atol=1e-5
        )


def real_texts():
    """2,000 texts: descriptions and summaries of packages, then awkward ones made from them."""
    with gzip.open(PACKAGES, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    chosen = random.Random(0)
    short = [row["summary"] for row in chosen.sample(rows, 900) if row["summary"].strip()]
    long = [row["description"] for row in chosen.sample(rows, 120) if row["description"].strip()]
    words = " ".join(long).split()
    scripts = [
        "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
        "\u0440\u0443\u0441\u0441\u043a\u0438\u0439",
        "\u0928\u092e\u0938\u094d\u0924\u0947",
        "\u0645\u0631\u062d\u0628\u0627",
        "\ud55c\uad6d\uc5b4",
    ]
    emoji = ["\U0001f600", "\U0001f680\U0001f680", "\U0001f469\u200d\U0001f469\u200d\U0001f467"]
    odd = [".", "...", "a", "1", "x=1;", "-", "\u00e9", *scripts, *emoji]
    made = [" ".join(chosen.choices([*odd, *words], k=chosen.randint(1, 12))) for _ in range(900)]
    over = [" ".join(chosen.choices(words, k=400)) for _ in range(4)]
    texts = list(dict.fromkeys([*odd, *short, *long, *made, *over]))
    extra = (f"{words[i % len(words)]} {i}" for i in range(2000))
    return [*texts, *extra][:2000]


@pytest.mark.slow
def test_2000_real_texts_have_the_vectors_of_sentence_transformers(models):
    model = load("all-MiniLM-L6-v2", precision="f32")
    texts = real_texts()
    assert len(set(texts)) == 2000
    vectors = model.embed(texts)
    assert vectors.truncated.sum() >= 4
    expected = upstream(model.provider.folder.path).encode(texts, batch_size=16)
    cosines = (vectors.array * expected).sum(axis=1)
    assert cosines.min() > 0.99999


def test_the_engine_keeps_to_order_and_takes_many_threads_at_once(tiny_bert):
    from concurrent.futures import ThreadPoolExecutor

    provider = load(tiny_bert).provider
    batch = provider.tokenize([f"{t} {i}" for i in range(40) for t in TEXTS], None)
    alone = np.concatenate([provider.embed_batch([one], None) for one in batch])
    assert provider.embed_batch([], None).shape == (0, 32)
    with ThreadPoolExecutor(8) as pool:
        parts = list(
            pool.map(lambda i: provider.embed_batch(batch[i : i + 7], None), range(0, 160, 7))
        )
    np.testing.assert_allclose(np.concatenate(parts), alone, atol=1e-5)
    assert isinstance(provider.engine, Engine)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")
def test_memory_does_not_grow_with_the_shapes_of_batches(tiny_bert, models):
    """Kernels of every shape would be kept for ever: 70 MB here, half a gigabyte in real runs."""
    load(tiny_bert)  # converted now, so that the process below imports no torch
    code = """
        import sys
        import numpy as np, veclab
        engine = veclab.load(sys.argv[1], engine="openvino", cache=False, threads=1).provider.engine
        def held():
            with open("/proc/self/status") as lines:
                return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
        shapes = [(n, length) for length in range(3, 60) for n in range(1, 9)]
        np.random.default_rng(0).shuffle(shapes)
        for i, (n, length) in enumerate(shapes):
            engine.run([np.full(length, 5, np.int32)] * n)
            if i == 200:
                before = held()
        print(held() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tiny_bert)],
        env=os.environ | {"VECLAB_HOME": str(models)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 20_000  # kB


def test_a_server_s_small_batches_have_the_vectors_of_any_other(tiny_bert):
    """Alone on all cores, padded to a shape that is there, side by side: the text decides."""
    model = load(tiny_bert, threads=2)
    rows = [text.ids for text in model.provider.tokenize(TEXTS, None)]
    engine = model.provider.engine
    expected = np.concatenate([engine.run([row]) for row in rows])
    engine.expect_small_batches()
    assert np.allclose(engine.run(rows), expected, atol=1e-6)
    for _ in range(2):
        for number, row in enumerate(rows):  # shorter ones run in the shape of all four
            assert np.allclose(engine.run([row]), expected[number], atol=1e-6)
    assert np.allclose(engine.run(rows[1:3]), expected[1:3], atol=1e-6)
    with ThreadPoolExecutor(4) as pool:
        for number, found in enumerate(pool.map(lambda i: engine.run([rows[i % 4]]), range(40))):
            assert np.allclose(found, expected[number % 4], atol=1e-6)


def test_ctrl_c_is_heard_when_two_models_have_come_and_gone(tiny_bert):
    """Each had its own openvino.Core once, and the second left a stack for signals that was none.

    In a process of its own: what went wrong was its end, by a segmentation fault.
    """
    code = """
        import signal, sys, veclab
        models = [veclab.load(sys.argv[1], engine="openvino", cache=False) for _ in range(2)]
        for model in models:
            model.embed(["a text"])
        del model
        while models:
            models.pop(0)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("heard")
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tiny_bert)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("heard\n", 0), done.stderr
