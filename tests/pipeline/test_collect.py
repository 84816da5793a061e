"""Blocks of one run become one Vectors, whether their number was known before or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from veclab.errors import InputError
from veclab.model import Model
from veclab.pipeline.collect import Gathered
from veclab.pipeline.run import EmbeddedBlock
from veclab.report import Report


@given(st.lists(st.lists(st.booleans(), max_size=5), max_size=6), st.booleans())
def test_rows_come_in_order_whatever_is_left_out(blocks, known):
    space = FakeProvider().space
    n = sum(map(len, blocks))
    gathered = Gathered(space, [""] * n if known else iter([""] * n))
    expected, start = [], 0
    for block in blocks:
        kept = np.flatnonzero(block)
        names = [str(start + i) for i in kept.tolist()]
        rows = np.full((len(kept), space.dimensions), start, np.float32) + kept[:, None]
        tokens = (start + kept).astype(np.int32)
        cut = np.zeros(len(kept), np.bool_)
        gathered.add(EmbeddedBlock(kept, names, names, rows, tokens, cut))
        expected += [start + int(i) for i in kept]
        start += len(block)
    vectors = gathered.vectors(Report(), space)
    assert list(vectors.ids) == list(vectors.texts) == list(map(str, expected))
    assert vectors.array.shape == (len(expected), space.dimensions)
    assert vectors.array[:, 0].tolist() == vectors.tokens.tolist() == expected


@pytest.mark.parametrize("known", [True, False])
def test_many_blocks(known):
    texts = [f"text {i}" for i in range(20_000)]
    model = Model(FakeProvider(), None)
    vectors = model.embed(texts if known else iter(texts))
    assert len(vectors) == len(texts)
    np.testing.assert_array_equal(vectors.array[-1], model.embed(texts[-1]).array[0])


def test_room_is_made_for_texts_not_for_characters():
    """A million characters are one text, and a gigabyte of bytes is none."""
    model = Model(FakeProvider(), None)
    assert len(model.embed("word " * 200_000)) == 1
    with pytest.raises(InputError, match="bytes"):
        model.embed(bytes(10**9))
