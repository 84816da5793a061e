"""The main path: every text once, in order, checked, normalized, reported."""

import os
import random
import signal
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeProvider
from tests.waiting import wait_for_ctrl_c
from veclab import BadVectors, EmptyText, Space, TextTooLong
from veclab.model import Model
from veclab.pipeline.embed import plan_block

LONG = " ".join(f"w{i}" for i in range(40))


def item(vector):
    return vector / np.linalg.norm(vector)


@given(
    st.lists(st.text("abc ", min_size=1, max_size=40).filter(str.strip), max_size=60),
    st.integers(1, 4),
    st.integers(1, 10),
)
@settings(max_examples=60, deadline=None)
def test_each_text_gets_its_own_vector_in_its_own_place(texts, concurrency, batch_texts):
    provider = FakeProvider(max_tokens=None, concurrency=concurrency, batch_texts=batch_texts)
    vectors = Model(provider, cache=None).embed(texts)
    assert vectors.array.shape == (len(texts), 8)
    assert vectors.array.dtype == np.float32
    for row, text in zip(vectors, texts, strict=True):
        assert row.text == text
        np.testing.assert_allclose(row.embedding, item(provider.vector(text)), atol=1e-6)
    assert sorted(provider.embedded) == sorted(set(texts))
    assert vectors.report.texts == len(texts)
    assert vectors.report.distinct == vectors.report.embedded == len(set(texts))


def test_texts_that_prepare_to_the_same_are_computed_once(model, provider):
    vectors = model.embed(["cafe\u0301", "caf\u00e9", "caf\u00e9\x00"])
    assert provider.embedded == ["caf\u00e9"]
    assert vectors.texts == ["cafe\u0301", "caf\u00e9", "caf\u00e9\x00"]
    assert vectors.report.distinct == 1


def test_a_second_run_computes_nothing(model, provider):
    texts = [f"text number {i}" for i in range(100)]
    first = model.embed(texts)
    provider.batches.clear()
    second = model.embed(texts[::-1])
    assert provider.batches == []
    np.testing.assert_array_equal(second.array, first.array[::-1])
    np.testing.assert_array_equal(second.tokens, first.tokens[::-1])
    assert second.report.cached == 100
    assert second.report.embedded == 0


def test_one_changed_text_computes_one_text(model, provider):
    texts = [f"text number {i}" for i in range(100)]
    model.embed(texts)
    provider.batches.clear()
    model.embed([*texts[:50], "something new", *texts[51:]])
    assert provider.embedded == ["something new"]


def test_another_model_shares_nothing(model, cache):
    model.embed(["hello"])
    other = FakeProvider(name="other")
    Model(other, cache).embed(["hello"])
    assert other.embedded == ["hello"]


def test_roles_are_kept_apart(model, provider):
    query = model.embed(["hello"], role="query")
    document = model.embed(["hello"], role="document")
    assert not np.allclose(query.array, document.array)
    assert query.space == document.space


def test_duplicates_far_apart_are_found(model, provider):
    texts = [f"text {i % 9000}" for i in range(20_000)]
    vectors = model.embed(texts)
    assert len(provider.embedded) == 9000
    assert vectors.report.distinct == vectors.report.embedded == 9000
    assert vectors.report.cached == 0
    assert model.embed(texts).report.cached == 9000


