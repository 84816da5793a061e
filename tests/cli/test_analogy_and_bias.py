"""`veclab similar`, `analogy` and `bias`: what a user types and what comes out."""

import json

import numpy as np
import pytest

import veclab
from tests.analogies.test_analogy import TABLE
from tests.words import write_words
from veclab.cli.app import _run


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs a command in an own folder; gives (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            code = _run(list(map(str, arguments)))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def words(tmp_path):
    return write_words(tmp_path / "tiny.vec", TABLE)


class TestAnalogy:
    def test_prints_the_answers_best_first(self, run, words):
        code, out, err = run("analogy", "king", "-", "man", "+", "woman", "-m", words, "-k", 2)
        assert (code, err) == (0, "")
        first, header, best, *more = out.splitlines()
        assert first == "king - man + woman ="
        assert header.split() == ["score", "word"]
        assert best.split()[1] == "queen"
        assert len(more) == 1

    def test_as_json(self, run, words):
        _, out, _ = run("analogy", "King - man + woman", "-m", words, "--method", "mul", "--json")
        answer = json.loads(out)
        assert answer["positive"] == ["king", "woman"]
        assert answer["answers"][0]["word"] == "queen"

    def test_says_what_it_read_otherwise(self, run, words):
        assert "looked up King as king" in run("analogy", "King", "-m", words)[2]

    @pytest.mark.parametrize("glued", ["-man", "+woman"])
    def test_a_sign_stuck_to_a_word_is_no_option(self, run, words, glued):
        code, _, err = run("analogy", "king", glued)
        assert code == 2
        assert "spaces around each sign" in err

    def test_missing_words_end_it(self, run, words):
        code, out, err = run("analogy", "kingg", "-m", words)
        assert (code, out) == (2, "")
        assert "'kingg' (near: king)" in err

    def test_evaluates_a_set(self, run, words, tmp_path):
        (tmp_path / "q.txt").write_text(": sex\nman woman king queen\nman woman duke duchess\n")
        code, out, err = run("analogy", "--evaluate", "q.txt", "-m", words)
        assert code == 0
        assert out.splitlines()[1].split() == ["sex", "100.00%", "1", "1", "1"]
        assert "skipped 1 questions" in err
        result = json.loads(run("analogy", "--evaluate", "q.txt", "-m", words, "--json")[1])
        assert result["categories"][-1] == {
            "name": "all",
            "correct": 1,
            "asked": 1,
            "skipped": 1,
            "accuracy": 1.0,
        }

    def test_a_vocabulary_from_a_file(self, run, tiny_bert, tmp_path):
        (tmp_path / "v.txt").write_text("the cat\nthe mat\na carpet\nstock\n")
        arguments = ["analogy", "the", "cat", "-", "the", "mat", "+", "stock", "-m", tiny_bert]
        code, out, _ = run(*arguments, "-v", "v.txt")
        assert code == 0
        assert out.splitlines()[-1].endswith("a carpet")
        assert run(*arguments, "-v", "none.txt")[0] == 2

    def test_words_that_are_asked_need_not_be_in_the_vocabulary(self, run, tiny_bert, tmp_path):
        (tmp_path / "list.txt").write_text("Paris\nLondon\nBerlin\n")
        words = ["New", "York", "-", "USA", "+", "France"]
        done, out, err = run("analogy", *words, "-m", tiny_bert, "-v", "list.txt", "--json")
        assert done == 0, err
        found = json.loads(out)
        assert found["positive"] == ["New York", "France"]
        assert {answer["word"] for answer in found["answers"]} == {"Paris", "London", "Berlin"}

    def test_needs_a_question(self, run):
        assert run("analogy")[0] == 2
        assert run("analogy", "king", "--evaluate", "q.txt")[0] == 2


class TestSimilar:
    @pytest.fixture
    def texts(self, tmp_path):
        path = tmp_path / "texts.txt"
        path.write_text("king\nqueen\nking king\napple\npear\n")
        return path

    def test_pairs_with_correlation(self, run, words, tmp_path):
        (tmp_path / "p.csv").write_text("king,queen,3\nking,apple,0\nking,king,5\n")
        code, out, _ = run("similar", "--pairs", "p.csv", "-m", words)
        assert code == 0
        assert "Spearman  1.0000" in out
        assert "a correlation over 3 pairs means little" in out
        result = json.loads(run("similar", "--pairs", "p.csv", "-m", words, "--json")[1])
        assert result["spearman"] == pytest.approx(1)
        assert result["pairs"][2] == {"score": 1.0, "gold": 5.0, "first": "king", "second": "king"}

    def test_a_correlation_with_ties_everywhere_is_undefined(self, run, words, tmp_path):
        (tmp_path / "p.csv").write_text("king,queen,3\nking,apple,3\n")
        assert (
            "undefined: all scores are equal" in run("similar", "--pairs", "p.csv", "-m", words)[1]
        )

    def test_each_text_finds_the_others(self, run, words, texts):
        result = json.loads(run("similar", "--within", texts, "-m", words, "-k", 1, "--json")[1])
        assert [row["nearest"][0]["text"] for row in result] == [
            "king king",
            "king",
            "king",
            "pear",
            "apple",
        ]
        assert "nearest to 4: apple" in run("similar", "--within", texts, "-m", words)[1]

    def test_a_file_of_vectors_needs_no_model(self, run, words, texts, tmp_path):
        model = veclab.load(str(words))
        model.embed(["king", "queen", "apple"]).save(tmp_path / "v.parquet")
        code, out, _ = run("similar", "--within", "v.parquet", "-k", 1)
        assert code == 0
        assert "nearest to 0: king" in out
        code, _, err = run("similar", "--within", "v.parquet", "-m", words)
        assert code == 2
        assert "holds vectors" in err

    def test_near_duplicates(self, run, words, texts):
        out = run("similar", "--within", texts, "-m", words, "--duplicates", "0.9")[1]
        assert "group 1: 2 texts" in out
        assert "2 group(s) of 4 of 5 texts" in out
        result = json.loads(
            run("similar", "--within", texts, "-m", words, "--duplicates", "0.9", "--json")[1]
        )
        assert [[t["text"] for t in group] for group in result["groups"]] == [
            ["king", "king king"],
            ["apple", "pear"],
        ]

    def test_other_measures(self, run, words):
        out = run("similar", "king", "queen", "-m", words, "--measure", "euclidean", "--json")[1]
        matrix = np.array(json.loads(out)["similarity"])
        assert matrix[0, 1] == pytest.approx(-2 / np.sqrt(2), abs=1e-5)

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["one"],
            ["a", "b", "--top", "3"],
            ["a", "--pairs", "p.csv"],
            ["--to", "v.parquet"],
            ["--to", "v.parquet", "--within", "v.parquet"],
            ["a", "b", "--gold", "score"],
            ["--within", "t.txt", "--duplicates", "0.9", "--top", "3"],
            ["--within", "t.txt", "--duplicates", "1.5"],
        ],
    )
    def test_options_that_would_do_nothing_are_refused(self, run, arguments):
        code, out, err = run("similar", *arguments)
        assert (code, out) == (2, "")
        assert "Error" in err


