"""Analogies: the two formulas, written out again here, and gensim's own answers."""

import numpy as np
import pytest

import veclab
from tests.words import write_words
from veclab import InputError
from veclab.analogies.analogy import parse_analogy, solve, vocabulary_of

# Gender on one axis, rank on another; "apple" and "pear" lie elsewhere.
TABLE = {
    "man": [1, 0, 0.1],
    "woman": [-1, 0, 0.1],
    "king": [1, 1, 0],
    "queen": [-1, 1, 0],
    "prince": [0.9, 0.8, 0.1],
    "apple": [0.1, -0.2, 1],
    "pear": [0, -0.1, 1],
    "Bonn": [0, -1, 0.3],
}


@pytest.fixture
def model(tmp_path):
    return veclab.load(str(write_words(tmp_path / "tiny.vec", TABLE)))


@pytest.fixture
def vocabulary(model):
    return vocabulary_of(model)


def cosine(a, b):
    return np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)


def unit(word):
    return np.array(TABLE[word]) / np.linalg.norm(TABLE[word])


def test_king_minus_man_plus_woman_is_queen(vocabulary):
    for method in ("add", "mul"):
        assert solve(vocabulary, ["king", "woman"], ["man"], method=method).words[0] == "queen"


def test_add_is_the_cosine_with_the_sum_of_unit_vectors(vocabulary):
    found = solve(vocabulary, ["king", "woman"], ["man"])
    target = unit("king") + unit("woman") - unit("man")
    others = {w: cosine(TABLE[w], target) for w in TABLE if w not in ("king", "man", "woman")}
    assert list(found.words) == sorted(others, key=others.get, reverse=True)
    np.testing.assert_allclose(found.scores, sorted(others.values(), reverse=True), atol=1e-6)


def test_mul_is_the_product_of_shifted_cosines(vocabulary):
    found = solve(vocabulary, ["king", "woman"], ["man"], method="mul")

    def shifted(a, b):
        return (1 + cosine(TABLE[a], TABLE[b])) / 2

    others = {
        w: shifted(w, "king") * shifted(w, "woman") / (shifted(w, "man") + 0.001)
        for w in TABLE
        if w not in ("king", "man", "woman")
    }
    assert list(found.words) == sorted(others, key=others.get, reverse=True)
    np.testing.assert_allclose(found.scores, sorted(others.values(), reverse=True), rtol=1e-5)


def test_the_words_of_the_question_are_never_the_answer(vocabulary):
    found = solve(vocabulary, ["king", "king"], ["man"], k=100)
    assert set(found.words) == set(TABLE) - {"king", "man"}


def test_one_word_alone_finds_its_neighbors(vocabulary):
    assert solve(vocabulary, ["apple"], k=1).words == ("pear",)


def test_another_case_is_read_and_shown(vocabulary):
    assert solve(vocabulary, ["KING"], k=1).positive == ("king",)
    with pytest.raises(InputError, match="'bonn'"):
        solve(vocabulary, ["bonn"])


def test_missing_words_are_all_named_with_near_spellings(vocabulary):
    with pytest.raises(InputError, match=r"'kingg' \(near: king\), 'zork'"):
        solve(vocabulary, ["kingg", "zork"], ["man"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"positive": []}, "at least one"),
        ({"positive": ["king"], "k": 0}, "k must be"),
        ({"positive": ["king"], "method": "div"}, "add, mul"),
    ],
)
def test_a_question_must_make_sense(vocabulary, arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        solve(vocabulary, **arguments)


@pytest.mark.parametrize(
    ("words", "positive", "negative"),
    [
        (["king", "-", "man", "+", "woman"], ["king", "woman"], ["man"]),
        (["king - man + woman"], ["king", "woman"], ["man"]),
        (["New", "York", "-", "USA"], ["New York"], ["USA"]),
        (["-", "man", "+", "king"], ["king"], ["man"]),
        (["well-known"], ["well-known"], []),
    ],
)
def test_reading_an_analogy(words, positive, negative):
    assert parse_analogy(words) == (positive, negative)


@pytest.mark.parametrize("words", [["king", "-"], ["king", "-", "+", "man"], ["-", "man"], ["+"]])
def test_a_sign_needs_a_word(words):
    with pytest.raises(InputError, match="king - man"):
        parse_analogy(words)


class TestSentenceModels:
    def test_need_a_vocabulary(self, model, tiny_bert):
        bert = veclab.load(str(tiny_bert))
        with pytest.raises(InputError, match="--vocabulary"):
            vocabulary_of(bert)
        with pytest.raises(InputError, match="at least two words"):
            vocabulary_of(bert, ["cat", " ", "cat"])

    def test_answer_from_it(self, tiny_bert):
        bert = veclab.load(str(tiny_bert))
        words = ["the cat", "the mat", "a carpet", "stock markets", "the cat", ""]
        vocabulary = vocabulary_of(bert, words)
        assert len(vocabulary) == 4
        found = solve(vocabulary, ["the cat", "a carpet"], ["the mat"])
        vectors = dict(zip(words, bert.embed(words[:4]).array, strict=False))
        target = vectors["the cat"] + vectors["a carpet"] - vectors["the mat"]
        assert found.words == ("stock markets",)
        assert found.scores[0] == pytest.approx(cosine(vectors["stock markets"], target), abs=1e-5)


def test_word_vectors_may_be_held_to_a_smaller_vocabulary(model):
    vocabulary = vocabulary_of(model, ["man", "woman", "king", "prince"])
    assert solve(vocabulary, ["king", "woman"], ["man"]).words == ("prince",)


class TestGlove:
    def test_gives_queen_with_the_scores_of_gensim(self, glove):
        models = pytest.importorskip("gensim.models")
        vocabulary = vocabulary_of(veclab.load("glove-6b-50d"))
        found = solve(vocabulary, ["king", "woman"], ["man"], k=5)
        assert found.words[0] == "queen"
        theirs = models.KeyedVectors(50)
        theirs.add_vectors(glove.words, glove.array)
        expected = theirs.most_similar(positive=["king", "woman"], negative=["man"], topn=5)
        assert list(found.words) == [word for word, _ in expected]
        np.testing.assert_allclose(found.scores, [score for _, score in expected], atol=1e-5)
