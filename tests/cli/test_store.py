"""`veclab index`, `search`, `store`, `migrate` as they are typed."""

from __future__ import annotations

import json
import uuid

import pytest
from click.testing import CliRunner

from tests.store.conftest import WordSums
from veclab.cli.app import app
from veclab.errors import InputError, StoreError
from veclab.model import Model


@pytest.fixture
def run(monkeypatch, cache):
    """Runs a command; models are sums over words, each name another."""

    def load(name="fake", **loading):
        return Model(WordSums(max_tokens=64, name=name), cache)

    monkeypatch.setattr("veclab.model.load", load)
    monkeypatch.setattr("veclab.store.model_choice.load", load)
    monkeypatch.setattr("veclab.store.model_choice.load_for", lambda space, **_: load(space.model))

    def typed(*arguments, code=0):
        result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return typed


@pytest.fixture
def path(tmp_path, run):
    rows = [
        {"id": "cat", "text": "the cat sits on the mat", "year": 2019},
        {"id": "dog", "text": "a dog runs in the \x1b[31mpark", "year": 2020},
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    said = run("index", tmp_path / "texts.jsonl", "--store", tmp_path / "store")
    assert "2 added" in said
    assert "veclab search" in said  # what to do next
    return tmp_path / "store"


def test_search_shows_place_scores_and_text(run, path):
    said = run("search", "cat mat", "--store", path, "--top", "1")
    assert said.startswith(" 1  cat  (")
    assert "cosine" in said
    assert "the cat sits on the mat" in said


def test_a_document_does_not_steer_the_terminal(run, path):
    assert "\x1b" not in run("search", "dog park", "--store", path)


def test_search_as_json(run, path):
    (hit,) = json.loads(run("search", "dog", "--store", path, "--where", "year = 2020", "--json"))
    assert (hit["id"], hit["rank"], hit["fields"]) == ("dog", 1, {"year": 2020})
    assert hit["link"].endswith("texts.jsonl")


def test_indexing_again_as_json(run, path):
    done = json.loads(run("index", path.parent / "texts.jsonl", "--store", path, "--json"))
    assert done["documents"] == {"added": 0, "changed": 0, "removed": 0, "unchanged": 2}


def test_what_cannot_be_done_is_said(run, path, tmp_path):
    with pytest.raises(InputError, match="did you mean year"):
        run("search", "cat", "--store", path, "--where", "yaer = 1")
    with pytest.raises(InputError, match="top must be"):
        run("search", "cat", "--store", path, "--top", "0")
    with pytest.raises(StoreError, match="there is no store"):
        run("search", "cat", "--store", tmp_path / "nothing")
    assert "give either the new model" in run("migrate", "--store", path, code=2)


def test_looking_after_a_store(run, path, tmp_path):
    assert "2: 2 from" in run("store", "inspect", "--store", path)
    assert json.loads(run("store", "inspect", "--store", path, "--json"))["passages"] == 2
    assert "DAMAGED" not in run("store", "check", "--store", path)
    assert " MB before, " in run("store", "compact", "--store", path)
    assert "2 passages" in run("store", "export", tmp_path / "out.parquet", "--store", path)
    assert "every search is exact" in run("store", "tune", "--store", path)


def test_another_model_and_back(run, path):
    assert "fake:other" in run("migrate", "--store", path, "-m", "other")
    assert "fake:fake" in run("migrate", "--store", path, "--back")


def test_no_command_shows_or_keeps_the_password_of_a_store(run, path, postgres, tmp_path):
    name = "s" + uuid.uuid4().hex
    address = postgres.replace("postgres:@", "postgres:sesame@") + "#" + name
    texts, page = path.parent / "texts.jsonl", tmp_path / "map.html"
    said = run("index", texts, "--store", address)
    said += run("index", texts, "--store", address, "--json")
    said += run("store", "inspect", "--store", address) + run("store", "check", "--store", address)
    said += run("search", "cat", "--store", address) + run("map", "--store", address, "-o", page)
    said += run("migrate", "--store", address, "-m", "other", "--switch")
    assert "sesame" not in said + page.read_text()
    assert "--store 'postgresql://postgres@/" in said  # what to do next
