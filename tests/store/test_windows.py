"""What a search found, with what stands before and after it."""

from __future__ import annotations

import pytest

from veclab.store.index import index
from veclab.store.windows import widen

PAGE = "Book\n****\n\nOpening words.\n\n" + "\n\n".join(
    f"Chapter {c}\n=========\n\n"
    + "\n\n".join(f"    In {c} the line{n} is told at some length, and more." for n in range(9))
    for c in ("one", "two")
)


@pytest.fixture
def book(store, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "book.txt").write_text(PAGE)
    index(store, tmp_path / "docs", chunk_size=24)
    return store


def test_a_hit_grows_to_both_sides_and_stays_true_to_its_document(book):
    hits = book.search("two line4", top=1)
    (window,) = widen(book.table, hits, 1, characters=500)
    passage = window.hit.passage
    assert len(window.parts) > 2
    assert window.parts[0].start < hits[0].passage.start < passage.end
    assert passage.end - passage.start == len(passage.text) <= 500
    # White space between chunks is made up, words are not.
    assert passage.text.split() == PAGE[passage.start : passage.end].split()
    for part in window.parts:
        at = part.start - passage.start
        assert passage.text[at : at + len(part.text)] == part.text
    assert passage.id == hits[0].passage.id


def test_it_stays_under_the_heading_that_its_section_stands_under(book):
    (hit,) = book.search("one line8", top=1)
    (window,) = widen(book.table, [hit], 1, characters=10_000)
    assert window.hit.passage.heading == ("Book",)
    assert "Chapter two" in window.hit.passage.text


def test_no_passage_is_in_two_windows_and_members_say_which_hits_are_where(book):
    hits = book.search("the line2 line3", top=12)
    windows = widen(book.table, hits, 12, characters=300)
    ids = [part.id for window in windows for part in window.parts]
    assert len(ids) == len(set(ids))
    members = sorted(member for window in windows for member in window.members)
    assert members == list(range(len(hits)))
    assert len(windows) < len(hits)
    assert len(widen(book.table, hits, 2, characters=300)) == 2


def test_the_filter_of_the_search_holds_for_neighbors(book):
    where = book.where("start < 200")
    hits = book.search("one line1", top=1, where="start < 200")
    (window,) = widen(book.table, hits, 1, where, characters=10_000)
    assert all(part.start < 200 for part in window.parts)


def test_passages_without_places_stay_as_they_are(store):
    store.add(["first text", "second text"], ids=["a", "b"])
    hits = store.search("text")
    windows = widen(store.table, hits, 5)
    assert [window.hit for window in windows] == hits
    assert [window.members for window in windows] == [(0,), (1,)]
