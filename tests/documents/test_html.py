"""HTML: words and structure without mark-up, navigation and scripts."""

from tests.documents.reading import blocks, read_one
from veclab.documents import Limits

PAGE = """<!doctype html><html lang="en"><head><title>Pets  at
home</title><meta name="author" content="A. Cat"><style>p {}</style></head><body>
<nav><a href="/">Home</a></nav>
<h1 id="cats">Cats</h1>
<p>They <b>sleep</b>
all&nbsp;day &amp; night.<br>Yes.</p><p>Tiny.</p>
<ul><li>one</li><li>two</li></ul>
<h2>Table</h2>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 <i>x</i></td></tr></table>
<pre>
  keep
    this</pre>
<script>alert(1)</script><p hidden>unseen</p>
<div>last</div></body></html>"""


def test_structure_is_found(tmp_path):
    found = read_one(tmp_path, "a.html", PAGE)
    assert blocks(found) == [
        ("heading", ("Cats",), "Cats"),
        ("text", ("Cats",), "They sleep all\xa0day & night.\nYes."),
        ("text", ("Cats",), "Tiny."),
        ("text", ("Cats",), "one\ntwo"),
        ("heading", ("Cats", "Table"), "Table"),
        ("table", ("Cats", "Table"), "a\tb\n1\t2 x"),
        ("code", ("Cats", "Table"), "  keep\n    this"),
        ("text", ("Cats", "Table"), "last"),
    ]
    assert found.title == "Pets at home"
    assert dict(found.metadata) == {"author": "A. Cat", "language": "en"}
    assert found.blocks[1].anchor == "cats"
    assert found.notes == ("1 part(s) left out that only lead to other pages",)


def test_a_list_of_nothing_but_links_into_the_site_is_left_out(tmp_path):
    links = "".join(f'<li><a href="page{i}.html">Chapter {i}</a></li>' for i in range(5))
    assert read_one(tmp_path, "a.html", f"<p>Words.<ul>{links}</ul>").text == "Words."
    elsewhere = links.replace("page", "https://example.org/page")
    assert "Chapter 4" in read_one(tmp_path, "b.html", f"<ul>{elsewhere}</ul>").text
    only = read_one(tmp_path, "c.html", f"<ul>{links}</ul>")
    assert "holds no text" in only.reason


def test_so_are_many_blocks_in_a_row_of_nothing_else(tmp_path):
    links = [f'<div><a href="#part{i}">{i}. A part</a></div>' for i in range(5)]
    assert read_one(tmp_path, "a.html", "".join(links) + "<p>Words.").text == "Words."
    few = read_one(tmp_path, "b.html", "".join(links[:2]) + "<p>Words.")
    assert few.text == "0. A part\n\n1. A part\n\nWords."


def test_the_main_part_is_read_where_the_page_marks_one(tmp_path):
    page = f"<header>Shop</header><main><p>{'Words. ' * 50}</main><footer>Imprint</footer>"
    text = read_one(tmp_path, "a.html", page).text
    assert "Words." in text
    assert "Shop" not in text


def test_the_encoding_a_page_declares_is_used(tmp_path):
    page = '<meta charset="iso-8859-2"><p>źle</p>'.encode("iso-8859-2")
    assert read_one(tmp_path, "a.html", page).text == "źle"


def test_a_page_nested_thousands_deep_is_read(tmp_path):
    assert read_one(tmp_path, "a.html", "<div>" * 4000 + "deep").text == "deep"


def test_a_page_that_takes_too_long_is_told_of(tmp_path):
    # The parser's own time grows with the square of the depth.
    found = read_one(tmp_path, "a.html", "<div>" * 100_000 + "deep", Limits(seconds=2))
    assert found.reason == "reading it takes more than 2 seconds of processor time"


def test_a_definition_stands_under_its_terms(tmp_path):
    page = (
        "<h2>Options</h2><dl><dt>-f</dt><dt>--force</dt><dd><p>Go on.</p><p>Always.</p>"
        "<dl><dt>yes</dt><dd>Inner.</dd></dl></dd><dt>-n</dt><dd>Stop.</dd></dl><p>After."
    )
    assert blocks(read_one(tmp_path, "a.html", page)) == [
        ("heading", ("Options",), "Options"),
        ("heading", ("Options", "-f --force"), "-f\n--force"),
        ("text", ("Options", "-f --force"), "Go on."),
        ("text", ("Options", "-f --force"), "Always."),
        ("heading", ("Options", "-f --force", "yes"), "yes"),
        ("text", ("Options", "-f --force", "yes"), "Inner."),
        ("heading", ("Options", "-n"), "-n"),
        ("text", ("Options", "-n"), "Stop."),
        ("text", ("Options",), "After."),
    ]


def test_a_long_term_is_no_heading(tmp_path):
    found = read_one(tmp_path, "a.html", f"<dl><dt>{'word ' * 60}<dd>Meaning.</dl>")
    assert [headings for _, headings, _ in blocks(found)] == [(), ()]
