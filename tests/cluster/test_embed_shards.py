"""From shards of texts to shards of vectors: complete or absent, resumed, set aside."""

import json
import os
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import veclab
from tests.cluster.conftest import write_shards
from tests.fakes import FakeProvider
from veclab.cluster.embed_shards import embed_shards
from veclab.cluster.inputs import MANIFEST
from veclab.cluster.places import StorageRefused
from veclab.errors import BadVectors, InputError, ModelUnavailable


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}


def run(shards, out, **options):
    return embed_shards(str(shards), str(out), model="fake", **options)


def test_each_shard_becomes_a_file_of_vectors_of_the_same_name(shards, tmp_path, loaded):
    (shards / "deep").mkdir()
    (shards / "part-3.jsonl").rename(shards / "deep" / "part-3.jsonl")
    manifest = run(shards, tmp_path / "out")
    assert (manifest.done, manifest.failed, manifest.state) == (4, {}, "complete")
    assert manifest.totals["rows"] == 120
    vectors = veclab.read(tmp_path / "out" / "deep" / "part-3.parquet")
    assert list(vectors.ids) == [f"r{n}" for n in range(90, 120)]
    assert vectors.columns["n"].to_pylist() == list(range(90, 120))
    wanted = FakeProvider(name="fake").vector(vectors.texts[0])
    np.testing.assert_allclose(vectors.array[0], wanted / np.linalg.norm(wanted), atol=1e-6)
    told = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert told["done"] == 4 and told["shards"]["part-0.parquet"]["rows"] == 30


def test_the_bytes_depend_on_the_shards_alone(shards, tmp_path, loaded):
    run(shards, tmp_path / "a")
    moved = write_shards(tmp_path / "elsewhere")
    (moved / "part-1.jsonl").unlink()  # and on no other shard
    run(moved, tmp_path / "b")
    a, b = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert {name: a[name] for name in b} == b


def test_what_is_there_is_not_made_again(shards, tmp_path, loaded):
    first = run(shards, tmp_path / "out")
    (tmp_path / "out" / "part-2.parquet").unlink()
    write_shards(shards, shards=1, start=120)
    again = run(shards, tmp_path / "out")
    assert (again.done, again.again) == (5, 3)
    assert len(loaded.providers[-1].embedded) == 60
    before, after = first.shards["part-2.parquet"], again.shards["part-2.parquet"]
    assert before["sha256"] == after["sha256"]


def test_without_the_manifest_the_shards_tell_what_they_are(shards, tmp_path, loaded):
    run(shards, tmp_path / "out")
    (tmp_path / "out" / MANIFEST).write_text("{ torn")
    again = run(shards, tmp_path / "out")
    assert (again.done, again.again) == (4, 4)
    assert loaded.providers[-1].embedded == []
    assert again.totals["rows"] == 120


def test_a_shard_that_changed_is_made_again_and_said(shards, tmp_path, loaded):
    run(shards, tmp_path / "out")
    changed = shards / "part-1.jsonl"
    changed.write_text(changed.read_text().replace("number", "figure"))
    again = run(shards, tmp_path / "out")
    assert again.again == 3
    assert any("part-1.jsonl" in note for note in again.notes)
    assert "figure" in veclab.read(tmp_path / "out" / "part-1.parquet").texts[0]


def test_one_that_was_only_touched_is_not(shards, tmp_path, loaded):
    run(shards, tmp_path / "out")
    os.utime(shards / "part-1.jsonl", (1, 1))
    assert run(shards, tmp_path / "out").again == 4
    assert loaded.providers[-1].embedded == []


@pytest.mark.parametrize("other", [{"model": "other"}, {"on_long": "split"}])
def test_vectors_of_another_job_are_not_mixed_in(shards, tmp_path, loaded, other):
    run(shards, tmp_path / "out")
    before = bytes_of(tmp_path / "out")
    with pytest.raises(InputError, match=r"4 of the shards .* --overwrite"):
        embed_shards(str(shards), str(tmp_path / "out"), **({"model": "fake"} | other))
    assert bytes_of(tmp_path / "out") == before
    done = embed_shards(
        str(shards), str(tmp_path / "out"), **({"model": "fake"} | other), overwrite=True
    )
    assert (done.done, done.again) == (4, 0)
    assert any("are replaced" in note for note in done.notes)


