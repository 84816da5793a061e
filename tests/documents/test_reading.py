"""Reading folders: what comes, what is left out, and why."""

import os

import pytest

from tests.documents.making import make_pdf
from veclab.documents import Document, Limits, Skipped, Unchanged, read_documents
from veclab.documents.formats import FORMATS
from veclab.errors import InputError


def read(path, **options):
    return list(read_documents(path, **options))


def test_a_folder_of_several_formats_comes_in_order_of_paths(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "page.html").write_text("<h1>Cats</h1><p>They sleep.")
    (tmp_path / "a.md").write_text("# Dogs\n\nThey bark.\n")
    (tmp_path / "c.txt").write_text("Birds sing.")
    (tmp_path / "d.pdf").write_bytes(make_pdf([["Fish swim."]]))
    found = read(tmp_path)
    assert [(d.id, d.kind) for d in found] == [
        ("a.md", "markdown"),
        ("b/page.html", "html"),
        ("c.txt", "text"),
        ("d.pdf", "pdf"),
    ]
    assert [d.title for d in found] == ["Dogs", "Cats", "c.txt", "d.pdf"]
    assert found[3].text == "Fish swim."


def test_two_equal_files_are_two_documents(tmp_path):
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("the same")
    one, two = read(tmp_path)
    assert (one.id, two.id) == ("one.txt", "two.txt")
    assert one.digest == two.digest


def test_hidden_files_and_version_control_are_left_out(tmp_path):
    for folder in (".git", "node_modules", "kept"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("text")
    (tmp_path / ".secret.txt").write_text("text")
    assert [d.id for d in read(tmp_path)] == ["kept/a.txt"]


def test_links_are_told_of_and_followed_only_when_asked(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("inside")
    (tmp_path / "outside.txt").write_text("outside")
    (tmp_path / "docs" / "loop").symlink_to(tmp_path / "docs")
    (tmp_path / "docs" / "out.txt").symlink_to(tmp_path / "outside.txt")
    found = read(tmp_path / "docs")
    assert [type(d) for d in found] == [Document, Skipped, Skipped]
    assert all("links are not followed" in d.reason for d in found[1:])
    followed = read(tmp_path / "docs", follow_links=True)
    assert [d.id for d in followed if isinstance(d, Document)] == ["a.txt", "out.txt"]
    assert "read already" in followed[1].reason


def test_names_may_hold_newlines(tmp_path):
    (tmp_path / "two\nlines.txt").write_text("text")
    assert read(tmp_path)[0].id == "two\nlines.txt"


def test_a_name_that_is_no_text_is_told_of(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("text")
    (found,) = read(tmp_path)
    assert found.path.endswith("caf\ufffd.txt")
    assert "not valid UTF-8" in found.reason


def test_a_file_of_a_gigabyte_is_told_of_and_not_read(tmp_path):
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(1 << 30)
    assert "larger (1.07 GB) than the limit" in read(tmp_path)[0].reason


@pytest.mark.parametrize(
    "suffix", [format.suffixes[0] for format in FORMATS.values()] + [".txt.gz"]
)
def test_a_file_that_is_written_to_while_it_is_read_is_told_of(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("half")
    real = os.fstat

    def fstat(descriptor):
        found = real(descriptor)
        with path.open("a") as file:
            file.write(" and more")
        return found

    monkeypatch.setattr("veclab.documents.reading.os.fstat", fstat)
    (found,) = read(tmp_path)
    assert "was written to while it was read" in found.reason
    assert found.id == path.name  # it is not gone


@pytest.mark.parametrize("how", ["longer", "as long", "torn", "gone"])
@pytest.mark.parametrize(
    ("suffix", "row"), [("jsonl", '{{"text": "{}"}}\n'), ("csv", "{},x\n"), ("tsv", "{}\tx\n")]
)
def test_so_is_a_file_of_records(tmp_path, suffix, row, how):
    path = tmp_path / f"a.{suffix}"
    head = "" if suffix == "jsonl" else row.format("text").replace("x\n", "more\n")
    path.write_text(head + row.format("first") + row.format("second"))
    found = []
    for each in read_documents(tmp_path):
        if not found and how == "gone":
            path.unlink()
        elif not found:
            more = {"longer": row.format("third"), "as long": "", "torn": '{"'}[how]
            path.write_text(head + row.format("FIRST") + row.format("SECOND") + more)
        found.append(each)
    assert found[0].text == "first"
    last = found[-1]
    assert isinstance(last, Skipped)
    assert ("cannot be read" if how == "gone" else "has changed since") in last.reason
    assert last.id == f"a.{suffix}"


def test_the_process_that_parses_knows_no_keys(monkeypatch):
    from veclab.documents.worker import _environment

    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert "secret" not in _environment().values()


def test_a_known_fingerprint_saves_parsing(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    first = read(tmp_path)[0]
    known = {first.id: first.fingerprint}
    assert read(tmp_path, known=known) == [
        Unchanged("a.txt", str(tmp_path / "a.txt"), first.fingerprint)
    ]
    (tmp_path / "a.txt").write_text("other text")
    assert read(tmp_path, known=known)[0].text == "other text"


def test_what_has_no_reader_is_told_of(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    assert read(tmp_path) == [Skipped(str(tmp_path / "a.png"), "there is no reader for .png")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.txt", b"", "holds no text"),
        ("binary.txt", b"a\0b", "binary data"),
        ("long.txt", b"x" * 2000, "larger (2 KB) than the limit of 1 KB"),
        ("cut.txt.gz", b"\x1f\x8b\x08\x00", "cut short"),
        ("wrong.pdf", b"hello", "not a PDF"),
    ],
)
def test_what_cannot_be_read_is_told_of_and_the_rest_goes_on(tmp_path, name, data, reason):
    (tmp_path / name).write_bytes(data)
    (tmp_path / "z.txt").write_text("fine")
    skipped, fine = read(tmp_path, limits=Limits(file_bytes=1000))
    assert skipped.path == str(tmp_path / name)
    assert reason in skipped.reason
    assert fine.text == "fine"


def test_gzip_data_is_unpacked_up_to_the_limit(tmp_path):
    import gzip

    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(bytes(10_000_000)))
    packed, bomb = read(tmp_path, limits=Limits(file_bytes=1_000_000))
    assert packed.text == "packed"
    assert "unpacks to more than 1 MB" in bomb.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_is_told_of(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.txt").chmod(0)
    assert "Permission denied" in read(tmp_path)[0].reason


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "none")


def test_each_record_is_a_document(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"id": "x", "text": "first", "year": 2020}\n{"id": "y", "text": "", "year": null}\n'
    )
    first, empty = read(tmp_path)
    assert (first.id, first.text, dict(first.metadata)) == ("a.jsonl#x", "first", {"year": 2020})
    assert "no text" in empty.reason
