"""Word, PowerPoint, OpenDocument and EPUB: files as other programs write them."""

import io
import zipfile

import pytest

from tests.documents.reading import blocks, read_one
from veclab.documents import Limits, Skipped


def zipped(parts: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return out.getvalue()


def saved(document) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def word(body: str) -> bytes:
    return zipped({"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"})


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_word_documents_give_headings_paragraphs_and_tables(tmp_path):
    docx = pytest.importorskip("docx")
    made = docx.Document()
    made.core_properties.title = "The pets"
    made.core_properties.author = "A. Cat"
    made.add_heading("Cats", 1)
    made.add_paragraph("They sleep.")
    made.add_heading("Facts", 2)
    table = made.add_table(2, 2)
    for cell, text in zip(table._cells, ["a", "b", "1", "2"], strict=True):
        cell.text = text
    made.add_heading("Dogs", 1)
    found = read_one(tmp_path, "a.docx", saved(made))
    assert found.title == "The pets"
    assert found.metadata["author"] == "A. Cat"
    assert blocks(found) == [
        ("heading", ("Cats",), "Cats"),
        ("text", ("Cats",), "They sleep."),
        ("heading", ("Cats", "Facts"), "Facts"),
        ("table", ("Cats", "Facts"), "a\tb\n1\t2"),
        ("heading", ("Dogs",), "Dogs"),
    ]


def test_word_documents_are_read_as_they_stand_with_changes_and_controls(tmp_path):
    body = (
        f"<w:p>{run('It costs ')}<w:del><w:r><w:delText>5</w:delText></w:r></w:del>"
        f"<w:ins>{run('6')}</w:ins>{run(' euros.')}</w:p>"
        f"<w:sdt><w:sdtContent><w:p>{run('In a control.')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p><w:r><w:txbxContent><w:p>{run('In a box.')}</w:p></w:txbxContent></w:r></w:p>"
        f"<w:p>{run('a')}<w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r></w:p>"
    )
    found = read_one(tmp_path, "a.docx", word(body))
    assert [words for _, _, words in blocks(found)] == [
        "It costs 6 euros.",
        "In a control.",
        "In a box.",
        "a\tb\nc",
    ]


def test_slides_are_pages_with_groups_tables_and_notes(tmp_path):
    pptx = pytest.importorskip("pptx")
    made = pptx.Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "Cats"
    first.placeholders[1].text = "They sleep.\nThey eat."
    group = first.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "In a group."
    first.notes_slide.notes_text_frame.text = "Say it slowly."
    second = made.slides.add_slide(made.slide_layouts[6])
    table = second.shapes.add_table(1, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    found = read_one(tmp_path, "a.pptx", saved(made))
    assert blocks(found) == [
        ("heading", ("Cats",), "Cats"),
        ("text", ("Cats",), "They sleep.\nThey eat."),
        ("text", ("Cats",), "In a group."),
        ("notes", ("Cats",), "Say it slowly."),
        ("table", (), "a\tb"),
    ]
    assert [found.text[p.start : p.end] for p in found.pages][1] == "a\tb"
    assert found.page_at(len(found.text) - 1).number == 2


EPUB = {
    "META-INF/container.xml": '<container><rootfile full-path="O/b.opf"/></container>',
    "O/b.opf": '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Pets</dc:title>'
    "<dc:creator>A. Cat</dc:creator></metadata><manifest>"
    '<item id="n" href="nav.html" properties="nav"/><item id="2" href="two.html"/>'
    '<item id="1" href="one%20a.html"/><item id="3" href="gone.html"/></manifest>'
    '<spine><itemref idref="n"/><itemref idref="1"/><itemref idref="2"/><itemref idref="3"/>'
    "</spine></package>",
    "O/nav.html": "<p>Contents</p>",
    "O/one a.html": "<h1>Cats</h1><p>Sleep.</p>",
    "O/two.html": "<p>Bark.</p>",
}


def test_a_book_gives_its_chapters_in_reading_order(tmp_path):
    found = read_one(tmp_path, "a.epub", zipped(EPUB))
    assert found.title == "Pets"
    assert blocks(found) == [
        ("heading", ("Cats",), "Cats"),
        ("text", ("Cats",), "Sleep."),
        ("text", (), "Bark."),
    ]
    assert found.notes == ("chapters that it names and does not hold: O/gone.html",)


def test_a_locked_book_says_so(tmp_path):
    lock = '<encryption><CipherReference URI="O/one%20a.html"/></encryption>'
    found = read_one(tmp_path, "a.epub", zipped(EPUB | {"META-INF/encryption.xml": lock}))
    assert "encrypted" in found.reason


def test_open_document_text(tmp_path):
    content = (
        '<office xmlns:text="t"><text:tracked-changes><text:p>gone</text:p></text:tracked-changes>'
        '<text:h text:outline-level="1">Cats</text:h>'
        '<text:p>They<text:s text:c="2"/><text:span>sleep</text:span>.</text:p>'
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list></office>"
    )
    found = read_one(tmp_path, "a.odt", zipped({"content.xml": content}))
    assert blocks(found) == [
        ("heading", ("Cats",), "Cats"),
        ("text", ("Cats",), "They  sleep."),
        ("text", ("Cats",), "one"),
    ]


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.docx", b"no zip", "damaged or cut short"),
        ("a.docx", word("<w:p/>")[:-30], "damaged or cut short"),
        ("a.docx", zipped({"x": "y"}), "no Word document"),
        ("a.docx", zipped({"word/document.xml": ENTITIES}), "defines XML entities"),
        ("a.docx", zipped({"word/document.xml": "<broken"}), "is damaged"),
        ("a.pptx", zipped({"x": "y"}), "no PowerPoint"),
        ("a.epub", zipped({"x": "y"}), "no EPUB"),
        ("a.odt", zipped({"content.xml": " " * 2_000_000}), "over the limit of 1 MB"),
        ("a.docx", word("<w:sdt>" * 50_000 + "</w:sdt>" * 50_000), "holds no text"),
    ],
)
def test_what_is_not_what_its_name_says_is_told_of(tmp_path, name, data, reason):
    found = read_one(tmp_path, name, data, Limits(file_bytes=1_000_000))
    assert isinstance(found, Skipped)
    assert reason in found.reason
