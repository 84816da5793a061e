"""A veclab server names the Space of its vectors; the client takes it into its own."""

import pytest

import veclab
from tests.openai_server import KEY, OpenAIServer
from veclab import SpaceMismatch

TEXTS = ["the cat sits", "a feline rests"]
FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with OpenAIServer(models={"theirs": 24}, headers={"x-veclab-space": FIRST}) as running:
        yield running


def load(server, **options):
    return veclab.load("openai:theirs", base_url=server.url, cache=False, **options)


def test_it_is_part_of_the_space_of_what_is_embedded(server):
    vectors = load(server).embed(TEXTS)
    assert ("served_space", FIRST) in vectors.space.configuration
    assert load(server).embed(TEXTS).space == vectors.space  # remembered, and nothing asked for it
    del server.headers["x-veclab-space"]
    server.models["other"] = 24
    other = veclab.load("openai:other", base_url=server.url, cache=False).embed(TEXTS)
    assert "served_space" not in dict(other.space.configuration)


def test_another_model_behind_the_name_is_refused_then_a_space_of_its_own(server):
    model = load(server)
    before = model.embed(TEXTS)
    server.headers["x-veclab-space"] = SECOND
    for _ in range(2):
        with pytest.raises(SpaceMismatch, match=f"was {FIRST} and is {SECOND}"):
            model.embed(TEXTS)
    after = load(server).embed(TEXTS)
    assert ("served_space", SECOND) in after.space.configuration
    with pytest.raises(SpaceMismatch, match="served_space"):
        veclab.similarity(before, after)


def test_met_after_the_space_was_made_it_is_compared_only(server):
    """With `dimensions` given nothing is asked before the first batch."""
    first = load(server, dimensions=8).embed(TEXTS)
    again = load(server, dimensions=8)
    assert again.embed(TEXTS).space == first.space
    server.headers["x-veclab-space"] = SECOND
    with pytest.raises(SpaceMismatch, match=SECOND):
        again.embed(TEXTS)
    assert load(server, dimensions=8).embed(TEXTS).space != first.space


def test_what_is_no_id_is_left_alone(server):
    server.headers["x-veclab-space"] = "something else"
    assert not load(server).embed(TEXTS).space.configuration
