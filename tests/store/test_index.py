"""Keeping a store up to date with an input: only what changed is embedded, what is gone goes."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from veclab.errors import InputError, SpaceMismatch
from veclab.store.index import index
from veclab.store.store import Store

pytest.importorskip("semantic_text_splitter", reason="needs veclab[documents]")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "notes"
    (path / "deep").mkdir(parents=True)
    (path / "cats.md").write_text("# Animals\n\n## Cats\n\nThe cat sits on the mat.\n")
    (path / "dogs.txt").write_text("A dog runs in the park.")
    (path / "deep" / "dogs.txt").write_text("A dog runs in the park.")
    return path


def documents(store):
    return {name for rows in store.table.scan(["document"]) for name in rows[0].to_pylist()}


def test_a_folder_is_indexed_by_path(store, folder):
    done = index(store, folder)
    assert (done.added, done.passages) == (3, 3)  # equal files are two documents
    assert documents(store) == {"cats.md", "dogs.txt", "deep/dogs.txt"}
    passage = store.search("cat mat")[0].passage
    assert passage.heading == ("Animals", "Cats")
    assert passage.file == str(folder / "cats.md")
    assert "cat sits" in passage.text


def test_only_what_changed_is_embedded(store, folder, provider):
    index(store, folder)
    provider.batches.clear()
    (folder / "dogs.txt").write_text("A dog sleeps all day.")
    (folder / "new.txt").write_text("A new zebra.")
    (folder / "deep" / "dogs.txt").unlink()
    done = index(store, folder)
    assert (done.added, done.changed, done.removed, done.unchanged) == (1, 1, 1, 1)
    assert len(provider.embedded) == 2
    assert documents(store) == {"cats.md", "dogs.txt", "new.txt"}
    assert store.search("dog sleeps", mode="keyword")[0].passage.text == "A dog sleeps all day."


def test_nothing_new_makes_no_version(store, folder, provider):
    index(store, folder)
    version = store.table.version
    provider.batches.clear()
    assert index(store, folder).unchanged == 3
    assert store.table.version == version
    assert not provider.batches


def test_another_chunk_size_cuts_again_and_is_remembered(store, folder):
    (folder / "long.txt").write_text("One two three. " * 40)
    index(store, folder)
    before = store.count()
    done = index(store, folder, chunk_size=20)
    assert done.changed == 4
    assert store.count() > before
    assert index(store, folder).unchanged == 4  # as last time


def test_files_that_cannot_be_read_are_named_and_the_others_go_in(store, folder):
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (folder / "photo.raw").write_bytes(b"\0" * 9)
    done = index(store, folder)
    assert done.added == 3
    assert {file.rsplit("/", 1)[-1] for file, reason in done.skipped} == {"broken.pdf", "photo.raw"}


def test_a_file_of_texts_keeps_its_columns(store, tmp_path):
    file = tmp_path / "texts.jsonl"
    rows = [
        {"id": "a", "text": "red apple", "year": 2020},
        {"id": "b", "text": "", "year": 1},
        {"id": "c", "text": "green pear", "year": 2021},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    done = index(store, file)
    assert done.added == 2
    assert done.skipped == [("b", "it holds no text")]
    assert store.search("apple", where="year = 2020")[0].passage.fields == {"year": 2020}
    rows[0]["year"] = 1999  # a changed field is a changed document
    file.write_text("\n".join(map(json.dumps, rows[:1])))
    done = index(store, file)
    assert (done.changed, done.removed) == (1, 1)
    assert store.count("year = 1999") == 1


def test_lines_without_ids_are_named_by_file_and_line(store, tmp_path):
    (tmp_path / "a.txt").write_text("first\nsecond\n")
    (tmp_path / "b.txt").write_text("third\n")
    index(store, tmp_path / "a.txt")
    index(store, tmp_path / "b.txt")  # another input: the first one's stay
    assert documents(store) == {"a.txt:1", "a.txt:2", "b.txt:1"}


def test_a_document_that_comes_from_another_input_is_told(store, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": "x", "text": f"from {name}"}))
    index(store, tmp_path / "one.jsonl")
    done = index(store, tmp_path / "two.jsonl")
    assert any("from another input" in note for note in done.notes)
    assert store.count() == 1
    assert store.search("from")[0].passage.text == "from two"


def test_a_file_of_vectors_is_not_embedded_again(store, model, tmp_path, provider):
    model.embed(["red apple", "green pear"], ids=["a", "b"]).save(tmp_path / "v.parquet")
    provider.batches.clear()
    done = index(store, tmp_path / "v.parquet")
    assert (done.added, done.report) == (2, None)
    assert not provider.batches
    assert store.search("apple")[0].passage.id == "a"


def test_vectors_of_another_space_are_refused(store, other_model, folder, tmp_path):
    index(store, folder)
    other_model.embed(["x"], ids=["a"]).save(tmp_path / "v.parquet")
    with pytest.raises(SpaceMismatch):
        index(store, tmp_path / "v.parquet")


def test_a_model_of_another_space_is_refused(store, other_model, folder, address):
    index(store, folder)
    (folder / "new.txt").write_text("new")
    with pytest.raises(SpaceMismatch), Store.open(address) as other:
        other._given = other_model
        index(other, folder)
    assert not other_model.provider.batches


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "holds nothing to index"),
    ],
)
def test_inputs_with_nothing_in_them(store, tmp_path, make, says):
    make(tmp_path / "input")
    with pytest.raises(InputError, match=says):
        index(store, tmp_path / "input")


def test_the_language_is_found_or_given(store, folder):
    index(store, folder, language="de")
    assert store.state.live.language == "German"
    with pytest.raises(InputError, match="stemmed as German"):
        index(store, folder, language="fr")
    with pytest.raises(InputError, match="no stemmer"):
        index(store, folder, language="klingon")


def test_a_store_that_lies_in_the_folder_is_not_read(folder, model):
    with Store.open(folder / "my-store", model, create=True) as store:
        index(store, folder)
        done = index(store, folder)
    assert (done.unchanged, done.skipped) == (3, [])


def test_the_store_itself_is_no_input(store, folder, address):
    index(store, folder)
    if not address.startswith("postgresql"):
        with pytest.raises(InputError, match="is the store itself"):
            index(store, address)


def test_links_that_loop_are_named_and_the_others_go_in(store, folder):
    (folder / "loop").symlink_to("loop")
    (folder / "deep" / "up").symlink_to(folder)
    done = index(store, folder)
    assert done.added == 3
    assert [(path, "links are not followed" in why) for path, why in done.skipped] == [
        (str(folder / "deep" / "up"), True),
        (str(folder / "loop"), True),
    ]
    with pytest.raises(InputError, match=r"loop cannot be read: Too many levels of symbolic links"):
        index(store, folder / "loop")


def test_names_with_newlines_and_other_signs_are_documents_like_any(store, folder):
    names = [
        "two\nlines.txt",
        "it's; --.txt",
        "tab\t.txt",
        "\x1b[31mred.txt",
        "100%.txt",
        "a#b.txt",
    ]
    for number, name in enumerate(names):
        (folder / name).write_text(f"zebra number {number}")
    (folder / "r.jsonl").write_text(
        '{"id": "a\\u0000b", "text": ""}\n{"id": "c\\nd", "text": "gnu"}\n'
    )
    index(store, folder)
    assert documents(store) >= {*names, "r.jsonl#c\nd"}
    assert index(store, folder).unchanged == 3 + len(names) + 1
    assert store.search("gnu", mode="keyword")[0].passage.document == "r.jsonl#c\nd"
    (folder / names[0]).unlink()
    assert index(store, folder).removed == 1


def test_what_cannot_be_read_now_stays_as_it_was(store, folder, monkeypatch):
    rows = '{"id": "x", "text": "gnu"}\n{"id": "y", "text": "okapi"}\n'
    (folder / "log.jsonl").write_text(rows)
    index(store, folder)
    before = documents(store)
    (folder / "log.jsonl").write_text(rows + '{"id": "z", "te')  # half of a line so far
    (folder / "cats.md").write_bytes(b"\0\0\0")
    real = os.fstat

    def fstat(descriptor):
        found = real(descriptor)
        (folder / "dogs.txt").write_text((folder / "dogs.txt").read_text() + " And on.")
        return found

    monkeypatch.setattr("veclab.documents.reading.os.fstat", fstat)
    done = index(store, folder)
    assert documents(store) == before
    assert (done.removed, done.changed) == (0, 0)
    told = {Path(name).name: reason for name, reason in done.skipped}
    assert set(told) == {"log.jsonl", "cats.md", "dogs.txt"}
    assert all("; what the store has of it stays" in reason for reason in told.values())
    assert "try again when it is finished" in told["dogs.txt"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.md", ""),
        ("a.md", "---\ntitle: Gnu\n---\n"),
        ("a.html", ""),
        ("a.jsonl", ""),
        ("a.csv", "text,id\n"),
    ],
)
def test_what_was_read_and_holds_nothing_any_more_is_gone(store, folder, name, data):
    full = {"a.jsonl": '{"text": "gnu"}', "a.csv": "text,id\ngnu,1\n"}.get(name, "gnu")
    (folder / name).write_text(full)
    index(store, folder)
    (folder / name).write_text(data)
    done = index(store, folder)
    assert (done.removed, done.unchanged) == (1, 3)
    assert not any("stays" in reason for _, reason in done.skipped)


def test_a_folder_that_cannot_be_opened_now_keeps_its_documents(store, folder, monkeypatch):
    index(store, folder)
    real = Path.iterdir

    def iterdir(path):  # a network's disk that does not answer
        if path.name == "deep":
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    done = index(store, folder)
    assert documents(store) == {"cats.md", "dogs.txt", "deep/dogs.txt"}
    assert done.removed == 0
    ((path, reason),) = done.skipped
    assert path == str(folder / "deep")
    assert "Input/output error; what the store has of it stays" in reason


@pytest.mark.parametrize("suffix", ["txt", "jsonl", "csv"])
def test_a_file_of_texts_that_is_written_to_while_it_is_read_changes_nothing(
    store, tmp_path, suffix, monkeypatch
):
    lines = {
        "txt": ["{}", "{}"],
        "jsonl": ['{{"text": "{}"}}', '{{"text": "{}"}}'],
        "csv": ["text,id", "{},1", "{},2"],
    }[suffix]
    path = tmp_path / f"texts.{suffix}"

    def write(word):
        path.write_text("\n".join(lines).format(word, word) + "\n")

    write("zebra")
    index(store, path)
    write("okapi")

    def embed(batch, role, given=store.model.provider.embed_batch):
        write("rhino")  # as long as before, and as many lines
        return given(batch, role)

    monkeypatch.setattr(store.model.provider, "embed_batch", embed)
    with pytest.raises(InputError, match="has changed since it was checked"):
        index(store, path)
    assert [hit.passage.text for hit in store.search("zebra okapi rhino", mode="keyword")] == [
        "zebra",
        "zebra",
    ]
