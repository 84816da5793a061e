"""Routes behind a shared transformer: run by OpenVINO, with sentence-transformers' own vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest

import veclab
from veclab import InputError, ModelUnavailable
from veclab.models.local.folder import read_folder
from veclab.models.local.modules import read_modules
from veclab.models.local.routes import has_simple_routes, read_routes, shared_part
from veclab.provider import role_of

pytest.importorskip("sentence_transformers")

TEXTS = ["the cat sits on the mat", "stock markets fell", "z"]


@pytest.fixture(scope="module")
def routed(tmp_path_factory, tiny_bert):
    """A function that saves a tiny BERT with a head for each route."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Router

    def make(name, *, activation=None, seed=1, **options):
        torch.manual_seed(seed)
        router = Router.for_query_document(
            [Dense(32, 8, activation_function=activation), Normalize()],
            [Dense(32, 8, bias=False, activation_function=activation)],
            **options,
        )
        inner = list(SentenceTransformer(str(tiny_bert), device="cpu"))
        path = tmp_path_factory.mktemp("routed") / name
        SentenceTransformer(modules=[*inner, router], device="cpu").save(str(path))
        return path

    return make


@pytest.fixture
def load(home, share_converted):
    pytest.importorskip("openvino")
    share_converted(home)

    def loaded(path, **options):
        return veclab.load(str(path), engine="openvino", precision="f32", cache=False, **options)

    return loaded


def test_openvino_sends_each_role_its_way(routed, load):
    from sentence_transformers import SentenceTransformer

    path = routed("both")
    upstream = SentenceTransformer(str(path), device="cpu")
    model = load(path, normalize=False)
    assert model.space.dimensions == 8
    assert not any("runs on torch" in note for note in model.notes)
    for role, encode in (
        ("query", upstream.encode_query),
        ("document", upstream.encode_document),
        (None, upstream.encode),
    ):
        found = model.embed(TEXTS, role=role).array
        np.testing.assert_allclose(found, encode(TEXTS), atol=1e-5)


def test_both_engines_have_one_space(routed, load):
    path = routed("engines")
    torch = veclab.load(str(path), engine="torch", precision="f32", cache=False)
    assert load(path).space == torch.space


def test_the_weights_of_a_route_are_in_the_space(routed):
    spaces = {veclab.load(str(routed(f"seed{n}", seed=n)), cache=False).space.id for n in (1, 2)}
    assert len(spaces) == 2


def test_without_a_default_route_a_role_must_be_given(routed, load):
    model = load(routed("no-default", default_route=None, allow_empty_key=False))
    assert model.embed(TEXTS, role="query").array.shape == (3, 8)
    with pytest.raises(InputError, match="give role='query' or role='document'"):
        model.embed(TEXTS)


def test_a_route_that_bends_is_left_to_torch(routed):
    from torch.nn import Tanh

    path = routed("bent", activation=Tanh())
    assert not has_simple_routes(path)
    assert shared_part(read_modules(path)) == read_modules(path)
    assert read_routes(path, "bent", 32) is None


def test_a_matrix_that_does_not_fit_is_damage(routed):
    path = routed("unfit")
    with pytest.raises(ModelUnavailable, match="not one for 16 dimensions"):
        read_routes(path, "unfit", 16)


def test_routes_of_different_lengths_are_damage(routed, tmp_path):
    from safetensors.numpy import load_file, save_file

    path = routed("lengths")
    file = next(path.glob("*_Router/document_0_Dense/model.safetensors"))
    save_file({"linear.weight": load_file(file)["linear.weight"][:4]}, file)
    with pytest.raises(ModelUnavailable, match="different lengths"):
        read_routes(path, "lengths", 32)


def test_a_default_that_is_not_said_is_left_to_torch(routed):
    path = routed("unsaid")
    file = next(path.glob("*_Router/router_config.json"))
    said = json.loads(file.read_text())
    del said["parameters"]["default_route"]
    file.write_text(json.dumps(said))
    assert not has_simple_routes(path)


def test_a_folder_named_by_a_relative_path_runs(routed, load, monkeypatch):
    path = routed("relative")
    monkeypatch.chdir(path.parent)
    assert load(path.name).embed(TEXTS, role="query").array.shape == (3, 8)


def test_a_model_with_routes_is_asked_by_role(routed, tiny_bert):
    with_routes, without = (
        read_folder(path, name="model").space(8, normalized=True)
        for path in (routed("roles"), tiny_bert)
    )
    assert role_of(with_routes, "document") == "document"
    assert role_of(without, "document") is None
