"""What is made equal, and what stays different."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.rag.words import find_words, on_one_line, read_words


def words(text):
    return [word.text for word in read_words(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("white  space", "white\n\tspace"),
        ("no\u00a0break", "no break"),
        ("zero\u200bwidth", "zerowidth"),
        ("“curly” ‘quotes’", "\"curly\" 'quotes'"),
        ("isn’t", "isn't"),
        ("long‑term", "long-term"),
        ("1990–1995", "1990-1995"),
        ("exam-\nple", "example"),
        ("exam\u00adple", "example"),
        ("exam\u00ad\nple", "example"),
        ("exam\ufffe\nple", "example"),
        ("long-\nterm", "long-term"),
        ("ﬁle", "file"),
        ("ｆｕｌｌ １２", "full 12"),
        ("caf\u00e9", "cafe\u0301"),
        ("this—that", "this — that"),
        ("**bold** and `code`", "bold and code"),
        ("- a list\n- of two", "a list of two"),
        ("the end.", "the end"),
    ],
)
def test_print_differences_are_made_equal(one, other):
    assert words(one) == words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10²", "102"),
        ("1½", "11/2"),
        ("-5", "5"),
        ("−5", "5"),
        ("x - 5", "x 5"),
        ("x > 5", "x < 5"),
        ("x > 5", "x 5"),
        ("1,000", "1000"),
        ("1.5", "1.5.2"),
        ("5%", "5"),
        ("8080", "8081"),
        ("٣", "3"),
        ("able", "unable"),
        ("compliant", "non-compliant"),
        ("-v", "-V"),
        ("а", "a"),  # a Cyrillic letter
        ("e", "é"),
        ("10-\n20", "1020"),
    ],
)
def test_what_means_something_else_stays_different(one, other):
    assert words(one) != words(other)


def test_scripts_without_spaces_are_read_letter_by_letter():
    assert words("服务器 8080端口") == ["服", "务", "器", "8080", "端", "口"]


@given(st.text(max_size=200))
def test_every_word_knows_its_place(text):
    found = read_words(text)
    for word, after in itertools.pairwise(found):
        assert word.start < word.end <= after.start
    for word in found:
        assert 0 <= word.start < word.end <= len(text)
        assert not word.text.isspace()


@given(st.text(max_size=100), st.text(max_size=100), st.text(max_size=100))
def test_a_run_of_words_is_found_where_it_stands(before, inside, after):
    text = f"{before} {inside} {after}"
    wanted, all_words = read_words(inside), read_words(text)
    place = find_words(wanted, all_words)
    if place is not None:
        assert [w.text for w in all_words[slice(*place)]][1:] == [w.text for w in wanted][1:]


@given(st.lists(st.from_regex(r"[a-z0-9.%-]{1,8}", fullmatch=True), min_size=3, max_size=20))
def test_words_of_plain_text_are_found_again(tokens):
    all_words = read_words(" ".join(tokens))
    part = all_words[len(all_words) // 3 : 2 * len(all_words) // 3 + 1]
    assert find_words(part, all_words) is not None or not part


def test_a_quotation_may_begin_with_a_capital_letter():
    text = read_words("Then the server stops.")
    assert find_words(read_words("The server"), text) == (1, 3)
    assert find_words(read_words("the Server"), text) is None


def test_nothing_is_found_of_nothing():
    assert find_words([], read_words("a text")) is None


def test_a_stretch_on_one_line():
    assert on_one_line("an exam-\nple  of\n\ntwo Paris-\nLyon lines") == (
        "an example of two Paris- Lyon lines"
    )
