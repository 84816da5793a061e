"""A model that is changed behind its name is another Space, and that is found out in time."""

import json
from dataclasses import replace

import numpy as np
import pytest

import veclab
from tests.openai_server import KEY, OpenAIServer, hash_vectors
from veclab import BadVectors, SpaceMismatch
from veclab.cache import Cache
from veclab.corpus.embed_file import embed_file
from veclab.corpus.plan import plan_file
from veclab.fingerprint import FLOOR, Fingerprint
from veclab.model import Model
from veclab.models.openai.canary import CANARY

SMALL = "text-embedding-3-small"
TEXTS = ["one text", "another text", "a third"]


@pytest.fixture
def server(monkeypatch):
    with OpenAIServer() as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running


def load(server, **options) -> Model:
    return veclab.load(f"openai:{SMALL}", base_url=server.url, dimensions=64, **options)


def another(texts, dim):
    """The vectors of another model."""
    return hash_vectors([f"other {text}" for text in texts], dim)


def noisy(size):
    random = np.random.default_rng(0)

    def vectors(texts, dim):
        clean = hash_vectors(texts, dim)
        step = random.normal(size=clean.shape)
        return clean + size * step / np.linalg.norm(step, axis=1, keepdims=True)

    return vectors


@pytest.fixture
def somewhere_else(monkeypatch, tmp_path):
    """A function: go on as on another machine, where nothing is remembered."""

    def move(name="elsewhere"):
        monkeypatch.setenv("VECLAB_HOME", str(tmp_path / name))

    return move


class TestAChange:
    def test_is_found_with_the_first_batch_and_says_since_when(self, server):
        load(server).embed(TEXTS)
        server.vectors = another
        with pytest.raises(SpaceMismatch, match=r"another model under the name.* than on 20\d\d-"):
            load(server).embed(["new"])

    def test_starts_a_generation_whose_vectors_are_never_mixed_with_the_old(self, server):
        old = load(server).embed(TEXTS)
        server.vectors = another
        with pytest.raises(SpaceMismatch):
            load(server).embed(["new"])
        new = load(server).embed(TEXTS)
        assert new.report.cached == 0  # the old model's vectors are in the cache, and not used
        np.testing.assert_allclose(new.array, another(TEXTS, 64), atol=1e-6)
        assert new.space.id != old.space.id
        with pytest.raises(SpaceMismatch, match="Another model answers at"):
            veclab.similarity(old, new)
        assert load(server).embed(TEXTS).report.cached == 3

    def test_is_found_by_a_model_that_was_loaded_before(self, server):
        model = load(server)
        model.embed(TEXTS)
        server.vectors = another
        with pytest.raises(SpaceMismatch):
            model.embed(["new"])
        assert model.embed(["new"]).space.generation is not None

    def test_back_to_the_old_model_finds_what_was_bought(self, server):
        old = load(server).embed(TEXTS)
        for vectors in (another, hash_vectors):
            server.vectors = vectors
            with pytest.raises(SpaceMismatch):
                load(server).embed([f"new {vectors.__name__}"])
        again = load(server).embed(TEXTS)
        assert again.report.cached == 3
        assert again.space.same_as(old.space)

    def test_stops_before_more_than_one_request_is_bought(self, server, monkeypatch):
        load(server).embed(["before"])
        server.vectors = another
        server.asked.clear()
        model = load(server)
        model.provider.limits = replace(model.provider.limits, batch_texts=4)
        with pytest.raises(SpaceMismatch):
            model.embed([f"text {i}" for i in range(60)])
        assert [len(asked.texts) for asked in server.asked] == [4, 0]  # and the canary once more
        with pytest.raises(SpaceMismatch):  # whatever else that run would ask
            model.provider.embed_batch(model.provider.tokenize(["late"], None), None)

    def test_in_an_endpoint_with_two_models_is_no_generation(self, server):
        load(server).embed(TEXTS)
        turns = iter([another, hash_vectors])
        server.vectors = lambda texts, dim: next(turns)(texts, dim)
        with pytest.raises(BadVectors, match="now with one model, now with another"):
            load(server).embed(["new"])
        server.vectors = hash_vectors
        assert load(server).embed(TEXTS).report.cached == 3


