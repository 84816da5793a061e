"""Plain text: its titles, underlined or numbered, are the headings of what follows."""

from tests.documents.reading import blocks, read_one


def test_underlined_titles_are_headings_by_the_order_of_their_marks(tmp_path):
    text = (
        "Book\n****\n\nOpening.\n\n1. One\n======\n\nFirst.\n\n1.1. Deep\n---------\nNext.\n\n"
        "2. Two\n======\n\nLast.\n"
    )
    found = read_one(tmp_path, "a.txt", text)
    assert found.text == text
    assert blocks(found) == [
        ("heading", ("Book",), "Book\n****"),
        ("text", ("Book",), "Opening."),
        ("heading", ("Book", "1. One"), "1. One\n======"),
        ("text", ("Book", "1. One"), "First."),
        ("heading", ("Book", "1. One", "1.1. Deep"), "1.1. Deep\n---------"),
        ("text", ("Book", "1. One", "1.1. Deep"), "Next."),
        ("heading", ("Book", "2. Two"), "2. Two\n======"),
        ("text", ("Book", "2. Two"), "Last."),
    ]


def test_a_line_that_is_not_as_long_as_its_title_or_of_several_marks_is_none(tmp_path):
    for below in ("-----------------------", "--", "-=-=-", "--- ---"):
        found = read_one(tmp_path, "a.txt", f"Words\n{below}\n\nMore.")
        assert {headings for _, headings, _ in blocks(found)} == {()}


def test_numbered_lines_that_stand_alone_are_headings_where_nothing_is_underlined(tmp_path):
    text = (
        "A Standard\n\n   3. Contents\n\n3. Roots\n\n3.1. Purpose\n\n   Why.\n\n1. an item\n\n"
        "2. another\n\n3.2. /run : Variable data for programs that run, since\nthe start\n\n   Is."
    )
    found = read_one(tmp_path, "a.txt", text)
    headings = {words: path for kind, path, words in blocks(found) if kind == "heading"}
    assert list(headings) == [
        "3. Roots",
        "3.1. Purpose",
        "3.2. /run : Variable data for programs that run, since\nthe start",
    ]
    assert headings["3.1. Purpose"] == ("3. Roots", "3.1. Purpose")
    assert blocks(found)[-1][1][-1].endswith("since the start")


def test_a_numbered_list_makes_no_headings(tmp_path):
    text = "Do this:\n\n1. Open it\n\n2. Close it\n\n3. Go\n"
    assert {h for _, h, _ in blocks(read_one(tmp_path, "a.txt", text))} == {()}
