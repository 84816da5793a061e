"""A swap of the model behind a name: what was paid for is kept, each vector in its own Space."""

import threading
from dataclasses import replace

import numpy as np
import pytest

import veclab
from tests.models.openai.test_canary import SMALL, another
from tests.openai_server import KEY, OpenAIServer, hash_vectors
from tests.waiting import wait_until
from veclab import SpaceMismatch
from veclab.corpus.embed_file import embed_file
from veclab.model import Model

OLD = ["one text", "another text", "a third"]


@pytest.fixture
def server(monkeypatch):
    with OpenAIServer() as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def load(server, *, batch=2, block=None) -> Model:
    """The model, of which the server gives `batch` texts at once."""
    model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64)
    limits = replace(model.provider.limits, batch_texts=batch)
    model.provider.limits = replace(limits, block_texts=block or limits.block_texts)
    return model


def made_by(vectors, model) -> bool:
    return np.allclose(vectors.array, model(vectors.texts, 64), atol=1e-6)


def bought(server, texts) -> set:
    """How often these were bought since the last time."""
    counts = {server.bought[text] for text in texts}
    server.asked.clear()
    return counts


def test_between_two_runs_the_answer_that_shows_it_is_kept(server):
    old = load(server).embed(OLD)
    assert bought(server, OLD) == {1}
    server.vectors = another
    texts = [*OLD, *(f"new {i}" for i in range(9))]
    with pytest.raises(SpaceMismatch, match="is kept as the new model's"):
        load(server).embed(texts)
    assert server.bought.total() == 2  # one request of two texts
    new = load(server).embed(texts)
    assert new.report.cached == 2
    assert bought(server, texts) == {1}
    assert made_by(new, another)
    assert new.space.id != old.space.id
    server.vectors = hash_vectors  # and back: the old model's are there as well
    with pytest.raises(SpaceMismatch):
        load(server).embed(["yet another", *OLD])
    assert made_by(load(server).embed(["yet another", *OLD]), hash_vectors)
    assert bought(server, [*texts, "yet another"]) == {0, 1}


def test_in_the_middle_of_a_run_over_a_file(server, tmp_path):
    load(server).embed(OLD)
    bought(server, OLD)
    file, output = tmp_path / "t.txt", tmp_path / "v.parquet"
    texts = [*OLD, *(f"new {i}" for i in range(9))]
    file.write_text("\n".join(texts))
    server.vectors = another
    with pytest.raises(SpaceMismatch):  # the first block is the old model's, from the cache
        embed_file(load(server, block=3), file, output)
    assert not output.exists()
    report = embed_file(load(server, block=3), file, output)
    assert report.cached == 2
    assert bought(server, texts) == {1}
    assert made_by(veclab.read(output), another)


def test_a_text_in_windows_is_kept_where_all_of_it_was_answered(server):
    load(server).embed(OLD)
    server.vectors = another
    model = load(server, batch=20)
    model.provider.limits = replace(model.provider.limits, max_tokens=20)
    long = ["many words " * 50]
    with pytest.raises(SpaceMismatch):
        model.embed(long, on_long="split")
    server.asked.clear()
    vectors = model.embed(long, on_long="split")
    assert (vectors.report.cached, vectors.report.split) == (1, 1)
    assert server.asked == []
    assert vectors.space.generation is not None


def test_without_a_cache_nothing_is_kept_and_nothing_is_mixed(server):
    load(server).embed(OLD)
    server.vectors = another
    model = veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64, cache=False)
    with pytest.raises(SpaceMismatch):
        model.embed(["new"])
    assert made_by(model.embed(["new"]), another)


class TestARunThatGoesOnMeanwhile:
    """One model, two runs of it: the other one meets the swap."""

    @staticmethod
    def swap(server, model):
        server.vectors = another
        with pytest.raises(SpaceMismatch):
            model.embed(["meets it"])
        assert made_by(model.embed(["meets it", "goes on"]), another)

    def test_ends_and_what_the_new_model_made_is_not_the_old_ones(self, server):
        model = load(server, block=2)
        new = ["c", "d"]

        def texts():
            yield from ["a", "b"]
            self.swap(server, model)
            yield from new

        with pytest.raises(SpaceMismatch, match="than when this run began"):
            model.embed(texts())
        after = load(server).embed(["a", "b", *new])
        assert after.report.cached == 2
        assert made_by(after, another)
        assert {server.bought[text] for text in ("meets it", "goes on", *new)} == {1}
        server.vectors = hash_vectors
        with pytest.raises(SpaceMismatch):
            load(server).embed(["back"])
        assert load(server).embed(["a", "b"]).report.cached == 2
        assert made_by(load(server).embed(["a", "b", *new]), hash_vectors)

    def test_that_asks_nothing_more_keeps_its_own_space(self, server):
        model = load(server, block=2)
        before = model.embed(["a", "b"])

        def texts():
            yield from ["a", "b"]
            self.swap(server, model)
            yield from ["b", "a"]

        old = model.embed(texts())
        assert made_by(old, hash_vectors)
        assert old.space.id == before.space.id != model.space.id

    def test_requests_in_flight_go_each_to_the_model_that_made_them(self, server):
        model, threads = load(server), []
        model.embed(OLD)
        server.asked.clear()
        swapped, kept_back = threading.Event(), threading.Event()
        early, late = ["early", "early words"], ["later", "later words"]

        def vectors(texts, dim):
            new = swapped.is_set() or texts[0] in late
            return (another if new else hash_vectors)(texts, dim)

        server.vectors = vectors
        server.hold = lambda asked: bool(
            not kept_back.is_set() and {*early, *late} & set(asked.texts)
        )
        errors = []

        def run(texts):
            try:
                model.embed(texts)
            except SpaceMismatch as error:
                errors.append(error)

        model.provider.begin = lambda: None  # both of one run: what it looked at is known
        for texts in (early, late):
            threads.append(threading.Thread(target=run, args=(texts,)))
            threads[-1].start()
        wait_until(lambda: len(server.asked) == 2)
        del model.provider.begin
        swapped.set()
        with pytest.raises(SpaceMismatch):
            model.embed(["meets it"])
        kept_back.set()
        for thread in threads:
            thread.join()
        assert len(errors) == 1  # the run whose vectors are the old model's has them all
        again = load(server).embed([*late, "meets it"])
        assert again.report.cached == 3
        assert made_by(again, another)
        # One short text of each is asked again, to tell whose they are.
        assert server.bought == {**dict.fromkeys([*early, *late], 1), "early": 2, "later": 2,
                                 "meets it": 1}  # fmt: skip
        server.vectors = hash_vectors
        with pytest.raises(SpaceMismatch):
            load(server).embed(["back"])
        old = load(server).embed(early)
        assert old.report.cached == 2
        assert made_by(old, hash_vectors)