def test_a_file_that_is_not_ours_is_left_alone(shards, tmp_path, loaded):
    (tmp_path / "out").mkdir()
    theirs = tmp_path / "out" / "part-0.parquet"
    pq.write_table(pa.table({"a": [1]}), theirs)
    before = theirs.read_bytes()
    manifest = run(shards, tmp_path / "out", overwrite=True)
    assert "was not made by veclab" in manifest.failed["part-0.jsonl"]
    assert (manifest.done, theirs.read_bytes()) == (3, before)


def test_bad_shards_are_set_aside_with_the_reason(shards, tmp_path, loaded):
    (shards / "a-first.jsonl").write_text('{"id": "x", "text": "b", "n": "a string"}\n')
    (shards / "z-empty.jsonl").write_text("")
    (shards / "z-torn.parquet").write_bytes(b"PAR1 and no end")
    (shards / "z-cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 and no end")
    (shards / "z-latin.csv").write_bytes(b"id,text,n\n1,caf\xe9,2\n")
    (shards / "z-more.jsonl").write_text('{"id": "x", "text": "b", "n": 1, "extra": 2}\n')
    (shards / "z-less.jsonl").write_text('{"id": "x", "text": "b"}\n')
    (shards / "z-elsewhere.jsonl").write_text('{"id": "x", "body": "b", "n": 1}\n')
    (shards / "z-twice.jsonl").write_text('{"id": "x", "text": "b", "n": 1}\n' * 2)
    (shards / "z-numbers.jsonl").write_text('{"id": "x", "text": 5, "n": 1}\n')
    seen = {}
    manifest = run(shards, tmp_path / "out", on_failed=seen.__setitem__)
    assert manifest.done == 4 and manifest.state == "complete"
    assert manifest.failed == seen
    for name, reason in {
        "a-first.jsonl": "holds string, in part-0.jsonl int64 (--drop n",
        "z-empty.jsonl": "holds no texts",
        "z-torn.parquet": "is damaged, cut short or not Parquet",
        "z-cut.jsonl.gz": "damaged or cut short",
        "z-latin.csv": "not UTF-8",
        "z-more.jsonl": "'extra' more",
        "z-less.jsonl": "'n' missing",
        "z-elsewhere.jsonl": "its texts are in 'body', in part-0.jsonl 'text'",
        "z-twice.jsonl": "occur more than once",
        "z-numbers.jsonl": "holds an integer, not a text",
    }.items():
        assert reason in seen.pop(name), name
    assert not seen
    names = [p.name for p in (tmp_path / "out").iterdir()]
    assert sorted(names) == [MANIFEST, *(f"part-{n}.parquet" for n in range(4))]
    (shards / "z-empty.jsonl").write_text('{"id": "x", "text": "b", "n": null}\n')  # mended
    assert run(shards, tmp_path / "out").done == 5


def test_shards_without_ids_are_numbered_shard_by_shard(tmp_path, loaded):
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / f"{name}.csv").write_text("text\none cat\n\nanother cat\n")
    run(tmp_path / "data", tmp_path / "out")
    assert list(veclab.read(tmp_path / "out" / "b.parquet").ids) == ["b.csv:1", "b.csv:3"]


def test_a_failure_in_the_middle_leaves_nothing_of_that_shard(shards, tmp_path, loaded):
    class Failing(FakeProvider):
        def embed_batch(self, batch, role):
            if len(self.batches) == 5:
                raise KeyboardInterrupt
            return super().embed_batch(batch, role)

    loaded.make = Failing
    with pytest.raises(KeyboardInterrupt):
        run(shards, tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == [MANIFEST, "part-0.parquet"]
    told = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert (told["state"], told["reason"], told["done"]) == ("stopped", "KeyboardInterrupt", 1)
    loaded.make = FakeProvider
    assert run(shards, tmp_path / "out").again == 1
    run(shards, tmp_path / "whole")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "whole")


def test_what_is_wrong_with_one_shard_is_no_reason_to_stop(shards, tmp_path, loaded):
    class Fussy(FakeProvider):
        def embed_batch(self, batch, role):
            vectors = super().embed_batch(batch, role)
            if any("number 31 " in one.text for one in batch):
                vectors[:] = np.nan
            return vectors

    loaded.make = Fussy
    manifest = run(shards, tmp_path / "out")
    assert list(manifest.failed) == ["part-1.jsonl", "part-2.jsonl"]
    assert BadVectors.__name__ in manifest.failed["part-1.jsonl"]


