"""Source code: functions and classes as structure."""

import pytest

from tests.documents.reading import blocks, read_one

PYTHON = '''"""A module."""
import os

LIMIT = 3


# How cats sleep.
@cached
def sleep(hours):
    return hours


class Cat:
    """A cat."""

    def purr(self):
        pass
'''


def test_functions_stand_under_their_classes_with_the_comments_above_them(tmp_path):
    found = read_one(tmp_path, "a.py", PYTHON)
    assert found.text == PYTHON
    assert [(path, words.split("\n")[0]) for _, path, words in blocks(found)] == [
        ((), '"""A module."""'),
        (("sleep",), "# How cats sleep."),
        (("Cat",), "class Cat:"),
        (("Cat", "purr"), "    def purr(self):"),
    ]


@pytest.mark.parametrize(
    ("name", "line", "found"),
    [
        ("a.js", "export async function feed(cat) {", "feed"),
        ("a.rs", "pub(crate) fn feed<T>(cat: T) {", "feed"),
        ("a.go", "func (c *Cat) Feed(n int) error {", "Feed"),
        ("a.c", "static int feed(struct cat *c, int n)", "feed"),
        ("a.sh", "feed() {", "feed"),
        ("a.java", "public final class Feeder extends Cat {", "Feeder"),
    ],
)
def test_other_languages(tmp_path, name, line, found):
    assert blocks(read_one(tmp_path, name, line + "\n  x\n}\n"))[0][1] == (found,)


def test_a_call_or_a_condition_is_no_function(tmp_path):
    text = "if (a)\n  b();\nint x = f(3);\nreturn g(1)\n"
    assert {path for _, path, _ in blocks(read_one(tmp_path, "a.c", text))} == {()}


def test_minified_code_is_left_out(tmp_path):
    assert "minified" in read_one(tmp_path, "a.js", "a=1;" * 5000).reason
