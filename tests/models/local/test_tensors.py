"""Weights as numpy arrays: as they are stored, or one line that says why not."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
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


_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F8_E4M3", "BF16", "C64", "", 3, None]),
        "shape": st.lists(st.integers(-2, 2**64), max_size=3) | st.just([2**63, 2**63]) | st.none(),
        "data_offsets": st.lists(st.integers(-1, 2**64), max_size=3) | st.text(max_size=2),
        "other": st.none(),
    },
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    header=st.dictionaries(st.sampled_from(["w", "", "__metadata__", "embeddings"]), _FIELDS)
    | st.lists(st.integers(), max_size=2)
    | st.text(max_size=5),
    length=st.none() | st.integers(0, 2**64 - 1),
    data=st.binary(max_size=16),
)
@example(
    header={"w": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}}, length=None, data=b""
)
def test_absurd_headers_are_one_line(tmp_path, header, length, data):
    path = tmp_path / "model.safetensors"
    said = json.dumps(header).encode()
    path.write_bytes((len(said) if length is None else length).to_bytes(8, "little") + said + data)
    for read in (tensor_shapes, read_tensors):
        try:
            read(path)
        except ModelUnavailable as refused:
            assert "\n" not in str(refused)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1))
def test_bytes_changed_at_random_are_read_or_one_line(stored, changes):
    raw = bytearray(stored.read_bytes())
    for place, value in changes:
        raw[place % len(raw)] = value
    damaged = stored.with_name("damaged.safetensors")
    damaged.write_bytes(raw)
    for read in (tensor_shapes, read_tensors):
        try:
            read(damaged)
        except ModelUnavailable as refused:
            assert "\n" not in str(refused)
