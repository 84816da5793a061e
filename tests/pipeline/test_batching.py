"""Batches fill the limits; what was computed comes, whatever happens next."""

import itertools
import os
import random
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from tests.waiting import HANG_S, wait_for_ctrl_c
from veclab.pipeline.batching import BatchItem, cut_batches, run_batches
from veclab.provider import Limits, Refused, TokenizedText

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


@given(sizes.map(lambda tokens: sorted(tokens, reverse=True)))
def test_where_new_shapes_cost_much_all_batches_but_one_are_full(tokens):
    limits = Limits(None, 64, 8, shape_cost=10_000)
    batches = [tokens[part] for part in cut_batches(tokens, limits)]
    assert sum(len(batch) < min(8, 64 // batch[0]) for batch in batches) <= 1


@given(sizes)
def test_without_the_tail_only_full_batches_come(tokens):
    limits = Limits(None, 64, 4)
    whole = list(cut_batches(tokens, limits))
    assert list(cut_batches(tokens, limits, keep_tail=False)) == whole[:-1]


def batches_of(n):
    return ([BatchItem(i, TokenizedText(f"text {i}", 4))] for i in range(n))


def arrived(answers, kept):
    """Note the batches that come, as the main path does: shielded."""
    for items, answer in answers:
        with answers.shielded():
            kept[items[0].text] = answer.vectors


def test_every_batch_comes_with_its_own_vectors():
    provider, kept = FakeProvider(concurrency=4), {}
    arrived(run_batches(provider, None, batches_of(50)), kept)
    assert sorted(kept) == list(range(50))
    for i, vectors in kept.items():
        np.testing.assert_array_equal(vectors[0], provider.vector(f"text {i}"))


def test_as_many_batches_run_at_once_as_allowed_and_no_more():
    together = threading.Barrier(3, timeout=HANG_S)
    running, most, lock = 0, 0, threading.Lock()

    class Watched(FakeProvider):
        def embed_batch(self, batch, role):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait()  # breaks unless three are here at the same time
            with lock:
                running -= 1
            return super().embed_batch(batch, role)

    arrived(run_batches(Watched(concurrency=3), None, batches_of(9)), {})
    assert most == 3


class TestWhatIsInFlight:
    """An answer that was asked for comes, whatever happens meanwhile."""

    class Slow(FakeProvider):
        """Batch 0 is answered when batch 1 is, by `fault` where there is one."""

        def __init__(self, fault=None):
            super().__init__(concurrency=2)
            self.fault, self.release, self.stopped = fault, threading.Event(), False

        def embed_batch(self, batch, role):
            if batch[0].text == "text 0":
                self.release.wait(HANG_S)
            elif batch[0].text == "text 1" and self.fault is not None:
                self.release.set()
                raise self.fault
            return super().embed_batch(batch, role)

        def stop(self):
            self.stopped = True
            self.release.set()

    @pytest.mark.parametrize("fault", [RuntimeError("stop"), KeyboardInterrupt()])
    def test_when_the_provider_fails(self, fault):
        provider, kept = self.Slow(fault), {}
        with pytest.raises(type(fault)):
            arrived(run_batches(provider, None, batches_of(100)), kept)
        assert 0 in kept
        assert len(kept) < 10
        assert provider.stopped

    def test_when_an_answer_cannot_be_stored(self):
        """The first error counts, and the others are tried all the same."""
        provider, tried = self.Slow(), []
        answers = run_batches(provider, None, batches_of(100))
        with pytest.raises(OSError, match="no room") as raised:
            for items, _ in answers:
                with answers.shielded():
                    tried.append(items[0].text)
                    raise OSError(f"no room for text {items[0].text}")
        assert str(raised.value) == f"no room for text {tried[0]}"
        assert 0 in tried[1:]  # it came when the run was over already
        assert len(tried) < 10

    def test_when_no_more_batches_can_be_made(self):
        def broken():
            yield from itertools.islice(batches_of(100), 3)
            raise ValueError("no more")

        provider, kept = self.Slow(), {}
        with pytest.raises(ValueError, match="no more"):
            arrived(run_batches(provider, None, broken()), kept)
        assert 0 in kept
        assert {f"text {i}" for i in kept} == set(provider.embedded)

    def test_when_ctrl_c_is_pressed_while_an_answer_is_stored(self):
        provider, kept = self.Slow(), {}
        answers = run_batches(provider, None, batches_of(100))
        with pytest.raises(KeyboardInterrupt):
            for items, answer in answers:
                if not kept:
                    signal.raise_signal(signal.SIGINT)  # it waits until the answer is stored
                with answers.shielded():
                    kept[items[0].text] = answer.vectors
        assert {0, 1} <= set(kept)
        assert len(kept) < 10

    def test_when_ctrl_c_is_pressed_at_any_moment(self):
        """Pressed by a worker when it has its vectors, which may find the caller anywhere."""
        chance = random.Random(0)
        for _ in range(150):
            last, pause = chance.randint(0, 30), chance.random() / 2000

            class Pressing(FakeProvider):
                def embed_batch(self, batch, role, last=last, pause=pause):
                    vectors = super().embed_batch(batch, role)
                    if batch[0].text == f"text {last}":
                        time.sleep(pause)
                        os.kill(os.getpid(), signal.SIGINT)
                    return vectors

            provider, kept = Pressing(concurrency=4), {}
            answers = run_batches(provider, None, batches_of(100))
            with pytest.raises(KeyboardInterrupt):
                arrived(answers, kept)
                wait_for_ctrl_c()  # pressed so late that all had come: it is yet to be noticed
            assert {f"text {i}" for i in kept} == set(provider.embedded)


def test_a_refused_batch_is_asked_again_in_halves_until_the_text_is_alone():
    class Picky(FakeProvider):
        def embed_batch(self, batch, role):
            if any(one.text == "text 5" for one in batch):
                raise Refused("not this one", requests=1, tokens=10)
            return super().embed_batch(batch, role)

    items = [item for batch in batches_of(8) for item in batch]
    answers = list(run_batches(Picky(concurrency=2), None, [items]))
    refused = [(asked, answer) for asked, answer in answers if answer.refused]
    assert [(asked[0].text, dict(a.refused)) for asked, a in refused] == [(5, {0: "not this one"})]
    taken = sorted(item.text for asked, a in answers if not a.refused for item in asked)
    assert taken == [0, 1, 2, 3, 4, 6, 7]
    assert sum(a.requests for _, a in answers) == 4  # of eight, of four, of two, alone
