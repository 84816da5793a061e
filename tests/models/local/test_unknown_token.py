"""Texts with words that a tokenizer does not know are reported, from the cache, too."""

import pytest
from tokenizers import Tokenizer, models

import veclab
from tests.tiny import WORDS
from veclab.models.local.unknown_token import unknown_token

KNOWN = "the cat sits on the mat"
# WordPiece reads a word of over 100 letters, and every letter that it has not, as one [UNK].
LONG, OTHER, THAI = "a" * 101, "b" * 101, "แมวนั่งบนเสื่อ"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (models.WordPiece({"[UNK]": 7, "a": 1}, unk_token="[UNK]"), 7),
        (models.BPE({"a": 0, "<unk>": 1}, [], unk_token="<unk>"), 1),
        (models.Unigram([("a", -1.0), ("<unk>", 0.0)], unk_id=1), 1),
        (models.BPE({"a": 0}, []), -1),
    ],
)
def test_every_kind_of_tokenizer_tells_its_own(model, expected):
    assert unknown_token(Tokenizer(model)) == expected


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_two_words_that_are_one_to_the_model_are_reported(tiny_bert, engine):
    model = veclab.load(str(tiny_bert), engine=engine, cache=False)
    texts, ids = [KNOWN, LONG, f"the {OTHER}", THAI], ["known", "one", "other", "thai"]
    report = model.embed(texts, ids=ids).report
    assert report.partly_unknown_ids == ["one", "other", "thai"]
    assert (report.partly_unknown, report.tokens_unknown) == (3, 3)
    assert "3 texts hold tokens that the model does not know" in str(report)


def test_what_was_cut_off_does_not_count(tiny_bert):
    model = veclab.load(str(tiny_bert), cache=False, max_tokens=8)
    report = model.embed([" ".join([*WORDS[:20], LONG])]).report
    assert (report.truncated, report.partly_unknown) == (1, 0)


def test_the_cache_remembers(tiny_bert, tmp_path):
    for cached in (0, 2):
        model = veclab.load(str(tiny_bert), cache=str(tmp_path / "cache"))
        report = model.embed([KNOWN, f"{LONG} {THAI}"], ids=["known", "odd"]).report
        assert report.cached == cached
        assert (report.partly_unknown_ids, report.tokens_unknown) == (["odd"], 2)


def test_windows_of_a_split_text_add_up(tiny_bert):
    model = veclab.load(str(tiny_bert), cache=False, max_tokens=8)
    text = " ".join([*WORDS[:7], LONG, *WORDS[7:14], OTHER])
    report = model.embed([text], on_long="split").report
    assert report.split == 1
    assert report.tokens_unknown == 2
