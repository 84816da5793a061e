"""Words of the domain that the tokenizer cuts get vectors of their own."""

import numpy as np
import pytest

import veclab
from veclab import InputError
from veclab.models.local.folder import read_folder
from veclab.tuning import static
from veclab.tuning.data import TrainingData
from veclab.tuning.method import Settings

pytest.importorskip("skeletoken")


@pytest.fixture(scope="module")
def base(tiny_bert):
    return read_folder(tiny_bert, name="tiny-bert")


def texts_with(*words, times=3):
    return [f"the {word} sits" for word in words for _ in range(times)]


def data(texts):
    return TrainingData("d", texts[:1], texts, [[0]], [[]])


def test_words_that_are_cut_and_frequent(base):
    texts = [*texts_with("kubernetes", times=5), *texts_with("Etcd"), *texts_with("rare", times=2)]
    # `cat` and `sits` are tokens; `rare` is in two texts; a number is no word.
    assert static.domain_words(base, [*texts, *texts_with("cat", "12345")]) == [
        "kubernetes",
        "etcd",
    ]


def test_a_word_counts_once_a_text(base):
    assert static.domain_words(base, ["etcd etcd etcd etcd"]) == []


def test_the_most_frequent_are_taken(base, monkeypatch):
    monkeypatch.setattr(static, "MOST_WORDS", 1)
    texts = [*texts_with("etcd"), *texts_with("kubernetes", times=4)]
    assert static.domain_words(base, texts) == ["kubernetes"]


def test_a_word_of_the_domain_is_one_token_with_the_base_s_vector(base, tmp_path):
    steps = []
    settings = Settings(dimensions=8, device="cpu")
    made = static.train(
        base,
        data(texts_with("kubernetes", "etcd")),
        tmp_path / "out",
        settings,
        lambda *step: steps.append(step),
    )
    assert made.facts["words of the domain"] == 2
    assert made.facts["dimensions"] == 8
    assert steps[-1] == (2 * made.facts["tokens"], 2 * made.facts["tokens"])
    model = veclab.load(str(tmp_path / "out"), cache=False)
    (tokens,) = model.provider.tokenize(["kubernetes"], None)
    assert tokens.tokens == 1
    # Its own vector, not the mean of its letters'.
    letters = model.embed(list("kubernetes")).array.mean(axis=0)
    whole = model.embed(["kubernetes"]).array[0]
    assert whole @ letters / np.linalg.norm(letters) < 0.99


def test_it_is_measured_against_the_base_distilled_without_the_words(base, tmp_path):
    settings = Settings(dimensions=8, device="cpu")
    words = data(texts_with("kubernetes"))
    made = static.train(base, words, tmp_path / "out", settings, lambda *_: None)
    untuned, tuned = (
        veclab.load(str(path), cache=False) for path in (made.untuned, tmp_path / "out")
    )
    (alone,), (one,) = (m.provider.tokenize(["kubernetes"], None) for m in (untuned, tuned))
    assert (alone.tokens, one.tokens) == (len("kubernetes"), 1)
    assert untuned.space.dimensions == tuned.space.dimensions == 8
    assert "without these words" in made.notes[0]


def test_no_word_to_add_is_refused(base, tmp_path):
    settings = Settings(dimensions=8, device="cpu")
    with pytest.raises(InputError, match="nothing to add to its vocabulary"):
        static.train(base, data(["the cat"]), tmp_path / "out", settings, lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_a_static_base_is_refused(base, tmp_path):
    settings = Settings(dimensions=8, device="cpu")
    words = data(texts_with("kubernetes"))
    static.train(base, words, tmp_path / "s", settings, lambda *_: None)
    again = read_folder(tmp_path / "s", name="s")
    with pytest.raises(InputError, match="static model already"):
        static.train(again, words, tmp_path / "t", settings, lambda *_: None)
