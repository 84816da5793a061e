"""Batches fill the limits; what was computed is committed whatever happens next."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from veclab.pipeline.batching import BatchItem, cut_batches, run_batches
from veclab.provider import Limits, TokenizedText

sizes = st.lists(st.integers(1, 40), max_size=60)


@given(sizes, st.booleans(), st.integers(1, 100), st.integers(1, 10))
def test_batches_keep_order_and_limits(tokens, padded, batch_tokens, batch_texts):
    limits = Limits(None, batch_tokens, batch_texts, padded=padded)
    batches = [tokens[part] for part in cut_batches(tokens, limits)]
    assert [size for batch in batches for size in batch] == tokens
    for batch in batches:
        cost = max(batch) * len(batch) if padded else sum(batch)
        # A text over the budget alone still goes, by itself.
        assert cost <= batch_tokens or len(batch) == 1
        assert len(batch) <= batch_texts


@given(sizes, st.integers(1, 100))
def test_no_batch_could_have_taken_the_next_text(tokens, batch_tokens):
    limits = Limits(None, batch_tokens, 8, padded=False)
    batches = [tokens[part] for part in cut_batches(tokens, limits)]
    for batch, following in itertools.pairwise(batches):
        assert len(batch) == 8 or sum(batch) + following[0] > batch_tokens


@given(sizes)
def test_without_the_tail_only_full_batches_come(tokens):
    limits = Limits(None, 64, 4)
    whole = list(cut_batches(tokens, limits))
    assert list(cut_batches(tokens, limits, keep_tail=False)) == whole[:-1]


def batches_of(n):
    return [[BatchItem(i, TokenizedText(f"text {i}", 4))] for i in range(n)]


def test_every_batch_is_committed_with_its_own_vectors():
    provider = FakeProvider(concurrency=4)
    committed = {}
    run_batches(
        provider,
        None,
        batches_of(50),
        lambda items, raw: committed.update({items[0].text: raw[0]}),
    )
    assert sorted(committed) == list(range(50))
    for i, vector in committed.items():
        np.testing.assert_array_equal(vector, provider.vector(f"text {i}"))


def test_as_many_batches_run_at_once_as_allowed_and_no_more():
    together = threading.Barrier(3, timeout=20)
    running, most, lock = 0, 0, threading.Lock()

    class Watched(FakeProvider):
        def embed_batch(self, pieces, role):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait()  # breaks unless three are here at the same time
            with lock:
                running -= 1
            return super().embed_batch(pieces, role)

    run_batches(Watched(concurrency=3), None, batches_of(9), lambda items, raw: None)
    assert most == 3


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt])
def test_what_is_in_flight_when_something_fails_is_committed(fault):
    release = threading.Event()

    class Slow(FakeProvider):
        def embed_batch(self, pieces, role):
            if pieces[0].text == "text 1":
                release.set()
                raise fault("stop")
            release.wait(20)
            return super().embed_batch(pieces, role)

    committed = []
    with pytest.raises(fault):
        run_batches(
            Slow(concurrency=2),
            None,
            batches_of(100),
            lambda items, raw: committed.append(items[0].text),
        )
    assert 0 in committed
    assert len(committed) < 10
