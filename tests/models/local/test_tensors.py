"""Weights as numpy arrays: as they are stored, or one line that says why not."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from veclab.errors import ModelUnavailable
from veclab.models.local.tensors import read_tensors, tensor_shapes


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"half": np.ones((3, 2), np.float16), "ids": np.arange(4, dtype=np.int64)}
    save_file(tensors, path, metadata={"format": "np"})
    return path


def test_tensors_are_read_as_they_are_stored(stored):
    assert tensor_shapes(stored) == {"half": (3, 2), "ids": (4,)}
    tensors = read_tensors(stored)
    assert tensors["half"].dtype == np.float16
    assert tensors["ids"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:4],
        lambda raw: raw[:-1],
        lambda raw: b"\xff" * 8 + raw[8:],
        lambda raw: raw[:8] + b"[" + raw[9:],
        lambda raw: b"<html>Not found</html>",
    ],
)
@pytest.mark.parametrize("read", [tensor_shapes, read_tensors])
def test_a_damaged_file_is_one_line(stored, damage, read):
    stored.write_bytes(damage(stored.read_bytes()))
    with pytest.raises(ModelUnavailable, match=r"^the model file .*safetensors is damaged .*$"):
        read(stored)


def test_a_type_that_numpy_lacks_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    assert tensor_shapes(path) == {"w": (2,)}
    with pytest.raises(ModelUnavailable, match=r"tensor w .* is of type BF16"):
        read_tensors(path)
