"""What happens to a text before a model reads it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab import InputError
from veclab.pipeline.prepare import (
    Preparation,
    has_surrogates,
    is_blank,
    prepare_all,
    repair_surrogates,
    text_digests,
)

prepare = Preparation.of()
any_text = st.text(st.characters(exclude_categories=[]))  # lone surrogates too


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("plain text stays", "plain text stays"),
        ("cafe\u0301", "caf\u00e9"),
        ("one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("nul\x00 and bell\x07", "nul and bell"),
        ("page\x0cbreak", "page break"),
        ("\ufeffbyte-order mark", "byte-order mark"),
        ("tab\tand\nline stay", "tab\tand\nline stay"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("a pair \ud83d\ude00 joined", "a pair \U0001f600 joined"),
        ("", ""),
    ],
)
def test_default_steps(given_text, expected):
    assert prepare(given_text) == expected


@given(any_text)
def test_prepared_text_is_clean_and_preparing_again_changes_nothing(text):
    once = prepare(text)
    assert prepare(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not has_surrogates(once)
    assert "\r" not in once
    assert "\x00" not in once
    once.encode()  # storable


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_printable_ascii_is_never_touched(text):
    assert prepare(text) == text


@given(st.lists(any_text | st.text("ab ~\t\n")))
def test_many_texts_are_prepared_as_each_alone(texts):
    many = texts * 40  # more than are looked at together
    assert prepare_all(prepare, many) == [prepare(text) for text in texts] * 40


def test_white_space_when_asked():
    assert Preparation.of(["whitespace"])("  a \n\t b\u00a0c ") == "a b c"


def test_markup_when_asked():
    page = "<p>Fish &amp; chips</p><script>alert(1)</script><ul><li>one</li><li>two</li></ul>"
    text = Preparation.of(["markup", "whitespace"])(page)
    assert text == "Fish & chips one two"
    assert Preparation.of(["markup"])("if a < b: no mark-up") == "if a < b: no mark-up"


def test_mojibake_when_asked():
    assert Preparation.of(["mojibake"])("schÃ¶n") == "schön"
    assert prepare("schÃ¶n") == "schÃ¶n"


def test_steps_are_recorded_with_versions_in_the_order_they_act():
    assert Preparation.of().labels == ("newlines.1", "controls.1", "nfc.1")
    labels = Preparation.of(["whitespace", "mojibake"]).labels
    assert labels[0].startswith("mojibake.1/ftfy-")
    assert labels[1:] == ("newlines.1", "controls.1", "nfc.1", "whitespace.1")


def test_an_unknown_step_names_those_there_are():
    with pytest.raises(InputError, match="unknown preparation: stemming; choose from mojibake"):
        Preparation.of(["stemming"])


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0", "\u200b", "\ufeff\u2060 \u200d"])
def test_texts_with_nothing_to_read_are_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "\U0001f600", "\u4f60"])
def test_texts_with_something_to_read_are_not(text):
    assert not is_blank(text)


@given(any_text)
def test_repaired_text_can_be_stored(text):
    repaired = repair_surrogates(text)
    repaired.encode()
    assert has_surrogates(text) or repaired == text


@given(st.text(), st.text())
def test_digests_tell_texts_apart(a, b):
    assert len(text_digests([a])[0]) == 16
    assert (text_digests([a]) == text_digests([b])) == (a == b)
