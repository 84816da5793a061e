"""Cuts and quantization, against sentence-transformers' own."""

import numpy as np
import pytest

from veclab import InputError, Vectors
from veclab.evaluation.variants import Variant, int8_decode, int8_encode, int8_steps
from veclab.space import Space


def unit(n=200, dim=32, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors(array):
    return Vectors(array, Space("fake", "m", array.shape[1]), [str(i) for i in range(len(array))])


@pytest.mark.parametrize(
    ("spec", "model", "variant"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2", Variant()),
        ("a/b@128", "a/b", Variant(128)),
        ("./folder+int8", "./folder", Variant(None, "int8")),
        ("m@64+binary", "m", Variant(64, "binary")),
        ("m+base", "m+base", Variant()),
        ("m@v2", "m@v2", Variant()),
    ],
)
def test_what_a_name_asks_for(spec, model, variant):
    assert Variant.parse(spec) == (model, variant)
    assert model + str(variant) == spec


@pytest.mark.parametrize(
    ("variant", "size"),
    [
        (Variant(), 1536),
        (Variant(128), 512),
        (Variant(None, "int8"), 384),
        (Variant(None, "binary"), 48),
        (Variant(100, "binary"), 13),
    ],
)
def test_bytes(variant, size):
    assert variant.bytes_per_vector(384) == size


def test_int8_codes_are_those_of_sentence_transformers():
    quantize = pytest.importorskip("sentence_transformers.util").quantize_embeddings
    array = unit()
    beyond = unit(seed=1) * 2
    low, step = int8_steps(array)
    for some in (array, beyond):
        theirs = quantize(some, "int8", calibration_embeddings=array)
        np.testing.assert_array_equal(int8_encode(some, low, step), theirs)


def test_binary_orders_as_hamming_distance_of_sentence_transformers_bits():
    quantize = pytest.importorskip("sentence_transformers.util").quantize_embeddings
    array = unit()
    bits = np.unpackbits(quantize(array, "ubinary"), axis=1)
    hamming = (bits[:1] != bits).sum(axis=1)
    (decoded,) = Variant(None, "binary").apply([vectors(array)])
    np.testing.assert_allclose(decoded @ decoded[0], 1 - 2 * hamming / 32, atol=1e-6)


def test_int8_comes_back_within_a_step():
    array = unit()
    low, step = int8_steps(array)
    back = int8_decode(int8_encode(array, low, step), low, step)
    assert (np.abs(back - array) <= step * 1.01).all()


def test_int8_values_beyond_the_steps_take_the_nearest():
    low, step = int8_steps(np.array([[-1.0], [1.0]], np.float32))
    codes = int8_encode(np.array([[-9.0], [9.0]], np.float32), low, step)
    assert codes.tolist() == [[-128], [127]]


def test_a_dimension_that_never_changes_is_no_trouble():
    array = unit()
    array[:, 3] = 0.25
    (decoded,) = Variant(None, "int8").apply([vectors(array)])
    assert np.isfinite(decoded).all()


@pytest.mark.parametrize(
    "variant", [Variant(), Variant(8), Variant(8, "int8"), Variant(8, "binary")]
)
def test_all_variants_have_unit_length(variant):
    for side in variant.apply([vectors(unit()), vectors(unit(seed=1))]):
        np.testing.assert_allclose(np.linalg.norm(side, axis=1), 1, atol=1e-5)


def test_the_stored_side_sets_the_steps():
    queries, documents = unit(seed=1) * 3, unit()
    space = Space("fake", "m", 32, normalized=False)
    sides = [Vectors(a, space, [str(i) for i in range(200)]) for a in (queries, documents)]
    _, alone = Variant(None, "int8").apply(sides[::-1])
    _, stored = Variant(None, "int8").apply(sides, stored=1)
    (by_itself,) = Variant(None, "int8").apply([sides[1]])
    np.testing.assert_array_equal(stored, by_itself)
    assert alone.shape == stored.shape


def test_a_cut_longer_than_the_vectors_is_refused():
    with pytest.raises(InputError, match="cannot truncate 32 dimensions to 64"):
        Variant(64).apply([vectors(unit())])
