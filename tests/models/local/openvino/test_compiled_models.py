"""A compiled model is kept beside the converted one; whatever happens to it, vectors are right."""

import hashlib

import numpy as np
import pytest

ov = pytest.importorskip("openvino")

from veclab.models.local.openvino import compiled_models as compiled  # noqa: E402
from veclab.models.local.openvino.engine import Engine  # noqa: E402

ROWS = [np.array([2, 5, 6, 3], np.int32), np.array([2, 9, 3], np.int32)]


@pytest.fixture
def model(tmp_path):
    """The file of a small model: the sum of the tokens' vectors, turned."""
    from openvino import opset13 as ops

    chance = np.random.default_rng(0)
    table, turn = (chance.normal(size=size).astype(np.float32) for size in ((50, 64), (64, 64)))
    ids = ops.parameter([-1, -1], np.int32, name="input_ids")
    mask = ops.parameter([-1, -1], np.int32, name="attention_mask")
    inside = ops.unsqueeze(ops.convert(mask, "f32"), [2])
    tokens = ops.multiply(ops.gather(ops.constant(table), ids, 0), inside)
    vectors = ops.reduce_sum(ops.matmul(tokens, turn, False, False), [1])
    graph = ov.Model([vectors], [ids, mask], "m")
    for port, name in zip(graph.inputs, ("input_ids", "attention_mask"), strict=True):
        port.get_tensor().set_names({name})
    ov.save_model(graph, tmp_path / "model.xml", compress_to_fp16=False)
    return tmp_path / "model.xml"


def kept(model):
    return [file for file in model.parent.iterdir() if file.name.startswith("compiled-")]


def vectors(model, **options):
    return Engine(model, threads=1, **options).run(ROWS)


def test_the_second_start_compiles_nothing_and_gives_the_same_bits(model, monkeypatch):
    first = vectors(model, keep=True)
    assert np.array_equal(first, vectors(model))
    (file,) = kept(model)
    assert file.stat().st_size < model.with_suffix(".bin").stat().st_size + 50_000
    monkeypatch.delattr(ov.Core, "compile_model")
    assert np.array_equal(first, vectors(model, keep=True))
    assert np.array_equal(first, Engine(model, threads=2, keep=True).run(ROWS))


def test_nothing_is_kept_unless_asked_for(model):
    vectors(model)
    assert kept(model) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],  # a full disk, a power cut
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"",
        # Whole, but nothing that OpenVINO could read: another make of it.
        lambda content: hashlib.sha256(b"no model").digest() + b"no model",
    ],
)
def test_a_damaged_one_is_made_again(model, damage):
    first = vectors(model, keep=True)
    (file,) = kept(model)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    assert np.array_equal(first, vectors(model, keep=True))
    made = file.read_bytes()  # not the same bytes: names of operations in it are numbered on
    assert made != damaged
    assert hashlib.sha256(made[32:]).digest() == made[:32]
    assert kept(model) == [file]


def test_another_processor_compiles_for_itself(model, monkeypatch):
    first = vectors(model, keep=True)
    monkeypatch.setattr(compiled, "instruction_sets", lambda: frozenset({"sse2"}))
    assert np.array_equal(first, vectors(model, keep=True))
    assert len(kept(model)) == 2


def test_a_folder_that_cannot_be_written_is_no_obstacle(model, monkeypatch):
    def refuse(file, content):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(compiled.Path, "write_bytes", refuse)
    assert np.array_equal(vectors(model), vectors(model, keep=True))
    assert kept(model) == []


def test_a_model_that_cannot_be_read_is_an_error(model):
    model.write_text("<net>")
    with pytest.raises(RuntimeError):
        vectors(model, keep=True)
    assert kept(model) == []