class TestNoise:
    @pytest.mark.parametrize("size", [1e-4, 1e-2, 0.08])
    def test_of_the_endpoint_itself_is_no_change(self, server, size):
        server.vectors = noisy(size)
        for number in range(6):
            load(server).embed([f"text {number}"])
        assert load(server).space.generation is None

    def test_is_measured_and_travels(self, server):
        server.vectors = noisy(0.08)
        found = Fingerprint.parse(load(server).embed(TEXTS).space.canary)
        assert 0.05 < found.noise < 0.2

    def test_does_not_hide_another_model(self, server):
        server.vectors = noisy(0.08)
        load(server).embed(TEXTS)
        server.vectors = another
        with pytest.raises(SpaceMismatch):
            load(server).embed(["new"])


class TestCost:
    def test_it_goes_with_the_first_request_only(self, server):
        model = load(server, cache=False)
        model.provider.limits = replace(model.provider.limits, batch_texts=2)
        report = model.embed([f"text {i}" for i in range(10)]).report
        assert report.requests == 5
        assert [asked.canary > 0 for asked in server.asked].count(True) == 1

    def test_its_tokens_are_planned_and_bought(self, server, tmp_path):
        (tmp_path / "t.txt").write_text("one\ntwo\n")
        for _ in range(2):  # at first each text is sent twice, to measure the noise
            model = load(server, cache=False)
            plan = plan_file(model, tmp_path / "t.txt")
            report = embed_file(model, tmp_path / "t.txt", tmp_path / "v.parquet")
            assert plan.tokens == report.tokens_bought > report.tokens
            server.asked.clear()

    def test_a_limit_that_pays_for_the_plan_pays_for_the_run(self, server, home, tmp_path):
        home.mkdir()
        table = {"as_of": "2026-11-22", "dollars_per_million_tokens": {f"{SMALL}@{server.url}": 9}}
        (home / "prices.json").write_text(json.dumps(table))
        (tmp_path / "t.txt").write_text("\n".join(f"text {i}" for i in range(50)))
        cost = plan_file(load(server), tmp_path / "t.txt").dollars
        assert cost > 0
        report = embed_file(load(server), tmp_path / "t.txt", tmp_path / "v.parquet", max_cost=cost)
        assert report.dollars == pytest.approx(cost)

    def test_planning_and_a_run_from_the_cache_ask_nothing_and_say_so(self, server, tmp_path):
        (tmp_path / "t.txt").write_text("\n".join(TEXTS))
        load(server).embed(TEXTS)
        server.asked.clear()
        plan_file(load(server), tmp_path / "t.txt")
        report = load(server).embed(TEXTS).report
        assert server.asked == []
        assert any(
            "was not asked whether" in note and "last answered on" in note for note in report.notes
        )
        assert not any("was not asked" in note for note in load(server).embed(["new"]).report.notes)


class TestSmallEndpoints:
    """Some take few texts at once: then the canary goes in requests of its own."""

    @pytest.mark.parametrize("most", [1, 3, 6, 7])
    def test_are_checked_or_say_that_they_are_not(self, server, most, monkeypatch):
        monkeypatch.setattr("tests.openai_server.MAX_INPUTS", most)
        report = load(server).embed(TEXTS).report
        assert report.embedded == 3
        told = any("was not checked for a change of model" in note for note in report.notes)
        assert told == (most < 6)
        server.vectors = another
        if not told:
            with pytest.raises(SpaceMismatch):
                load(server).embed(["new"])

    def test_one_text_that_is_refused_costs_only_itself(self, server):
        server.reject = {"bad"}
        vectors = load(server).embed(["bad", "good"])
        assert list(vectors.texts) == ["good"]
        assert load(server).space.canary is not None


