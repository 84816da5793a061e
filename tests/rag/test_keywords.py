"""The words that carry a question, and those that name something."""

import pytest

from veclab.rag.keywords import content_words, coverage, names, stem, stems


def test_content_words_leave_out_how_it_is_asked():
    assert content_words("How can I install the packages, and which package?") == [
        "install",
        "packages",
    ]
    assert content_words("What is apt-get?") == ["apt-get"]
    assert content_words("Why is it so?") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("installs", "installed"),
        ("Installing", "install"),
        ("library", "libraries"),
        ("it's", "it"),
    ],
)
def test_endings_are_taken_off(one, other):
    assert stem(one) == stem(other)


def test_numbers_and_short_words_stay_whole():
    assert stem("1.5.2s") == "1.5.2s"
    assert stem("bus") == "bus"


def test_stems_of_compound_words():
    assert {"apt", "get", "conf"} <= stems("see apt.get-conf")


def test_names():
    assert names("Does Borg encrypt PostgreSQL 15? Can I use it?") == ["Borg", "PostgreSQL", "15"]
    assert names("what is a container") == []
    assert names("iPhone or Android?") == ["iPhone", "Android"]


def test_coverage_goes_by_weight():
    weights = [("cats", 3.0), ("sleep", 1.0)]
    assert coverage(weights, stems("a cat")) == 0.75
    assert coverage([], stems("a cat")) == 0.0
