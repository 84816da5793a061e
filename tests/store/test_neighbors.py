"""Hits that follow one another are shown as one, and what they share once."""

from __future__ import annotations

from veclab.store.neighbors import join_neighbors
from veclab.store.passage import Hit, Passage

TEXT = "One is first. Two is second. Three is third. Four is last."


def hit(start, end, score, document="d", heading=("A",)):
    passage = Passage(
        f"{document}#{start}", document, TEXT[start:end], heading=heading, start=start, end=end
    )
    return Hit(passage, score)


def test_passages_that_follow_one_another_become_one():
    (one,) = join_neighbors([hit(14, 28, 0.9), hit(0, 13, 0.5), hit(29, 44, 0.4)])
    assert one.passage.text == TEXT[:44]
    assert (one.passage.start, one.passage.end, one.score) == (0, 44, 0.9)


def test_an_overlap_is_shown_once():
    (one,) = join_neighbors([hit(0, 28, 0.9), hit(14, 44, 0.5)])
    assert one.passage.text == TEXT[:44]


def test_one_inside_another_adds_nothing():
    (one,) = join_neighbors([hit(0, 44, 0.9), hit(14, 28, 0.5)])
    assert (one.passage.text, one.passage.end) == (TEXT[:44], 44)


def test_gaps_and_other_documents_stay_apart_in_their_order():
    hits = [hit(45, 58, 0.9), hit(0, 13, 0.8), hit(14, 28, 0.7, document="e")]
    assert [h.passage.id for h in join_neighbors(hits)] == ["d#45", "d#0", "e#14"]


def test_headings_that_differ_are_cut_to_what_is_shared():
    hits = [hit(0, 13, 0.9, heading=("A", "B")), hit(14, 28, 0.5, heading=("A", "C"))]
    assert join_neighbors(hits)[0].passage.heading == ("A",)


def test_passages_without_spans_are_left_alone():
    hits = [Hit(Passage("a", "a", "x"), 1.0), Hit(Passage("b", "a", "y"), 0.5)]
    assert join_neighbors(hits) == hits
