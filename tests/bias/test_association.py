"""Bias probes, against scipy and against the formulas written out once more."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cosine

import veclab
from tests.words import write_words
from veclab import InputError, Model, OutputError
from veclab.bias import association as module
from veclab.bias.association import STATEMENT, bias, effect_size, permutation_p
from veclab.bias.word_lists import BiasTest, WordSet, published_tests
from veclab.pictures import bias_effects

TABLE = {
    "rose": [2, 1, 0],
    "lily": [1, 0.5, 0.3],
    "tulip": [1, 0.2, -0.1],
    "wasp": [0.3, 1, 0],
    "flea": [0.1, 1.2, 0.4],
    "moth": [0.9, 1, -0.5],
    "joy": [1, 0, 0.1],
    "love": [1, 0.1, -0.2],
    "pain": [0, 1, 0.2],
    "stink": [0.1, 1, -0.3],
}
TEST = BiasTest(
    WordSet("flowers", ["rose", "lily", "tulip"], "thing"),
    WordSet("insects", ["wasp", "flea", "moth"], "thing"),
    WordSet("pleasant", ["joy", "love"]),
    WordSet("unpleasant", ["pain", "stink"]),
)


@pytest.fixture
def model(tmp_path):
    return veclab.load(str(write_words(tmp_path / "tiny.vec", TABLE)))


def association(word):
    """s(w, A, B) as in the paper, by scipy's cosine distance."""
    near = np.mean([1 - cosine(TABLE[word], TABLE[a]) for a in TEST.a.words])
    far = np.mean([1 - cosine(TABLE[word], TABLE[b]) for b in TEST.b.words])
    return near - far


def test_effect_size_and_p_value_are_those_of_the_paper(model):
    (result,) = bias(model, {"t": TEST})
    of_x = [association(w) for w in TEST.x.words]
    of_y = [association(w) for w in TEST.y.words]
    d = (np.mean(of_x) - np.mean(of_y)) / np.std(of_x + of_y, ddof=1)
    assert result.effect == pytest.approx(d, abs=1e-6)
    everything = of_x + of_y
    sums = [sum(everything[i] for i in rows) for rows in combinations(range(6), 3)]
    assert result.partitions == len(sums) == 20
    assert result.p == pytest.approx(np.mean([s >= sum(of_x) - 1e-9 for s in sums]))
    assert result.exact
    assert result.sizes == (3, 3, 2, 2)
    assert result.low <= result.effect <= result.high


def test_exchanging_the_targets_changes_the_sign(model):
    other = BiasTest(TEST.y, TEST.x, TEST.a, TEST.b)
    one, two = bias(model, {"one": TEST, "two": other})
    assert one.effect == pytest.approx(-two.effect)


numbers = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=6)


@settings(deadline=None, max_examples=30)
@given(numbers, numbers)
def test_exact_p_values_are_those_of_scipy(x, y):
    x, y = np.array(x), np.array(y)
    p, partitions, exact = permutation_p(x, y)
    theirs = stats.permutation_test(
        (x, y),
        lambda a, b: np.mean(a) - np.mean(b),
        alternative="greater",
        n_resamples=np.inf,
    )
    assert exact
    assert partitions == math.comb(len(x) + len(y), len(x))
    assert p == pytest.approx(theirs.pvalue)


def test_a_sampled_p_value_is_near_the_exact_one_and_repeats(monkeypatch):
    random = np.random.default_rng(5)
    x, y = random.normal(0.5, 1, 8), random.normal(0, 1, 8)
    exact_p, _, exact = permutation_p(x, y)
    monkeypatch.setattr(module, "_EXACT", 0)
    sampled_p, partitions, sampled = permutation_p(x, y)
    assert (exact, sampled, partitions) == (True, False, 100_000)
    assert sampled_p == pytest.approx(exact_p, abs=0.006)
    assert permutation_p(x, y)[0] == sampled_p