class TestLongTexts:
    def test_are_cut_and_reported(self, model, provider):
        vectors = model.embed(["short", LONG], ids=["a", "b"])
        np.testing.assert_allclose(vectors.array[1], item(provider.vector(LONG)), atol=1e-6)
        assert vectors.truncated.tolist() == [False, True]
        assert vectors.tokens.tolist() == [3, 42]
        assert vectors.report.truncated_ids == ["b"]
        assert vectors.report.tokens_lost == 42 - 16
        assert "26 tokens never read: b" in str(vectors.report)

    def test_are_refused_when_asked(self, model, provider):
        with pytest.raises(TextTooLong, match=r"b \(42 tokens\).*--on-long split"):
            model.embed(["short", LONG], ids=["a", "b"], on_long="error")

    def test_are_refused_also_when_their_cut_vector_is_cached(self, model):
        model.embed([LONG])
        with pytest.raises(TextTooLong, match="limit of 16"):
            model.embed([LONG], on_long="error")

    def test_are_split_and_pooled_by_tokens(self, model, provider):
        vectors = model.embed(["short", LONG], ids=["a", "b"], on_long="split")
        words = LONG.split()
        windows = [" ".join(words[i : i + 14]) for i in range(0, 40, 14)]
        counts = [len(window.split()) + 2 for window in windows]
        pooled = sum(n * item(provider.vector(w)) for n, w in zip(counts, windows, strict=True))
        np.testing.assert_allclose(vectors.array[1], item(pooled), atol=1e-5)
        assert vectors.truncated.tolist() == [False, False]
        assert vectors.report.split_ids == ["b"]
        assert vectors.report.truncated == 0

    def test_changing_the_policy_computes_only_them(self, model, provider):
        model.embed(["short", LONG])
        provider.batches.clear()
        model.embed(["short", LONG], on_long="split")
        assert "short" not in provider.embedded
        provider.batches.clear()
        model.embed(["short", LONG], on_long="split")
        assert provider.batches == []

    def test_raising_the_limit_computes_only_them(self, cache):
        Model(FakeProvider(max_tokens=16), cache).embed(["short", LONG])
        wider = FakeProvider(max_tokens=64)
        vectors = Model(wider, cache).embed(["short", LONG])
        assert wider.embedded == [LONG]
        narrow = FakeProvider(max_tokens=16)
        again = Model(narrow, cache).embed(["short", LONG])
        assert narrow.embedded == []
        assert again.truncated.tolist() == [False, True]
        assert vectors.truncated.tolist() == [False, False]

    def test_windows_take_nothing_from_a_vector_cached_under_a_higher_limit(self, cache):
        Model(FakeProvider(max_tokens=64), cache).embed([LONG])
        narrow = FakeProvider(max_tokens=16)
        alone = Model(narrow, None).embed([LONG], on_long="split")
        cached = Model(narrow, cache).embed([LONG], on_long="split")
        np.testing.assert_array_equal(cached.array, alone.array)


class TestEmptyTexts:
    @pytest.mark.parametrize("empty", ["", "  \n", None, float("nan"), "\u200b"])
    def test_are_refused_when_asked(self, model, empty):
        with pytest.raises(EmptyText, match=r"1 text.* 1\. .*on_empty='skip'"):
            model.embed(["a", empty], on_empty="error")

    def test_are_left_out_and_reported_with_a_warning(self, model):
        with pytest.warns(UserWarning, match=r"2 empty or blank \(1, 3\)"):
            vectors = model.embed(["a", "", "b", None])
        assert list(vectors.ids) == ["0", "2"]
        assert vectors.report.empty == 2
        assert vectors.report.empty_ids == ["1", "3"]
        assert vectors.report.texts == 4
        assert "1, 3" in str(vectors.report)

    def test_nothing_at_all_gives_no_rows_of_the_right_width(self, model):
        vectors = model.embed([])
        assert vectors.array.shape == (0, 8)
        assert vectors.array.dtype == np.float32


class TestDistrust:
    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (np.full((1, 8), np.nan), "not finite"),
            (np.full((1, 8), np.inf), "not finite"),
            (np.zeros((1, 8)), "zeros"),
            (np.ones((2, 8)), r"\(2, 8\)"),
            (np.ones((1, 7)), r"\(1, 7\)"),
            (np.ones(8), r"\(8,\)"),
        ],
    )
    def test_what_is_no_vector_is_refused_and_never_cached(self, cache, answer, complaint):
        class Broken(FakeProvider):
            def embed_batch(self, batch, role):
                return answer

        with pytest.raises(BadVectors, match=complaint):
            Model(Broken(), cache).embed(["hello"])
        healthy = FakeProvider()
        Model(healthy, cache).embed(["hello"])
        assert healthy.embedded == ["hello"]

    def test_huge_numbers_are_normalized_without_overflow(self):
        class Huge(FakeProvider):
            def embed_batch(self, batch, role):
                return np.full((len(batch), 8), 3e38, dtype=np.float32)

        vectors = Model(Huge(), None).embed(["hello"])
        assert np.linalg.norm(vectors.array) == pytest.approx(1)

    def test_vectors_are_left_as_they_are_when_asked(self):
        provider = FakeProvider()
        provider.space = Space("fake", "raw", 8, normalized=False)
        vectors = Model(provider, None).embed(["hello"])
        np.testing.assert_array_equal(vectors.array[0], provider.vector("hello"))


