"""The analogy set as an evaluation: accuracy by category, as gensim counts it."""

from pathlib import Path

import pytest

import veclab
from tests.analogies.test_analogy import TABLE
from tests.words import write_words
from veclab import InputError
from veclab.analogies import question_sets as module
from veclab.analogies.analogy import vocabulary_of
from veclab.analogies.question_sets import evaluate, read_questions

QUESTIONS = """\
: family
man woman king queen
Man Woman King QUEEN
man king woman apple

: gram1-plural
man woman duke duchess
"""


@pytest.fixture
def vocabulary(tmp_path):
    return vocabulary_of(veclab.load(str(write_words(tmp_path / "tiny.vec", TABLE))))


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(QUESTIONS)
    return read_questions(path)


@pytest.mark.parametrize("method", ["add", "mul"])
def test_right_answers_are_counted_by_category(vocabulary, questions, method):
    done = []
    result = evaluate(vocabulary, questions, method=method, on_done=done.append)
    family, grammar = result.categories
    assert (family.correct, family.asked, family.skipped) == (2, 3, 0)
    assert family.accuracy == pytest.approx(2 / 3)
    assert (grammar.asked, grammar.skipped, grammar.accuracy) == (0, 1, None)
    assert (result.total().correct, result.total().asked, result.total().skipped) == (2, 3, 1)
    assert set(result.missing) == {"duke", "duchess"}
    assert sum(done) == 4


def test_small_blocks_make_no_difference(vocabulary, questions, monkeypatch):
    whole = evaluate(vocabulary, questions)
    monkeypatch.setattr(module, "_SCORES", 8)
    assert evaluate(vocabulary, questions) == whole


def test_only_the_first_words_when_restricted(vocabulary, questions):
    with pytest.raises(InputError, match="not in the vocabulary"):
        evaluate(vocabulary, questions, restrict=2)
    result = evaluate(vocabulary, {"f": [("man", "woman", "king", "queen")]}, restrict=4)
    assert (result.vocabulary, result.total().correct) == (4, 1)


def test_two_spellings_of_a_word_are_one(tmp_path):
    table = {"man": [1, 0, 0.1], "King": [1, 1, 0], "woman": [-1, 0, 0.1], "QUEEN": [-0.9, 1, 0]}
    table |= {"queen": [-1, 1, 0], "king": [-1, 0.9, 0], "WOMAN": [-1, 1, 0.01]}
    vocabulary = vocabulary_of(veclab.load(str(write_words(tmp_path / "v.vec", table))))
    result = evaluate(vocabulary, {"f": [("man", "woman", "king", "queen")]})
    assert result.total().correct == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a b c\n", "line 1: four words"),
        ("", "no analogies"),
        (": only\n: names\n", "no analogies"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path, content, complaint):
    path = tmp_path / "q.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=complaint):
        read_questions(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt"):
        read_questions(tmp_path / "none.txt")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    gensim = pytest.importorskip("gensim")
    whole = Path(gensim.__file__).parent / "test" / "test_data" / "questions-words.txt"
    if not whole.is_file():
        pytest.skip("gensim came without its test data")
    lines = whole.read_text().splitlines()
    chosen = [line for i, line in enumerate(lines) if line.startswith(":") or i % 40 == 0]
    path = tmp_path_factory.mktemp("google") / "questions-words.txt"
    path.write_text("\n".join(chosen) + "\n")
    return path


class TestGensim:
    """Every 40th question of the Google set over the 20,000 most frequent words of GloVe.

    `benchmarks/analogies.py` runs the whole set.
    """

    RESTRICT = 20_000

    def test_each_category_has_the_same_right_answers(self, glove, sample):
        from gensim.models import KeyedVectors

        vocabulary = vocabulary_of(veclab.load("glove-6b-50d"))
        ours = evaluate(vocabulary, read_questions(sample), restrict=self.RESTRICT)
        vectors = KeyedVectors(50)
        vectors.add_vectors(glove.words, glove.array)
        accuracy, sections = vectors.evaluate_word_analogies(
            str(sample), restrict_vocab=self.RESTRICT
        )
        theirs = {s["section"]: (len(s["correct"]), len(s["incorrect"])) for s in sections[:-1]}
        assert ours.total().asked > 250
        # A tie may fall either way; a point is what is allowed over all.
        assert ours.total().accuracy == pytest.approx(accuracy, abs=0.01)
        assert {c.name: c.asked for c in ours.categories} == {n: sum(v) for n, v in theirs.items()}
        assert sum(abs(c.correct - theirs[c.name][0]) for c in ours.categories) <= 2
