"""Shards into a store that can be searched."""

import json

import pytest

from tests.cluster.conftest import write_shards
from veclab.cluster.embed_shards import embed_shards
from veclab.cluster.index_shards import holds_shards_of_vectors, index_shards, index_vectors
from veclab.errors import InputError, SpaceMismatch
from veclab.store.store import Store

pytest.importorskip("lance", reason="needs veclab[store]")


@pytest.fixture
def store(tmp_path, model):
    with Store.open(tmp_path / "store", model, create=True) as opened:
        yield opened


def index(store, shards, tmp_path, **options):
    given = {"model": "fake", "language": "english", **options}
    return index_shards(store, str(shards), str(tmp_path / "vectors"), **given)


def test_texts_of_all_shards_are_found(shards, tmp_path, loaded, store):
    seen = []
    done, manifest = index(store, shards, tmp_path, on_done=seen.append)
    assert (done.added, done.passages, manifest.done, sum(seen)) == (120, 120, 4, 120)
    hit = store.search("text number 17 of all", mode="vector", top=1)[0]
    assert hit.passage.text == "text number 17 of all"
    assert store.count("n >= 90") == 30


def test_it_follows_what_changes_and_embeds_nothing_twice(shards, tmp_path, loaded, store):
    index(store, shards, tmp_path)
    (shards / "part-3.jsonl").unlink()
    write_shards(shards, shards=1, start=120)
    done, _ = index(store, shards, tmp_path)
    assert (done.added, done.unchanged, done.removed) == (30, 90, 30)
    assert len(loaded.providers[-1].embedded) == 30


def test_what_is_set_aside_does_not_vanish_from_the_store(shards, tmp_path, loaded, store):
    index(store, shards, tmp_path)
    (shards / "part-1.jsonl").write_text('{"id": "torn')
    done, manifest = index(store, shards, tmp_path)
    assert list(manifest.failed) == ["part-1.jsonl"]
    assert (done.removed, done.passages) == (0, 120)
    assert any("nothing was removed" in note for note in done.notes)


def test_another_model_is_refused_before_anything_is_embedded(shards, tmp_path, loaded, store):
    index(store, shards, tmp_path)
    with pytest.raises(SpaceMismatch):
        index_shards(store, str(shards), str(tmp_path / "other"), model="other")
    assert loaded.providers[-1].embedded == []
    assert not (tmp_path / "other").exists()


def test_shards_of_vectors_are_taken_in_as_they_are(shards, tmp_path, loaded, store):
    embed_shards(str(shards), str(tmp_path / "vectors"), model="fake")
    assert holds_shards_of_vectors(str(tmp_path / "vectors"))
    assert not holds_shards_of_vectors(str(shards))
    done = index_vectors(store, str(tmp_path / "vectors"), language="english")
    assert done.added == 120
    assert index_vectors(store, str(tmp_path / "vectors")).unchanged == 120


def test_ids_that_occur_in_two_shards_are_told(shards, tmp_path, loaded, store):
    line = {"id": "r0", "text": "again", "n": 1}
    (shards / "part-9.jsonl").write_text(json.dumps(line))
    with pytest.raises(InputError, match=r"part-9.parquet: some ids occur twice"):
        index(store, shards, tmp_path)
    assert store.count() == 0