def test_what_every_shard_would_meet_stops_the_run(shards, tmp_path, loaded):
    class Gone(FakeProvider):
        def embed_batch(self, batch, role):
            raise ModelUnavailable("the model is gone")

    loaded.make = Gone
    with pytest.raises(ModelUnavailable):
        run(shards, tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(shards, tmp_path, loaded):
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(StorageRefused, match="Permission denied"):
        run(shards, tmp_path / "out")


def test_a_full_disk_stops_the_run_and_the_next_goes_on(shards, tmp_path, loaded, monkeypatch):
    from veclab.cluster import places

    link, done = places._link, []

    def full(built, path):
        if len(done) == 2:
            raise OSError(28, "No space left on device")
        done.append(path)
        link(built, path)

    monkeypatch.setattr(places, "_link", full)
    with pytest.raises(StorageRefused, match=r"No space left.*the same command goes on"):
        run(shards, tmp_path / "out")
    monkeypatch.setattr(places, "_link", link)
    assert sorted(bytes_of(tmp_path / "out")) == ["part-0.parquet", "part-1.parquet"]
    assert run(shards, tmp_path / "out").again == 2


def test_two_runs_may_meet(shards, tmp_path, loaded):
    """Another run puts every shard while this one makes it: nothing is doubled, nothing lost."""
    from veclab.cluster.one_shard import Worker

    build = Worker._build
    other = []

    def build_late(worker, source, shard, *rest):
        report = build(worker, source, shard, *rest)
        if not other:
            other.append(True)
            run(shards, tmp_path / "out")
        return report

    Worker._build = build_late
    try:
        manifest = run(shards, tmp_path / "out")
    finally:
        Worker._build = build
    assert (manifest.done, manifest.again, manifest.failed) == (4, 4, {})


def test_a_cache_is_for_what_is_bought(shards, tmp_path, loaded, home):
    run(shards, tmp_path / "a")
    assert loaded.loading["cache"] is False
    assert not (home / "cache").exists()

    def bought(**given):
        return FakeProvider(price=0.02, **given)

    loaded.make = bought
    run(shards, tmp_path / "b")
    again = run(shards, tmp_path / "c")
    assert again.done == 4
    assert loaded.providers[-1].embedded == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing", "does not exist"),
        ("documents", "holds no shards"),
        ("data/*.csv", "holds no shards"),
        ("gopher://data", "does not exist"),
    ],
)
def test_inputs_that_are_none(shards, tmp_path, loaded, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.txt").write_text("a text")
    with pytest.raises(InputError, match=said):
        run(given, tmp_path / "out")


def test_two_shards_of_one_name_and_vectors_among_the_texts(shards, tmp_path, loaded):
    with pytest.raises(InputError, match="cannot go where the texts lie"):
        run(shards, shards)
    run(shards, shards / "vectors")  # below them they can
    assert run(shards, shards / "vectors").again == 4
    (shards / "part-0.csv").write_text("text\na\n")
    with pytest.raises(InputError, match=r"part-0.csv and part-0.jsonl would both become"):
        run(shards, tmp_path / "out")
    assert run(shards / "*.jsonl", tmp_path / "out").done == 4


def test_globs(shards, tmp_path, loaded):
    write_shards(shards / "deep" / "er", shards=1)
    assert run(f"{shards}/part-[!0].jsonl", tmp_path / "a").done == 3
    assert run(f"{shards}/**/part-0.jsonl", tmp_path / "b").done == 2
    assert (tmp_path / "b" / "deep" / "er" / "part-0.parquet").is_file()
    assert run(f"{shards}/part-?.json*", tmp_path / "c").done == 4
    assert run(f"{shards}/part-0.jsonl", tmp_path / "d").done == 1
    files = [str(shards / "part-0.jsonl"), str(shards / "deep" / "er" / "part-0.jsonl")]
    assert embed_shards(files, str(tmp_path / "e"), model="fake").done == 2  # as a shell gives them
    assert (tmp_path / "e" / "deep" / "er" / "part-0.parquet").is_file()


def test_text_files_are_shards_where_a_glob_says_so(tmp_path, loaded):
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / f"{name}.txt").write_text("one\ntwo\n")
    assert run(f"{tmp_path}/data/*.txt", tmp_path / "out").totals["rows"] == 4


