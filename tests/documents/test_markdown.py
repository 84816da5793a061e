"""Markdown: spans in the file as it stands."""

from tests.documents.reading import blocks, read_one

PAGE = """---
title: "The pets"
lang: en
tags: [a, b]
---
Welcome.

# Cats *and* dogs

They sleep.

```sh
# no heading
```

Other
-----

| a | b |
|---|---|
| 1 | 2 |

- one
- two
"""


def test_structure_is_found_and_the_text_is_the_file(tmp_path):
    found = read_one(tmp_path, "a.md", PAGE)
    assert found.text == PAGE
    assert blocks(found) == [
        ("text", (), "Welcome."),
        ("heading", ("Cats and dogs",), "# Cats *and* dogs"),
        ("text", ("Cats and dogs",), "They sleep."),
        ("code", ("Cats and dogs",), "```sh\n# no heading\n```"),
        ("heading", ("Cats and dogs", "Other"), "Other\n-----"),
        ("table", ("Cats and dogs", "Other"), "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("text", ("Cats and dogs", "Other"), "- one\n- two"),
    ]


def test_front_matter_is_metadata(tmp_path):
    found = read_one(tmp_path, "a.md", PAGE)
    assert found.title == "The pets"
    assert dict(found.metadata) == {"title": "The pets", "lang": "en"}


def test_lines_may_end_in_any_way(tmp_path):
    found = read_one(tmp_path, "a.md", b"# A\r\n\r\nb\r\r# C\rd")
    assert [words for _, _, words in blocks(found)] == ["# A", "b", "# C", "d"]


def test_text_that_is_not_utf8_is_read_and_noted(tmp_path):
    found = read_one(tmp_path, "a.txt", "caf\xe9".encode("latin-1"))
    assert found.text == "café"
    assert found.notes == ("not UTF-8 (byte 3); read as Windows-1252",)
    assert read_one(tmp_path, "b.txt", "café".encode("utf-16")).text == "café"
