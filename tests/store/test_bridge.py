"""A bridge: a new model's queries in the old vectors, where that was measured to be good."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from tests.store.conftest import WordSums
from veclab.cli.app import app
from veclab.errors import InputError, SpaceMismatch, StoreError
from veclab.model import Model
from veclab.space import Space
from veclab.store.bridge import build_bridge
from veclab.store.bridge_map import (
    LinearMap,
    bridged_space,
    carry_over,
    fit,
    kept,
    load_map,
)
from veclab.store.maintain import check, compact, inspect
from veclab.store.migrate import go_back, migrate
from veclab.store.store import Store
from veclab.unit_length import normalize
from veclab.vectors import Vectors

TEXTS = [f"passage number{i} about topic{i % 7} and thing{i} of kind{i % 11}" for i in range(160)]


class Turned(WordSums):
    """The vectors of `WordSums`, turned, and with as many dimensions as `size`."""

    def __init__(self, name="turned", size=8):
        super().__init__(max_tokens=64, name=name)
        self.space = Space("fake", name, size, weights=name)
        random = np.random.default_rng(3).normal(size=(max(size, 8), max(size, 8)))
        self.turn = np.linalg.qr(random)[0][:8, :size].astype(np.float32)

    def vector(self, text, role=None):
        words = text.lower().split()
        fake = WordSums(max_tokens=64)
        return fake.vector(" ".join(words)) @ self.turn


@pytest.fixture
def full(store):
    store.add(TEXTS, ids=[f"t{i}" for i in range(len(TEXTS))])
    return store


@pytest.fixture
def turned(cache):
    return Model(Turned(), cache)


def unit(n, size, seed=0):
    return normalize(np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32))


# -- maps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [6, 9, 14])
def test_a_turn_is_found_again_whatever_the_dimensions(size):
    """Of 6 dimensions in 9 and 14 all is kept; the old space is that of 9 or fewer."""
    inner = unit(300, 6)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(size, size)))[0][:6]
    there = np.linalg.qr(np.random.default_rng(2).normal(size=(9, 9)))[0][:6]
    x, y = (inner @ turn).astype(np.float32), (inner @ there).astype(np.float32)
    rotation = next(fit(x[:200], y[:200]))
    assert rotation.kind == "rotation"
    assert rotation.weights.shape == (size, 9)
    np.testing.assert_allclose(rotation(x[200:]), y[200:], atol=1e-5)


def test_an_affine_map_is_found_where_no_rotation_is():
    x = unit(500, 6)
    y = normalize(x @ np.diag([3, 1, 1, 1, 0.5, 0.2]).astype(np.float32) + np.float32(0.3))
    maps = {found.kind: float((found(x) * y).sum(axis=1).mean()) for found in fit(x, y)}
    assert maps["ridge regression, 0.01"] > maps["rotation"] + 0.05
    assert "ridge regression, 0.1, of rank 3" in maps


def test_kept_is_the_share_of_the_own_top_ten():
    targets = np.eye(20, dtype=np.float32)
    own = unit(5, 20)
    np.testing.assert_array_equal(kept(own, targets, own, targets), 1)
    np.testing.assert_array_equal(kept(-own, targets, own, targets), 0)


def test_the_file_of_a_map_holds_arrays_only():
    found = LinearMap("rotation", unit(3, 4), np.zeros(4, np.float32))
    again = LinearMap.from_bytes(found.to_bytes())
    assert again.kind == "rotation"
    np.testing.assert_array_equal(again.weights, found.weights)


def test_carried_over_queries_are_of_a_space_of_their_own():
    new, old = Space("openai", "new", 6), Space("openai", "old", 4)
    space = bridged_space(new, old, "abc")
    assert (space.provider, space.model, space.dimensions) == ("openai", "new", 4)
    assert dict(space.configuration) == {"bridge": "abc", "bridge_to": old.id}
    assert len({space.id, new.id, old.id, bridged_space(new, old, "abd").id}) == 4


# -- of a store --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 12])
def test_a_turned_model_searches_as_the_old_one(full, cache, address, size):
    new = Model(Turned(size=size), cache)
    built = build_bridge(full, new)
    assert built.saved
    assert built.old_kept[0] > 0.99
    assert built.new_kept[0] > 0.99
    assert built.old_of_new[0] > 0.99
    assert built.old_kept[1] <= built.old_kept[0] <= built.old_kept[2]
    with Store.open(address, new) as again:
        found = [hit.passage.id for hit in again.search(TEXTS[3], mode="vector")]
    assert found == [hit.passage.id for hit in full.search(TEXTS[3], mode="vector")]


def test_unrelated_spaces_are_refused_and_nothing_is_saved(full, other_model, address):
    built = build_bridge(full, other_model)
    assert not built.saved
    assert built.space is None
    assert built.old_kept[0] < 0.8
    assert full.state.bridge is None
    with pytest.raises(SpaceMismatch):
        Store.open(address, other_model)


def test_the_least_recall_is_the_users(full, other_model):
    assert build_bridge(full, other_model, min_recall=0.0).saved


def test_by_a_bridge_a_model_may_search_and_no_more(full, turned, address):
    build_bridge(full, turned)
    with Store.open(address, turned) as again:
        assert again.search(TEXTS[3])[0].passage.id == "t3"
        with pytest.raises(SpaceMismatch, match="may search it and no more"):
            again.add(["a new one"])
        with pytest.raises(SpaceMismatch, match="may search it and no more"):
            again.ask("what is number3 about")
    full.add(["an addition by the own model"], ids=["added"])
    with Store.open(address, turned) as again:
        assert again.search("an addition by the own model")[0].passage.id == "added"


def test_a_third_model_does_not_pass(full, turned, other_model, address):
    build_bridge(full, turned)
    with pytest.raises(SpaceMismatch, match="come from different spaces"):
        Store.open(address, other_model)
    vectors = other_model.embed(["a text"])
    with pytest.raises(SpaceMismatch, match="bridge"):
        carry_over(full.place, full.state, vectors)


def test_what_was_carried_over_says_so(full, turned):
    build_bridge(full, turned)
    carried = carry_over(full.place, full.state, turned.embed(["a text"]))
    assert carried.space == full.state.bridge.space
    own = Vectors(unit(1, 8), full.space)
    assert carry_over(full.place, full.state, own) is own


def test_it_is_shown_checked_kept_and_removed(full, turned, address):
    build_bridge(full, turned)
    facts = inspect(full)["bridge"]
    assert facts["source"]["model"] == "turned"
    assert facts["measured"]["min_recall"] == 0.8
    compact(full)
    assert {f.what: f.good for f in check(full)}["bridge"]
    file = full.state.bridge.file
    assert full.place.read_file(file) is not None
    assert go_back(full) == "bridge"
    assert full.place.read_file(file) is None
    with pytest.raises(SpaceMismatch):
        Store.open(address, turned)
    with pytest.raises(StoreError, match="no previous model"):
        go_back(full)


def test_a_damaged_or_missing_one_is_told(full, turned, address):
    build_bridge(full, turned)
    info = full.state.bridge
    load_map(full.place, info)
    from veclab.store import bridge_map

    for data, word in ((b"other", "damaged"), (None, "missing")):
        bridge_map._loaded.clear()
        if data is None:
            full.place.keep_files(())
        else:
            full.place.write_file(info.file, data)
        assert not {f.what: f.good for f in check(full)}["bridge"]
        with Store.open(address, turned) as again, pytest.raises(StoreError, match=word):
            again.search("a text")
    assert full.search(TEXTS[3])[0].passage.id == "t3"  # the own model needs no bridge


def test_a_change_of_the_model_ends_it(full, turned, other_model):
    build_bridge(full, turned)
    file = full.state.bridge.file
    migrate(full, other_model, switch=True)
    assert full.state.bridge is None
    assert full.place.read_file(file) is None


def test_a_new_one_replaces_it(full, turned, cache):
    build_bridge(full, turned)
    first = full.state.bridge.file
    build_bridge(full, Model(Turned("again", 12), cache))
    assert full.state.bridge.source.model == "again"
    assert full.place.read_file(first) is None


def test_what_cannot_be(full, model, turned):
    with pytest.raises(InputError, match="already"):
        build_bridge(full, model)
    with pytest.raises(InputError, match="from 0 to 1"):
        build_bridge(full, turned, min_recall=80)
    with pytest.raises(InputError, match="60 passages at least, not 5"):
        build_bridge(full, turned, sample=5)
    full.delete([f"t{i}" for i in range(110)])
    with pytest.raises(InputError, match="the store has 50"):
        build_bridge(full, turned)


# -- as it is typed ----------------------------------------------------------------------------


def test_the_command(full, turned, other_model, model, address, monkeypatch):
    known = {"fake": model, "turned": turned, "other": other_model}
    for name in ("veclab.model.load", "veclab.store.model_choice.load"):
        monkeypatch.setattr(name, lambda name="fake", **_: known[name])
    monkeypatch.setattr("veclab.store.model_choice.load_for", lambda space, **_: known[space.model])

    def run(*words, code=0):
        result = CliRunner().invoke(app, [*words, "--store", address], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    said = run("migrate", "-m", "other", "--bridge", code=1)
    assert "refused, nothing was saved" in said
    assert "less than the required 80% (--min-recall)" in said
    assert "queries of the new model search the old vectors" in run(
        "migrate", "-m", "turned", "--bridge"
    )
    assert "queries of fake:turned" in run("store", "inspect")
    assert "t3" in run("search", TEXTS[3], "-m", "turned", "--top", "1")
    assert "the bridge was removed" in run("migrate", "--back")
    assert json.loads(run("store", "inspect", "--json"))["bridge"] is None
    built = json.loads(run("migrate", "-m", "turned", "--bridge", "--json", "--sample", "100"))
    assert built["saved"]
    assert built["passages"] == 100
    assert "require --bridge" in run("migrate", "-m", "turned", "--min-recall", "0.9", code=2)
    assert "cannot be combined" in run("migrate", "-m", "turned", "--bridge", "--switch", code=2)
