"""A model that is changed between a batch's submission and its answers, or between two of them."""

import json
from collections import Counter

import numpy as np
import pytest

import veclab
from tests.models.openai.batch.conftest import MODEL
from tests.openai_batches import hashed_vector
from veclab import SpaceMismatch
from veclab.models.openai.batch import jobs
from veclab.models.openai.batch.job_folder import JobFolder
from veclab.models.openai.batch.order import Order
from veclab.models.openai.batch.pack import Packing
from veclab.models.openai.canary import CANARY, TWICE
from veclab.models.openai.endpoint import recall_canaries

TEXTS = [f"text number {i}" for i in range(20)]


def another(model, text, dimensions):
    """The vector of another model."""
    return hashed_vector(f"{model}, changed", text, dimensions)


@pytest.fixture
def start(corpus, tmp_path):
    """A function that submits a job for some texts; its folder and its order."""

    def start(name, texts=TEXTS, **packing):
        order = Order.of(corpus(texts, f"{name}.txt"), MODEL, policies={"on_empty": "skip"})
        jobs.submit(tmp_path / name, order, packing=Packing(**packing))
        return tmp_path / name, order

    return start


def fetch(server, job):
    server.finish()
    return jobs.fetch(job).progress


def embed(order, job):
    """What `veclab embed` takes from the cache."""
    path = job.parent / f"{job.name}.parquet"
    veclab.embed_file(order.load(), order.open(), path, **order.policies, max_cost=0.0)
    return veclab.read(path)


def made_by(vector, vectors):
    expected = [vector("text-embedding-3-small", t, vectors.dimensions) for t in vectors.texts]
    return np.allclose(vectors.array, expected, atol=1e-6)


def test_the_first_request_of_every_file_is_the_canary(server, start):
    start("job", batch_inputs=11)
    assert len(server.uploads) == 4
    for file in server.uploads:
        first, *others = map(json.loads, file.data.splitlines())
        assert first["custom_id"] == f"{file.name.split('-')[2]}-canary"
        assert tuple(first["body"]["input"]) == TWICE
        assert not any(set(CANARY) & set(line["body"]["input"]) for line in others)


def test_the_first_batch_is_remembered_and_travels_with_the_vectors(server, start):
    job, order = start("job")
    assert fetch(server, job).notes == []
    vectors = embed(order, job)
    assert made_by(hashed_vector, vectors)
    assert vectors.space.canary is not None and vectors.space.generation is None
    known, current, _ = recall_canaries(server.url, "text-embedding-3-small", 1536)
    assert (len(known), current) == (1, 0)


def test_a_swap_before_the_answers_is_another_space(server, start):
    first, order = start("first", TEXTS[:5])
    fetch(server, first)
    old = embed(order, first)
    job, order = start("job", TEXTS[5:])
    server.vector = another
    progress = fetch(server, job)
    assert progress.complete
    new = embed(order, job)
    assert made_by(another, new)
    assert new.space.generation is not None
    with pytest.raises(SpaceMismatch, match="Another model answers"):
        veclab.similarity(old, new)
    # The first job's texts are the old model's: with the new one they are yet to be embedded.
    assert jobs.fetch(first).progress.failed == 5
    assert max(Counter(server.bought).values()) == 1


def test_a_swap_between_two_files_keeps_both_and_goes_on_with_the_new_model(server, start):
    job, order = start("job", batch_inputs=16, batch_tokens=1000)
    with JobFolder.open(job) as folder:
        assert [part.inputs for part in folder.manifest.parts] == [10, 10]
    one, two = server.batches.values()
    while one["status"] != "completed":
        server.step(one)
    server.vector = another
    progress = fetch(server, job)
    assert two["status"] == "completed"
    assert (progress.there, progress.failed, progress.waiting) == (10, 10, 0)
    assert {code for code, _ in progress.reasons} == {"another_model"}
    (note,) = progress.notes
    assert "asks that one for 10 inputs" in note
    assert jobs.fetch(job).progress.notes == progress.notes
    jobs.submit(job)
    progress = fetch(server, job)
    assert progress.complete
    assert made_by(another, embed(order, job))
    assert Counter(server.bought) == Counter(TEXTS) + Counter(TEXTS[:10])
    # What the old model made was paid for, and is there when it is.
    server.vector = hashed_vector
    again, order = start("again", [*TEXTS[:10], "one more"])
    server.finish()
    progress = jobs.fetch(again).progress
    assert server.bought.count("one more") == 1
    assert server.bought.count(TEXTS[0]) == 2
    assert "asks that one for 1 inputs" in progress.notes[0]
    # Going on asks first which one is there now, and buys nothing a third time.
    jobs.submit(again)
    progress = jobs.fetch(again).progress
    assert progress.complete
    assert made_by(hashed_vector, embed(order, again))
    assert server.bought.count("one more") == 1


def test_answers_of_before_a_change_that_is_known_are_not_taken_for_the_new_models(
    server, start, home
):
    job, order = start("job")
    fetch(server, job)
    late, order = start("late", ["one more text"])
    server.finish()
    other, _ = start("other", ["yet another"])
    server.vector = another
    assert fetch(server, other).complete
    progress = jobs.fetch(late).progress
    assert (progress.there, progress.failed) == (0, 1)
    jobs.submit(late)
    assert fetch(server, late).complete
    assert made_by(another, embed(order, late))


def test_two_models_in_one_batch_are_kept_as_neither(server, start):
    job, order = start("job")
    calls = iter(range(10**6))

    def now_one_now_another(*asked):
        return another(*asked) if next(calls) % 2 else hashed_vector(*asked)

    server.vector = now_one_now_another
    progress = fetch(server, job)
    assert (progress.there, progress.failed) == (0, 20)
    ((_, reason),) = progress.reasons
    assert "more than one model answered" in reason
    server.vector = hashed_vector
    jobs.submit(job)
    assert fetch(server, job).complete
    assert made_by(hashed_vector, embed(order, job))


def test_a_batch_whose_canary_was_refused_says_that_it_was_not_checked(server, start):
    server.faults.refuse = (CANARY[0],)
    job, order = start("job")
    progress = fetch(server, job)
    assert progress.complete
    assert "which model answered" in progress.notes[0]
    assert made_by(hashed_vector, embed(order, job))