class TestTravels:
    def test_in_files_so_that_a_query_elsewhere_is_refused(self, server, tmp_path, somewhere_else):
        load(server).embed(TEXTS).save(tmp_path / "v.parquet")
        (tmp_path / "t.txt").write_text("\n".join(TEXTS))
        embed_file(load(server, cache=False), tmp_path / "t.txt", tmp_path / "w.parquet")
        server.vectors = another
        for name in ("v", "w"):
            somewhere_else(name)
            stored = veclab.read(tmp_path / f"{name}.parquet")
            query = veclab.load_for(stored.space, base_url=server.url).embed("one text")
            with pytest.raises(SpaceMismatch, match="canary"):
                veclab.nearest(query, stored)

    def test_the_same_model_elsewhere_is_taken(self, server, somewhere_else):
        server.vectors = noisy(1e-3)
        stored = load(server).embed(TEXTS)
        somewhere_else()
        query = load(server).embed("one text")
        assert query.space.canary != stored.space.canary
        assert veclab.nearest(query, stored, 1)[0][0].text == "one text"

    def test_in_stores(self, server, tmp_path, somewhere_else):
        pytest.importorskip("lance", reason="needs veclab[store]")
        with veclab.Store.open(tmp_path / "s", load(server), create=True) as store:
            store.add(TEXTS)
            assert store.space.canary is not None
        somewhere_else()
        server.vectors = another
        with veclab.Store.open(tmp_path / "s", load(server)) as store:
            for use in (lambda: store.search("one text"), lambda: store.add(["more"])):
                with pytest.raises(SpaceMismatch, match="canary"):
                    use()
            assert store.count() == 3

    def test_vectors_without_one_are_read_and_compared_as_before(self, server):
        new = load(server).embed(TEXTS)
        old = replace(new, space=replace(new.space, canary=None))
        assert old.space.id == new.space.id
        assert "canary" not in old.space.to_dict()
        assert veclab.similarity(old, new).shape == (3, 3)
        server.vectors = another
        with pytest.raises(SpaceMismatch):
            load(server).embed(["new"])
        changed = load(server).embed(TEXTS)
        with pytest.raises(SpaceMismatch, match="generation"):
            veclab.similarity(old, changed)

    def test_shorter_vectors_leave_it_behind(self, server):
        whole = load(server).embed(TEXTS)
        assert whole.truncate(32).space.canary is None


def test_what_is_remembered_in_damage_is_learned_anew(server, home):
    load(server).embed(TEXTS)
    file = home / "endpoints.json"
    file.write_text(file.read_text().replace('"canaries": [', '"canaries": ["x", 7, '))
    assert load(server).embed(["new"]).space.canary is not None


class TestFingerprint:
    def test_is_read_back(self):
        found = Fingerprint.of(np.random.default_rng(0).normal(size=(3, 384)), "2026-11-27", 0.01)
        assert Fingerprint.parse(str(found)) == found

    @pytest.mark.parametrize(
        "text", ["", "2026-11-27 0.1 x", 7, None, "a b c", "2026-11-27 nan AAAA"]
    )
    def test_what_is_none_is_refused(self, text):
        with pytest.raises(ValueError, match="not a fingerprint"):
            Fingerprint.parse(text)

    @pytest.mark.parametrize("dim", [8, 384, 3072])
    def test_distances_are_those_of_the_vectors_give_or_take(self, dim):
        random = np.random.default_rng(1)
        for size in (0.02, 0.3):
            a = random.normal(size=(3, dim))
            b = a / np.linalg.norm(a, axis=1, keepdims=True)
            b = b + size * random.normal(size=b.shape) / np.sqrt(dim)
            one, other = (Fingerprint.of(vectors, "2026-11-27") for vectors in (a, b))
            assert size / 2 < one.distance(other) < 2 * size
        assert FLOOR < 0.1

    def test_the_texts_are_as_they_were(self):
        """Whatever changes here makes all that is remembered of endpoints worthless."""
        assert sum(map(len, CANARY)) == 23 + 35 + 33
        assert Fingerprint.of(np.eye(3, 16), "2026-11-27").name == "2026-11-27-24b027bf"


def test_the_cache_of_before_is_found(server, home):
    """No vector that was bought before there was a canary is bought again."""
    model = load(server, cache=Cache.open())
    bare = replace(model.space, canary=None, generation=None)
    recipe = model.start().recipe
    load(server).embed(TEXTS)
    assert recipe.whole_key == replace(recipe, space=bare).whole_key
    assert load(server).start().recipe.whole_key == recipe.whole_key
