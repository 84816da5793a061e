"""PDF: paragraphs, headings, pages, places; and files that cannot or must not be read."""

import zlib

import pytest

from tests.documents.making import make_pdf, pdf_of_objects
from tests.documents.reading import blocks, read_one
from veclab.documents import Box, Limits, Skipped, chunk_document, read_documents

LONG = "This line of the paragraph is long enough to reach the right edge of its column, so it"


def count(texts):
    """A model that reads two words at once."""
    return [4 * len(text.split()) for text in texts]


BODY = [LONG, "goes on here.", "", LONG, "ends."]


def test_lines_are_joined_to_paragraphs(tmp_path):
    found = read_one(tmp_path, "a.pdf", make_pdf([[LONG, "goes on here.", "A short one.", "Two."]]))
    assert found.text == f"{LONG} goes on here.\nA short one.\nTwo."


def test_every_character_has_its_place(tmp_path):
    found = read_one(tmp_path, "a.pdf", make_pdf([["One two."], ["Three four."]]))
    start = found.text.index("four")
    (box,) = found.boxes(start, start + 4)
    assert isinstance(box, Box)
    assert box.page == 2
    assert 72 < box.left < box.right < 150
    assert box.bottom < 760 < box.top < 780
    assert len(found.boxes(0, len(found.text))) == 2


def test_pages_and_chunks_say_where_they_are(tmp_path):
    found = read_one(tmp_path, "a.pdf", make_pdf([["One two."], ["Three four."]]))
    assert [found.text[p.start : p.end] for p in found.pages] == ["One two.", "Three four."]
    first, second = chunk_document(found, count, chunk_size=8)
    assert (first.page, second.page) == (1, 2)
    assert second.boxes[0].page == 2


def test_a_hyphen_at_a_lines_end_is_taken_out_unless_it_belongs_to_the_word(tmp_path):
    lines = ["A well-known example of the docu-", "mentation of a well-", "known thing."]
    found = read_one(tmp_path, "a.pdf", make_pdf([lines]))
    assert "the documentation of a well-known thing." in found.text
    start = found.text.index("documentation")
    assert len(found.boxes(start, start + len("documentation"))) == 2  # on two lines
    assert "1 word(s) broken at a line's end joined" in found.notes


def test_an_outline_gives_the_headings(tmp_path):
    pages = [["1 Cats", *BODY], ["2 Dogs", *BODY]]
    found = read_one(tmp_path, "a.pdf", make_pdf(pages, outline=[("Cats", 0), ("Dogs", 1)]))
    assert [words for kind, _, words in blocks(found) if kind == "heading"] == ["1 Cats", "2 Dogs"]
    assert {path for _, path, _ in blocks(found)} == {("Cats",), ("Dogs",)}


def test_larger_type_gives_the_headings_where_there_is_no_outline(tmp_path):
    page = [(72, 740, 20, "Pets"), (72, 700, 14, "Cats"), (72, 670, 11, LONG), "sleep."]
    found = read_one(tmp_path, "a.pdf", make_pdf([page]))
    assert blocks(found) == [
        ("heading", ("Pets",), "Pets"),
        ("heading", ("Pets", "Cats"), "Cats"),
        ("text", ("Pets", "Cats"), f"{LONG} sleep."),
    ]


def test_running_headers_and_tables_of_contents_are_left_out_and_noted(tmp_path):
    pages = [
        [
            (72, 780, 9, "The handbook"),
            (72, 700, 11, f"Body {'abcd'[i]}."),
            (300, 30, 9, str(i + 1)),
        ]
        for i in range(4)
    ]
    contents = (72, 600, 11, "Cats . . . . . . . . . . . . 17, 18")
    pages[0][2:2] = [(72, 620, 11, "Where."), contents, (72, 580, 11, "There."), "Here."]
    pages.append([pages[0][0], contents, (72, 580, 11, "1 A chapter")])
    found = read_one(tmp_path, "a.pdf", make_pdf(pages))
    assert " ".join(found.text.split()) == "Body a. Where. There. Here. Body b. Body c. Body d."
    assert found.notes == (
        "9 running header and footer line(s) left out",
        "3 line(s) of contents and index left out",
    )


def test_a_file_of_contents_alone_is_read_all_the_same(tmp_path):
    found = read_one(
        tmp_path, "a.pdf", make_pdf([["Cats . . . . . . . . 17", "Dogs . . . . . . . 19"]])
    )
    assert "Cats" in found.text
    assert found.notes == ()


def test_the_files_own_title_and_author_are_kept(tmp_path):
    info = {"Title": "Pets", "Author": "A. Cat", "CreationDate": "D:20240131120000"}
    found = read_one(tmp_path, "a.pdf", make_pdf([["x"]], info=info))
    assert found.title == "Pets"
    assert dict(found.metadata) == {"author": "A. Cat", "date": "2024-01-31"}


def test_pages_without_text_are_noted(tmp_path):
    found = read_one(tmp_path, "a.pdf", make_pdf([["x"], [], ["y"]]))
    assert found.notes == ("1 of 3 pages have no text: 2",)


WHOLE = make_pdf([["words"]] * 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (make_pdf([[], []]), "no text layer: its 2 page(s) are pictures"),
        (make_pdf([["secret"]], encrypted=True), "it is encrypted"),
        (WHOLE[: len(WHOLE) // 2], "it is cut short"),
        (b"%PDF-1.4\n" + bytes(range(256)) * 9 + b"%%EOF", "it is damaged"),
    ],
    ids=["scanned", "encrypted", "cut short", "damaged"],
)
def test_what_cannot_be_read_says_why(tmp_path, data, reason):
    found = read_one(tmp_path, "a.pdf", data)
    assert isinstance(found, Skipped)
    assert reason in found.reason


def bomb() -> bytes:
    """A page whose contents unpack from two megabytes to half a gigabyte."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(16 << 20)) for _ in range(32)) + packer.flush()
    return pdf_of_objects(
        [
            b"<< /Type /Pages /Count 1 /Kids [2 0 R] >>",
            b"<< /Type /Page /Parent 1 0 R /MediaBox [0 0 9 9] /Contents 3 0 R >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
            b"<< /Type /Catalog /Pages 1 0 R >>",
        ],
        b"/Root 4 0 R",
    )


def test_a_bomb_costs_its_own_process_and_the_next_file_is_read(tmp_path):
    (tmp_path / "a.pdf").write_bytes(bomb())
    (tmp_path / "b.pdf").write_bytes(WHOLE)
    limits = Limits(memory_bytes=300 << 20)
    first, second = read_documents(tmp_path, limits=limits)
    assert isinstance(first, Skipped)
    assert "more memory than 315 MB" in first.reason
    assert second.text.startswith("words")