class TestBias:
    LISTS = """
    [sets.royals]
    words = ["king", "queen"]
    [sets.fruit]
    words = ["apple", "pear"]
    [sets.men]
    words = ["man", "prince"]
    [sets.women]
    words = ["woman", "Bonn", "Atlantis"]
    [tests.odd]
    x = "royals"
    y = "fruit"
    a = "men"
    b = "women"
    """

    def test_prints_a_table_and_what_it_means(self, run, words, tmp_path):
        (tmp_path / "own.toml").write_text(self.LISTS)
        code, out, _ = run("bias", "-m", words, "--lists", "own.toml")
        assert code == 0
        assert "royals / fruit with men / women" in out
        assert "left out: Atlantis" in out
        assert "What it does not show" in out
        assert "published" not in out

    def test_as_json_with_a_picture(self, run, words, tmp_path):
        pytest.importorskip("matplotlib")
        (tmp_path / "own.toml").write_text(self.LISTS)
        _, out, _ = run("bias", "-m", words, "--lists", "own.toml", "-o", "p.png", "--json")
        result = json.loads(out)
        assert result["method"] == "WEAT"
        assert result["results"][0]["sizes"] == [2, 2, 2, 2]
        assert result["results"][0]["partitions"] == 6
        assert (tmp_path / "p.png").stat().st_size > 5000

    def test_an_unknown_test_names_the_known_ones(self, run):
        code, _, err = run("bias", "-t", "gender")
        assert code == 2
        assert "did you mean 'gender-career'" in err

    def test_a_picture_that_cannot_be_made_stops_before_any_work(self, run):
        code, _, err = run("bias", "-m", "no-such-model", "-o", "p.gif")
        assert code == 2
        assert ".png" in err
