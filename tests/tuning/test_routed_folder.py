"""The folder of an adapter: sentence-transformers and veclab read the same model from it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import veclab
from veclab.errors import OutputError
from veclab.models.local.folder import read_folder
from veclab.tuning.routed_folder import save_routed

TEXTS = ["the cat sits on the mat", "stock markets fell", "z"]


@pytest.fixture
def matrix():
    return np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)


@pytest.fixture
def tuned(tiny_e5, matrix, tmp_path):
    """A model with prompts, and a matrix behind its queries."""
    save_routed(read_folder(tiny_e5, name="tiny"), matrix, tmp_path / "tuned")
    return tmp_path / "tuned"


def lowest_cosine(first, second):
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / norms).min())


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_vectors_are_equal_in_both_libraries(tuned, engine):
    pytest.importorskip(engine)
    from sentence_transformers import SentenceTransformer

    upstream = SentenceTransformer(str(tuned), device="cpu")
    model = veclab.load(str(tuned), engine=engine, precision="f32", cache=False)
    for role, encode in (("query", upstream.encode_query), ("document", upstream.encode_document)):
        assert lowest_cosine(model.embed(TEXTS, role=role).array, encode(TEXTS)) > 0.9999


def test_queries_are_carried_over_and_documents_stay(tuned, tiny_e5, matrix):
    base, model = (veclab.load(str(path), cache=False) for path in (tiny_e5, tuned))
    before = base.embed(TEXTS, role="query").array @ matrix
    assert lowest_cosine(before, model.embed(TEXTS, role="query").array) > 0.9999
    same = base.embed(TEXTS, role="document").array
    assert lowest_cosine(same, model.embed(TEXTS, role="document").array) > 0.9999
    assert not base.space.same_as(model.space)


def test_a_plain_transformer_gets_the_pooling_that_it_has_unsaid(tiny_bert, matrix, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(tiny_bert, plain)
    for left in ("modules.json", "1_Pooling", "2_Normalize", "config_sentence_transformers.json"):
        path = plain / left
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    save_routed(read_folder(plain, name="plain"), matrix, tmp_path / "tuned")
    base, model = (veclab.load(str(p), cache=False) for p in (plain, tmp_path / "tuned"))
    same = base.embed(TEXTS).array
    assert lowest_cosine(same, model.embed(TEXTS, role="document").array) > 0.9999


def test_only_what_the_model_needs_is_copied(tiny_bert, matrix, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(tiny_bert, source)
    for name in ("README.md", "pytorch_model.bin", ".hidden"):
        (source / name).write_text("not needed")
    save_routed(read_folder(source, name="source"), matrix, tmp_path / "tuned")
    assert not {"README.md", "pytorch_model.bin", ".hidden"} & {
        file.name for file in (tmp_path / "tuned").iterdir()
    }


def test_a_full_disk_is_an_error_that_says_so(tiny_bert, matrix, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        save_routed(read_folder(tiny_bert, name="tiny"), matrix, tmp_path / "tuned")