def test_numbers_that_fit_take_the_type_of_the_others(tmp_path, loaded):
    (tmp_path / "data").mkdir()
    for name, value in (
        ("a", "0.5"),
        ("b", "1.5"),
        ("c", "7"),
        ("d", str(2**60 + 1)),
        ("e", "null"),
    ):
        (tmp_path / "data" / f"{name}.jsonl").write_text(f'{{"text": "t", "x": {value}}}\n')
    manifest = run(tmp_path / "data", tmp_path / "out")
    assert list(manifest.failed) == ["d.jsonl"]  # which a float cannot hold
    assert veclab.read(tmp_path / "out" / "c.parquet").columns["x"].to_pylist() == [7.0]
    assert veclab.read(tmp_path / "out" / "e.parquet").columns["x"].to_pylist() == [None]


def long_shards(folder):
    """Two shards of numbered lines; each holds a text over the limit, a short and an empty one."""
    folder.mkdir()
    long = " ".join(f"word{n}" for n in range(40))
    for shard in "ab":
        lines = [{"text": f"{shard} {long}", "n": 1}, {"text": "short", "n": 2}, {"text": ""}]
        (folder / f"{shard}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.mark.parametrize("quantize", [None, "int8", "binary"])
def test_passages_of_shards_are_named_and_placed_as_those_of_one_file(tmp_path, loaded, quantize):
    loaded.make = partial(FakeProvider, max_tokens=12)
    shards = long_shards(tmp_path / "data")
    manifest = run(shards, tmp_path / "out", chunks=True, quantize=quantize)
    assert (manifest.failed, manifest.done) == ({}, 2)
    vectors = veclab.read(tmp_path / "out" / "b.parquet")
    own = vectors.columns.to_pydict()
    assert list(own) == ["document", "start", "end", "n"]
    of_long = [i for i, name in enumerate(own["document"]) if name == "b.jsonl:1"]
    assert len(of_long) > 3 and set(own["document"]) == {"b.jsonl:1", "b.jsonl:2"}
    assert [vectors.ids[i] for i in of_long] == [f"b.jsonl:1#{i}" for i in range(len(of_long))]
    text = json.loads((shards / "b.jsonl").read_text().splitlines()[0])["text"]
    assert "".join(vectors.texts[i] for i in of_long) == text
    assert all(vectors.texts[i] == text[own["start"][i] : own["end"][i]] for i in of_long)
    assert set(own["n"]) == {1, 2} and vectors.space.quantization == quantize
    assert manifest.totals["rows"] == 2 * len(vectors) and not manifest.totals.get("truncated")
    before = bytes_of(tmp_path / "out")
    assert run(shards, tmp_path / "out", chunks=True, quantize=quantize).again == 2
    run(shards, tmp_path / "again", chunks=True, quantize=quantize)
    assert bytes_of(tmp_path / "again") == before
    with pytest.raises(InputError, match="with other options"):
        run(shards, tmp_path / "out", quantize=quantize)


@pytest.mark.parametrize("quantize", ["int8", "binary"])
def test_shards_of_codes_stand_for_the_vectors_as_one_file_of_codes_does(
    shards, tmp_path, loaded, quantize
):
    run(shards, tmp_path / "floats")
    run(shards, tmp_path / "codes", quantize=quantize)
    floats = veclab.read(tmp_path / "floats" / "part-1.parquet")
    codes = veclab.read(tmp_path / "codes" / "part-1.parquet")
    assert (codes.ids, codes.texts) == (floats.ids, floats.texts)
    cosines = (codes.array * floats.array).sum(axis=1)
    assert cosines.min() > {"int8": 0.999, "binary": 0.5}[quantize]
    assert codes.space.quantization == quantize and codes.space != floats.space
    kind = pq.read_schema(tmp_path / "codes" / "part-1.parquet").field("embedding").type
    assert kind.value_type == {"int8": pa.int8(), "binary": pa.uint8()}[quantize]
    assert not [p for p in (tmp_path / "codes").iterdir() if "floats" in p.name]


def test_passages_and_codes_that_cannot_be_are_refused_before_the_work(shards, tmp_path, loaded):
    with pytest.raises(InputError, match="int8 and binary"):
        run(shards, tmp_path / "out", quantize="int4")
    with pytest.raises(InputError, match="leave on_long='split' out"):
        run(shards, tmp_path / "out", chunks=True, on_long="split")
    loaded.make = partial(FakeProvider, max_tokens=None)
    with pytest.raises(InputError, match="give max_tokens"):
        run(shards, tmp_path / "out", chunks=True)
    assert not list((tmp_path / "out").glob("*.parquet"))
