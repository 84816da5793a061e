"""Word vectors as a model: means of words, and no word lost in silence."""

import unicodedata

import numpy as np
import pytest

import veclab
from tests.words import write_words
from veclab import InputError, MissingExtra, ModelUnavailable
from veclab.models.words import model as module
from veclab.models.words.model import WordVectors, find_words, load_words, near_spellings


@pytest.fixture
def file(tmp_path):
    return write_words(
        tmp_path / "tiny.vec",
        {
            "king": [1, 0],
            "queen": [0, 2],
            "'s": [1, 1],
            "well-known": [3, 3],
            ",": [9, 9],
            "Bonn": [4, 0],
        },
    )


@pytest.fixture
def model(file):
    return veclab.load(str(file), normalize=False)


def test_a_word_is_its_vector_and_a_text_the_mean(model):
    vectors = model.embed(["king", "the king, the queen!", "King"])
    np.testing.assert_allclose(vectors.array, [[1, 0], [0.5, 1], [1, 0]])
    assert vectors.tokens.tolist() == [1, 4, 1]


def test_a_word_that_nfc_writes_in_another_way_is_found(tmp_path):
    word = "\u0958\u0932\u092e"  # NFC takes U+0958 apart
    path = tmp_path / "hi.vec"
    path.write_text(f"3 4\n{word} 1 0 0 0\nraja 0 1 0 0\nrani 0 0 1 0\n", encoding="utf-8")
    model = veclab.load(str(path))
    for asked in (word, unicodedata.normalize("NFC", word)):
        np.testing.assert_array_equal(model.embed([asked]).array, [[1, 0, 0, 0]])


def test_unit_length_by_default(file):
    assert np.linalg.norm(veclab.load(str(file)).embed("queen").array) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "found", "missing"),
    [
        ("king queen", ["king", "queen"], []),
        ("KING", ["king"], []),
        ("Bonn", ["Bonn"], []),
        ("bonn", [], ["bonn"]),
        ("the king's", ["king", "'s"], ["the"]),
        ("(well-known),", ["well-known"], []),
        ("king-queen", ["king", "queen"], []),
        ("king ... queen !?", ["king", "queen"], []),
        (",", [","], []),
        ("x-ray", [], ["x", "ray"]),
    ],
)
def test_how_words_are_found(file, text, found, missing):
    vectors = load_words(str(file))
    rows, unknown = find_words(vectors, text)
    assert ([vectors.words[row] for row in rows], unknown) == (found, missing)


def test_unknown_words_are_reported_with_their_share(model):
    report = model.embed(["king quux", "queen", "king quux zork"]).report
    (note,) = [n for n in report.notes if "not in tiny.vec" in n]
    assert note.startswith("3 of 6 words (50.0%)")
    assert "in 2 text(s): quux, zork" in note
    assert not [n for n in model.embed("king").report.notes if "not in" in n]


def test_a_run_that_failed_leaves_nothing_in_the_next_report(model):
    with pytest.raises(InputError):
        model.embed(["king quux", "zork"], on_empty="error")
    assert not [n for n in model.embed("king").report.notes if "not in" in n]


def test_a_text_without_a_known_word_is_an_error_with_near_spellings(model):
    with pytest.raises(InputError, match=r"'qeen' \(near: queen\), 'zork'"):
        model.embed(["king", "qeen", "zork"], on_empty="error")


def test_a_text_without_a_known_word_is_left_out_where_the_policy_says_so(model):
    vectors = model.embed(["king", "qeen", "queen", "zork"], on_empty="skip")
    assert list(vectors.ids) == ["0", "2"]
    assert vectors.report.unknown_ids == ["1", "3"]
    (note,) = vectors.report.notes
    assert "'qeen' (near: queen), 'zork'" in note


def test_options_that_have_no_meaning_are_refused(file):
    for option in ({"device": "cuda"}, {"max_tokens": 10}, {"dimensions": 1}):
        with pytest.raises(InputError, match=f"{next(iter(option))} does not go with it"):
            veclab.load(str(file), **option)
    with pytest.raises(InputError, match="base_url"):
        veclab.load(str(file), base_url="http://127.0.0.1:1/v1")


def test_the_space_follows_words_and_numbers_not_the_file(tmp_path):
    table = {"a": [1, 2], "b": [3, 4]}
    one = veclab.load(str(write_words(tmp_path / "one.vec", table)))
    glove = tmp_path / "two.txt"
    glove.write_text("a 1 2\nb 3 4\n")
    assert veclab.load(str(glove)).space.id == one.space.id
    other = veclab.load(str(write_words(tmp_path / "one2.vec", table | {"b": [3, 5]})))
    assert other.space.id != one.space.id


def test_repeated_words_and_zeros_are_left_out_and_told(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("a 1 2\nb 0 0\na 5 6\nc 1 1\n")
    model = veclab.load(str(path))
    assert model.provider.vectors.words == ["a", "c"]
    notes = " ".join(model.embed("a").report.notes)
    assert "1 repeated words left out" in notes
    assert "1 words with a vector of zeros left out: 'b'" in notes


def test_numbers_that_are_not_finite_are_damage(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("a 1 2\nb nan 1\n")
    with pytest.raises(ModelUnavailable, match="not finite: 'b'"):
        veclab.load(str(path))


def test_near_spellings_put_the_most_frequent_of_the_alike_first():
    vocabulary = ["woman", "wolman", "women", "roman", "man"]
    assert near_spellings("womann", vocabulary)[0] == "woman"
    assert near_spellings("zzzzzz", vocabulary) == []
    assert near_spellings("", vocabulary) == []


class TestPackage:
    """The GloVe package, where it is installed."""

    def test_is_checked_by_its_digest(self, glove):
        assert (len(glove.words), glove.array.shape) == (400_000, (400_000, 50))
        assert glove.words[:3] == ["the", ",", "."]
        assert glove.digest == module.PACKAGED_WORDS[0].digest

    def test_other_numbers_are_refused(self, glove, monkeypatch):
        changed = WordVectors(glove.name, glove.words[:10], glove.array[:10])
        monkeypatch.setattr(module, "WordVectors", lambda *_: changed)
        with pytest.raises(ModelUnavailable, match="not the published ones"):
            load_words("glove-6b-50d")


def test_without_the_package_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"veclab\[glove\]"):
        veclab.load("glove-6b-50d")
