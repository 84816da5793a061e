"""Exercises: open, solved, wrong."""

import pytest

from veclab.teaching import check, turning_vectors
from veclab.teaching.exercises import OPEN, SOLVED


def test_an_open_value_is_no_failure(capsys):
    @check(...)
    def _(value):
        raise AssertionError("not reached")

    assert capsys.readouterr().out.strip() == OPEN


def test_an_open_function_is_no_failure(capsys):
    def double(x):
        return ...

    @check(double)
    def _(solve):
        assert solve(2) == 4

    assert capsys.readouterr().out.strip() == OPEN


def test_a_right_answer_is_solved(capsys):
    @check(lambda x: 2 * x)
    def _(solve):
        assert solve(2) == 4

    assert capsys.readouterr().out.strip() == SOLVED


def test_a_wrong_answer_says_why():
    with pytest.raises(AssertionError, match="twice two"):

        @check(lambda x: x)
        def _(solve):
            assert solve(2) == 4, "twice two is four"


def test_the_sliders_cannot_reach_out_of_their_frame():
    page = turning_vectors()._repr_html_()
    assert 'sandbox="allow-scripts"' in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "your viewer runs no scripts" in page
