"""Laying out: near stays near, the same seed gives the same picture, few points are fine."""

import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.manifold import trustworthiness

from tests.maps.made_vectors import clumped
from veclab import MissingExtra
from veclab.maps.fidelity import judge
from veclab.maps.neighbors import find_neighbors, nearest_on_map, nearest_places, shared
from veclab.maps.principal import principal
from veclab.maps.projection import neighbors_needed, place, project


def lay_out(unit, method="tsne", seed=1):
    found = find_neighbors(lambda: unit, neighbors_needed(len(unit), method))
    return project(principal(unit, 2), found, method, seed)


@pytest.fixture(scope="module")
def unit():
    return clumped(400).array


@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
def test_clumps_stay_together(unit, method):
    xy = lay_out(unit, method).xy
    assert xy.shape == (400, 2) and xy.dtype == np.float32
    assert trustworthiness(unit, xy, n_neighbors=10, metric="cosine") > 0.9


def test_tsne_keeps_more_neighbors_than_pca(unit):
    near = find_neighbors(lambda: unit, 15).positions
    kept = {m: judge(unit, lay_out(unit, m).xy, near).mean_kept for m in ("tsne", "pca")}
    assert kept["tsne"] > kept["pca"] + 0.1


def test_what_is_set_for_very_many_keeps_clumps_together_too(unit, monkeypatch):
    monkeypatch.setattr("veclab.maps.projection._MANY", 100)
    xy = lay_out(unit).xy
    assert trustworthiness(unit, xy, n_neighbors=10, metric="cosine") > 0.9


@pytest.mark.parametrize("method", ["tsne", "umap"])
def test_the_same_seed_gives_the_same_picture(unit, method):
    first = lay_out(unit, method)
    assert (first.xy == lay_out(unit, method).xy).all()
    assert ("seed", "1") in first.facts
    assert any(label == "threads" for label, _ in first.facts)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9])
@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
def test_few_points(n, method):
    projection = lay_out(clumped(n).array, method)
    assert projection.xy.shape == (n, 2)
    assert np.isfinite(projection.xy).all()
    if n < 8 and method != "pca":
        assert "too few" in dict(projection.facts)["method"]


def test_principal_components_are_those_of_the_covariance(unit):
    found = principal(unit, 2)
    centered = unit - unit.mean(axis=0)
    _, _, axes = np.linalg.svd(centered.astype(np.float64), full_matrices=False)
    expected = centered @ axes[:2].T
    for got, want in zip(found.T, expected.T, strict=True):
        assert min(np.abs(got - want).max(), np.abs(got + want).max()) < 1e-4


def test_without_manifolds_opentsne_lays_out(monkeypatch):
    pytest.importorskip("openTSNE")
    monkeypatch.setitem(sys.modules, "manifolds_rs", None)
    unit = clumped(60).array
    projection = lay_out(unit)
    assert "openTSNE" in dict(projection.facts)["method"]
    assert trustworthiness(unit, projection.xy, n_neighbors=10, metric="cosine") > 0.9


def test_without_either_the_message_names_the_extra(unit, monkeypatch):
    monkeypatch.setitem(sys.modules, "manifolds_rs", None)
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MissingExtra, match=r"veclab\[map\]"):
        lay_out(unit)


def test_a_new_point_goes_among_its_neighbors_and_one_stray_does_not_draw_it_away():
    xy = np.array([[0, 0], [1, 0], [0, 1], [100, 100]], dtype=np.float32)
    at = place(np.full((1, 4), 0.9, np.float32), np.arange(4, dtype=np.int32)[None], xy)
    assert (np.abs(at) <= 2).all()


def test_neighbors_on_the_map_leave_the_point_itself_out_even_among_equals():
    xy = np.zeros((5, 2), dtype=np.float32)
    found = nearest_on_map(xy, 3)
    assert found.shape == (5, 3)
    assert not (found == np.arange(5)[:, None]).any()


def test_neighbors_on_the_map_are_those_of_scipy():
    """Of many sizes of clusters, so that a tree that skips some would be seen."""
    random = np.random.default_rng(0)
    spread = 10.0 ** random.integers(-3, 2, 3000)
    xy = (random.normal(size=(3000, 2)) * spread[:, None]).astype(np.float32)
    tree = cKDTree(xy)
    others = tree.query(xy, k=11)[1][:, 1:]
    found = nearest_on_map(xy, 10)
    assert [set(row) for row in found.tolist()] == [set(row) for row in others.tolist()]
    places = random.normal(size=(50, 2)).astype(np.float32)
    assert np.array_equal(nearest_places(xy, places, 5), tree.query(places, k=5)[1])


@pytest.mark.parametrize(("reduced", "least"), [(10**9, 0.97), (100, 0.5)])
def test_descent_finds_what_comparing_all_finds(unit, monkeypatch, reduced, least):
    monkeypatch.setattr("veclab.maps.neighbors._REDUCED", reduced)
    monkeypatch.setattr("veclab.maps.neighbors._DIMENSIONS", 12)
    exact = find_neighbors(lambda: unit, 10)
    assert exact.recall == 1
    monkeypatch.setattr("veclab.maps.neighbors.ALL_PAIRS", 100)
    monkeypatch.setattr("veclab.maps.neighbors._CHECKED", 100)
    found = find_neighbors(lambda: unit, 10)
    assert shared(exact.positions, found.positions).mean() > least
    assert found.recall == pytest.approx(shared(exact.positions, found.positions).mean(), abs=0.05)
    same = found.positions == exact.positions
    assert np.abs(found.scores - exact.scores)[same].max() < 1e-6


def test_figures_of_honesty_are_those_of_others(unit):
    xy = lay_out(unit).xy
    near = find_neighbors(lambda: unit, 15).positions
    found = judge(unit, xy, near)
    theirs = trustworthiness(unit, xy, n_neighbors=15, metric="cosine")
    assert found.trustworthiness == pytest.approx(theirs, abs=1e-3)
    # Of every point by itself, counted plainly.
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    plain = [len(set(near[i]) & set(np.argsort(distance[i])[:15])) / 15 for i in range(len(unit))]
    assert np.abs(found.kept - plain).max() < 0.07
    assert found.kept.mean() == pytest.approx(np.mean(plain), abs=1e-3)


def test_a_perfect_map_keeps_all():
    xy = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    angle = np.linspace(0, 1, 50) ** 1.3  # no two distances are equal
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    line = np.stack([angle, 0 * angle], axis=1).astype(np.float32)
    near = find_neighbors(lambda: unit, 15).positions
    assert judge(unit, line, near).mean_kept > 0.98
    assert judge(unit, xy, near).mean_kept < 0.6


def test_of_few_points_half_the_others_are_judged_since_all_are_neighbors_on_any_map():
    unit = clumped(9).array
    wrong = np.random.default_rng(1).normal(size=(9, 2)).astype(np.float32)
    found = judge(unit, wrong, find_neighbors(lambda: unit, 15).positions)
    assert found.k == 4 and found.mean_kept < 1
    two = judge(unit[:2], wrong[:2], find_neighbors(lambda: unit[:2], 15).positions)
    assert two.k == 0 and two.mean_kept is None and np.isnan(two.kept).all()
