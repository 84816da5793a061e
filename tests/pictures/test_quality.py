"""The picture of a comparison: each model at its quality and its speed, size or cost."""

import pytest

from veclab.errors import InputError
from veclab.evaluation.bootstrap import Estimate
from veclab.evaluation.leaderboard import Board, Row

pytest.importorskip("matplotlib")

from veclab.pictures import comparison


def row(label, speed, **more):
    figures = {"spearman": Estimate(0.8, 0.7, 0.9)}
    return Row(label, figures, texts_per_second=speed, bytes_per_million=10**9, **more)


def board(*rows, name="pairs"):
    return Board(name, "sts", "", "pairs", 40, rows, (), ())


def places(picture):
    """Where each model's mark stands across."""
    return {
        line.get_label(): line.get_xdata()[0]
        for line in picture.axes[0].lines
        if line.get_marker() != "None"
    }


def test_equal_speeds_share_a_place_and_no_mark_covers_another():
    picture = comparison(board(row("a", 900.0), row("a+int8", 900.0), row("b", 90.0)))
    assert places(picture) == pytest.approx({"a": 900, "a+int8": 900, "b": 90})
    sizes = [line.get_markersize() for line in picture.axes[0].lines if line.get_marker() != "None"]
    assert sizes[0] > sizes[1] == sizes[2]


def test_nearly_equal_speeds_stand_where_they_are_and_no_mark_covers_another():
    picture = comparison(board(row("a", 900.0), row("b", 905.0), row("c", 90.0)))
    assert places(picture) == pytest.approx({"a": 900, "b": 905, "c": 90})
    sizes = [line.get_markersize() for line in picture.axes[0].lines if line.get_marker() != "None"]
    assert sizes[0] > sizes[1] == sizes[2]


def test_against_cost_only_models_that_are_paid_for_are_drawn():
    free, paid = row("free", 900.0), row("paid", 90.0, dollars=0.13)
    picture = comparison(board(free, paid), "cost")
    assert places(picture) == {"paid": 0.13}
    assert "without figures: free" in picture.axes[0].get_xlabel()
    with pytest.raises(InputError, match="nothing to draw"):
        comparison(board(free), "cost")


def test_the_svg_for_a_page_is_an_element_whose_texts_are_texts():
    text = comparison(board(row("<b>model</b>", 900.0), name="</svg><script>")).svg()
    assert text.startswith("<svg ")
    assert "&lt;b&gt;model&lt;/b&gt;" in text
    assert text.count("</svg>") == 1
    assert not any(part in text for part in ("<script", "<style", "http"))