class TestInterruption:
    """What was computed before an interruption is never computed again."""

    class Stopped(FakeProvider):
        def embed_batch(self, batch, role):
            if len(self.batches) == 5:
                raise KeyboardInterrupt
            return super().embed_batch(batch, role)

    def test_the_next_run_computes_the_rest_in_the_same_batches(self, cache):
        texts = [f"text {'x' * (i % 7)} {i}" for i in range(100)]
        undisturbed = FakeProvider()
        expected = Model(undisturbed, None).embed(texts)
        stopped = self.Stopped()
        with pytest.raises(KeyboardInterrupt):
            Model(stopped, cache).embed(texts)
        rest = FakeProvider()
        vectors = Model(rest, cache).embed(texts)
        # The same batches mean the same rounding in a real model, so the same bits.
        assert stopped.batches + rest.batches == undisturbed.batches
        np.testing.assert_array_equal(vectors.array, expected.array)

    def test_at_any_moment_everything_computed_is_kept(self, cache):
        """Ctrl-C comes from a worker that has its vectors, and may find the main path anywhere."""
        chance = random.Random(0)
        for number in range(8):
            name, last, pause = f"model {number}", chance.randint(0, 49), chance.random() / 1000

            class Pressing(FakeProvider):
                def embed_batch(self, batch, role, last=last, pause=pause):
                    vectors = super().embed_batch(batch, role)
                    if f"text {last}" in [one.text for one in batch]:
                        time.sleep(pause)
                        os.kill(os.getpid(), signal.SIGINT)
                    return vectors

            pressing = Pressing(name=name, concurrency=3, batch_texts=2)
            with pytest.raises(KeyboardInterrupt):
                Model(pressing, cache).embed([f"text {i}" for i in range(50)])
                wait_for_ctrl_c()  # pressed so late that all was done: it is yet to be noticed
            rest = FakeProvider(name=name)
            Model(rest, cache).embed([f"text {i}" for i in range(50)])
            assert not set(rest.embedded) & set(pressing.embedded)


def test_progress_counts_every_text_once(model):
    done = []
    texts = ["a", "b", "a", "", LONG, LONG]
    for policy in ("truncate", "split", "truncate"):
        done.clear()
        model.embed(texts, on_empty="skip", on_long=policy, on_done=done.append)
        assert sum(done) == len(texts)


def test_lone_surrogates_are_repaired_and_reported(model, provider):
    vectors = model.embed(["bad \ud800 text"])
    assert provider.embedded == ["bad \ufffd text"]
    assert vectors.report.repaired == 1


def test_repeated_texts_come_in_their_places_beside_those_left_out(model):
    texts = ["b", "", "a", "b", "c", None, "a"]
    vectors = model.embed(texts, on_empty="skip")
    assert vectors.texts == ["b", "a", "b", "c", "a"]
    assert list(vectors.ids) == ["0", "2", "3", "4", "6"]
    np.testing.assert_array_equal(vectors.array[0], vectors.array[2])
    np.testing.assert_array_equal(vectors.array[3], model.embed("c").array[0])


class TestPlan:
    """`plan_block` goes the same way, and asks the model nothing."""

    @pytest.mark.parametrize("on_long", ["truncate", "split"])
    def test_it_tells_what_the_model_will_be_asked(self, cache, on_long):
        texts = ["a", "b", "a", LONG, "known", ""]
        provider = FakeProvider()
        model = Model(provider, cache)
        model.embed(["known"])
        provider.batches.clear()
        run = model.start(on_long=on_long, on_empty="skip")
        planned = plan_block(run, [str(i) for i in range(6)], texts)
        assert provider.batches == []
        report = model.embed(texts, on_long=on_long, on_empty="skip").report
        told = [[item.tokenized.text for item in batch] for batch in planned.batches]
        assert told == provider.batches
        for name in ("texts", "distinct", "cached", "tokens", "truncated", "split", "empty"):
            assert getattr(run.report, name) == getattr(report, name), name

    def test_it_leaves_out_texts_of_earlier_blocks(self, cache):
        done = []
        run = Model(FakeProvider(), cache).start(on_done=done.append)
        plan_block(run, ["0", "1"], ["a", "b"])
        planned = plan_block(run, ["2", "3", "4"], ["b", "c", "b"])
        assert [item.tokenized.text for batch in planned.batches for item in batch] == ["c"]
        assert run.report.tokens == 5 * 3
        assert sum(done) == 5