def test_a_p_value_is_never_zero(monkeypatch):
    monkeypatch.setattr(module, "_EXACT", 0)
    assert permutation_p(np.arange(30.0) + 100, np.arange(30.0))[0] == pytest.approx(1 / 100_001)


def test_equal_associations_have_no_effect():
    same = np.ones(4)
    assert effect_size(same, same) == 0
    assert permutation_p(same, same)[0] == 1


def test_words_not_in_the_vocabulary_are_left_out_and_named(model):
    words = WordSet("flowers", [*TEST.x.words, "orchid", "blue bell"])
    (result,) = bias(model, {"t": BiasTest(words, TEST.y, TEST.a, TEST.b)})
    assert result.missing == ("orchid", "blue bell")
    assert result.sizes == (3, 3, 2, 2)
    few = WordSet("flowers", ["rose", "orchid"])
    with pytest.raises(InputError, match="'flowers' fewer than two"):
        bias(model, {"t": BiasTest(few, TEST.y, TEST.a, TEST.b)})


def test_sentences_are_made_by_kind(provider):
    test = BiasTest(
        WordSet("names", ["Ann", "Bill"], "name"),
        WordSet("things", ["axe", "club"], "thing"),
        WordSet("nice", ["joy", "peace"]),
        WordSet("nasty", ["war", "pain"]),
    )
    (result,) = bias(Model(provider, None), {"t": test}, sentences=True)
    assert result.sizes == (16, 16, 8, 8)
    made = set(provider.embedded)
    assert {"Ann is a person.", "This is an axe.", "A club is a thing.", "It is peace."} <= made
    assert len(made) == 48


def test_the_same_numbers_every_time(provider):
    runs = [bias(Model(provider, None), {"t": TEST}) for _ in range(2)]
    assert runs[0] == runs[1]


class TestPublished:
    def test_glove_shows_what_people_show(self, glove):
        results = bias(veclab.load("glove-6b-50d"), published_tests())
        assert len(results) == 10
        for result in results:
            assert result.effect > 0.5, result.test
            assert result.p < 0.05, result.test
        assert results[0].missing == ("gladiola",)

    def test_agrees_with_a_computation_from_the_raw_numbers(self, glove):
        test = published_tests()["gender-career"]
        rows = [[glove.array[glove.row(w)].astype(float) for w in s.words] for s in test.sets]
        x, y, a, b = rows
        s = [
            np.mean([1 - cosine(w, v) for v in a]) - np.mean([1 - cosine(w, v) for v in b])
            for w in (*x, *y)
        ]
        d = (np.mean(s[:8]) - np.mean(s[8:])) / np.std(s, ddof=1)
        (result,) = bias(veclab.load("glove-6b-50d"), {"gender-career": test})
        assert result.effect == pytest.approx(d, abs=1e-5)
        theirs = stats.permutation_test(
            (s[:8], s[8:]),
            lambda one, other, axis: np.mean(one, axis) - np.mean(other, axis),
            alternative="greater",
            n_resamples=np.inf,
            vectorized=True,
        )
        assert result.p == pytest.approx(theirs.pvalue)


class TestPicture:
    @pytest.mark.parametrize("name", ["p.png", "p.svg"])
    def test_is_drawn(self, model, tmp_path, name):
        pytest.importorskip("matplotlib")
        path = bias_effects(bias(model, {"t": TEST}), "title").write(tmp_path / name)
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
        assert len(content) > 5000

    def test_refuses_what_it_cannot_write(self, model, tmp_path):
        pytest.importorskip("matplotlib")
        drawn = bias_effects(bias(model, {"t": TEST}), "title")
        with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
            drawn.write(tmp_path / "p.gif")
        with pytest.raises(InputError, match="no folder"):
            drawn.write(tmp_path / "none" / "p.png")
        (tmp_path / "p.png").mkdir()
        with pytest.raises(OutputError):
            drawn.write(tmp_path / "p.png")


def test_the_statement_says_what_the_numbers_do_not_show():
    assert "does not show" in STATEMENT
