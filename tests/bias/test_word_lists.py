"""Word lists: the published ones whole, and the user's own checked."""

import json

import pytest

from veclab import InputError
from veclab.bias.word_lists import published_tests, read_tests

OWN = """
[sets.nurses]
label = "nursing"
words = ["nurse", "midwife"]

[sets.engineers]
kind = "word"
words = ["engineer", "mechanic"]

[tests.jobs]
x = "nurses"
y = "engineers"
a = "female-terms"
b = "male-terms"
"""


@pytest.fixture
def write(tmp_path):
    def write(content, name="own.toml"):
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


def test_the_published_tests_have_the_sizes_of_the_paper():
    sizes = {name: [len(s.words) for s in test.sets] for name, test in published_tests().items()}
    assert sizes == {
        "flowers-insects": [25, 25, 25, 25],
        "instruments-weapons": [25, 25, 25, 25],
        "names-pleasant": [32, 32, 25, 25],
        "names-pleasant-market": [16, 16, 25, 25],
        "names-pleasant-short": [16, 16, 8, 8],
        "gender-career": [8, 8, 8, 8],
        "maths-arts": [8, 8, 8, 8],
        "science-arts": [8, 8, 8, 8],
        "illness-permanence": [6, 6, 7, 7],
        "young-old": [8, 8, 8, 8],
    }
    assert all(test.source and test.published for test in published_tests().values())


def test_own_sets_stand_beside_published_ones(write):
    test = read_tests(write(OWN))["jobs"]
    assert (test.x.label, list(test.x.words)) == ("nursing", ["nurse", "midwife"])
    assert (test.y.label, test.y.kind) == ("engineers", "word")
    assert "woman" in test.a.words
    assert (test.source, test.published) == (None, None)


def test_json_says_the_same(write):
    content = {
        "sets": {"u": {"words": ["a", "b"]}, "v": {"words": ["c", "d"]}},
        "tests": {"t": {"x": "u", "y": "v", "a": "career", "b": "family"}},
    }
    assert list(read_tests(write(json.dumps(content), "own.json"))["t"].y.words) == ["c", "d"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("[tests.jobs]", "[probes.jobs]"), "holds no tests"),
        (('"female-terms"', '"females"'), "no set 'females'; available: flowers"),
        (('b = "male-terms"', ""), "four sets: x, y, a, b"),
        (('"midwife"', "3"), "list of strings"),
        (('"midwife"', '" "'), "none of them blank"),
        (('"midwife"', '"nurse"'), "twice: nurse"),
        ((', "midwife"', ""), "two words or more"),
        (('"midwife"', '"engineer"'), "engineer stand in both"),
        (('kind = "word"', 'kind = "verb"'), "name, thing, word"),
        (('label = "nursing"', 'lable = "nursing"'), "label and kind"),
        (("[sets.nurses]", "[sets.nurses"), "cannot be read"),
    ],
)
def test_a_mistake_is_told_with_its_place(write, change, complaint):
    with pytest.raises(InputError, match=complaint):
        read_tests(write(OWN.replace(*change)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml"):
        read_tests(tmp_path / "none.toml")
