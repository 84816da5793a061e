"""int8: calibrated on real texts, the loss measured, and the layers that hurt most spared."""

import json

import numpy as np
import pytest

import veclab
from veclab import InputError, MissingExtra
from veclab.cli.app import _run as run
from veclab.models.local.folder import read_folder
from veclab.models.local.openvino import int8
from veclab.models.local.openvino.int8 import (
    CALIBRATION_TEXTS,
    find_or_quantize,
    int8_precision,
    sample,
)

pytest.importorskip("openvino")


def test_the_sample_is_of_real_texts_long_and_short():
    texts = sample()
    assert len(set(texts)) == len(texts) == CALIBRATION_TEXTS
    assert min(map(len, texts)) < 5
    assert max(map(len, texts)) > 1000
    assert not all(text.isascii() for text in texts)


def test_texts_are_drawn_evenly_and_the_same_each_time():
    texts = [f"text {i}" for i in range(5000)]
    drawn = int8._draw(iter([*texts, "", "  ", *texts]))
    assert drawn == int8._draw(texts)
    assert len(set(drawn)) == CALIBRATION_TEXTS
    places = np.array([int(text.split()[1]) for text in drawn])
    assert 2000 < places.mean() < 3000


def test_too_few_texts_are_refused(tiny_bert):
    with pytest.raises(InputError, match="3 distinct texts are too few"):
        find_or_quantize(read_folder(tiny_bert, name="m"), ["a", "b", "c", "a", " "])


def test_without_nncf_it_says_what_to_install(tiny_bert, monkeypatch):
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"quantizing m, once.*veclab\[int8\]"):
        find_or_quantize(read_folder(tiny_bert, name="m"))


@pytest.mark.slow
def test_int8_is_close_to_f32_and_has_a_recipe_of_its_own(tiny_bert):
    pytest.importorskip("nncf")
    words = "the cat sits on mat a feline rests carpet stock markets fell".split()  # noqa: SIM905
    chance = np.random.default_rng(0)
    texts = [" ".join(chance.choice(words, size=chance.integers(1, 20))) for _ in range(60)]
    made = find_or_quantize(read_folder(tiny_bert, name=tiny_bert.name), texts)
    assert made.min_cosine >= 0.98
    quick = veclab.load(str(tiny_bert), engine="openvino", precision="int8", cache=False)
    exact = veclab.load(str(tiny_bert), engine="openvino", precision="f32", cache=False)
    assert quick.provider.precision.startswith(made.precision)
    assert quick.space == exact.space
    assert quick.start().recipe.id != exact.start().recipe.id
    report = quick.embed(texts[:2]).report
    assert any(note.startswith("int8: cosine to f32 over the") for note in report.notes)
    a, b = quick.embed(sorted(set(texts))).array, exact.embed(sorted(set(texts))).array
    cosines = (a * b).sum(axis=1)
    assert cosines.min() == pytest.approx(made.min_cosine, abs=1e-3)
    assert cosines.max() < 1 - 1e-7  # it is int8 indeed


def test_processors_that_compute_it_differently_do_not_share_a_recipe(monkeypatch):
    """They would share the cache: a vector of one would be given out for the other's."""
    labels = []
    for products in (True, False, None):
        monkeypatch.setattr(int8, "has_integer_products", lambda products=products: products)
        labels += [int8_precision("int8-0123abcd", kind) for kind in ("f32", "bf16")]
    assert len(set(labels)) == 6
    assert all(label.startswith("int8-0123abcd") for label in labels)


@pytest.mark.parametrize("name", ["openai:text-embedding-3-small", "words.vec"])
def test_only_a_transformer_has_an_int8_form(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.vec").write_text("a 1 2\nb 3 4\n")
    (tmp_path / "texts.txt").write_text("a\nb\n")
    assert run(["quantize", "texts.txt", "-m", name]) == 2
    assert f"{name} is not a transformer" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_calibrates_on_a_file_of_texts(tiny_bert, tmp_path, capsys):
    pytest.importorskip("nncf")
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"the cat {i} sits on {'the mat ' * (i % 9)}" for i in range(40)))
    assert run(["quantize", str(texts), "-m", str(tiny_bert), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["min_cosine"] >= 0.98
    assert "over the 40 texts it was calibrated on" in said["loss"]
    model = veclab.load(str(tiny_bert), engine="openvino", precision="int8", cache=False)
    assert model.provider.precision.startswith(said["precision"])


@pytest.mark.slow
def test_layers_are_given_back_until_the_loss_is_small_enough():
    """A product whose 3-level integers are useless is spared; one that is good enough is not."""
    import openvino as ov
    from openvino import opset13 as ops

    from veclab.models.local.openvino.quantize import Measure, activation_quantizers, restore

    ids = ops.parameter([-1, -1], np.int32, name="input_ids")
    mask = ops.parameter([-1, -1], np.int32, name="attention_mask")
    table = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    one, low, high = (np.array(value, np.float32) for value in (1, -4, 4))

    def layer(tokens, levels, name):
        coarse = ops.fake_quantize(tokens, low, high, low, high, levels, name=name)
        return ops.matmul(coarse, np.eye(16, dtype=np.float32) * one, False, False)

    def model(first, second):
        tokens = ops.gather(ops.constant(table), ids, 0)
        tokens = layer(layer(tokens, first, "first"), second, "second")
        inside = ops.unsqueeze(ops.convert(mask, "f32"), [2])
        vectors = ops.reduce_sum(ops.multiply(tokens, inside), [1])
        graph = ov.Model([vectors], [ids, mask], "m")
        graph.inputs[0].get_tensor().set_names({"input_ids"})
        graph.inputs[1].get_tensor().set_names({"attention_mask"})
        return graph

    rows = [np.random.default_rng(i).integers(0, 50, 1 + i % 7).astype(np.int32) for i in range(40)]
    measure = Measure(rows, 0)
    fine, mixed = model(256, 256), model(256, 3)
    measure.against(fine.clone())
    assert restore(fine, measure)[1] == 0
    assert measure.cosines(mixed.clone()).min() < 0.98
    better, count = restore(mixed, measure)
    assert count == 1
    assert activation_quantizers(better) == ["first"]
    assert measure.cosines(better).min() >= 0.98
