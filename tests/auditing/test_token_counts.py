"""Tokens and unknown tokens of texts, counted together."""

import json

from click.testing import CliRunner

import veclab
from veclab.auditing.token_counts import count_both
from veclab.cli.app import app
from veclab.corpus.plan import plan_texts
from veclab.pipeline.long_texts import LONG_CHARS

THAI = "แมวนั่งอยู่บนเสื่อ"
TEXTS = ["the cat sits on the mat", THAI, f"the cat {THAI}", "x" * 101]


def words(texts):
    """A tokenizer of words that knows none with a "?"."""
    return [(len(t.split()), sum("?" in word for word in t.split())) for t in texts]


def test_both_are_of_each_text_in_order():
    assert count_both(["a b", "?", "c ? ?", ""], words) == ([2, 1, 3, 0], [0, 1, 2, 0])
    assert count_both([], words) == ([], [])


def test_a_very_long_text_is_counted_in_pieces():
    long = "word ? " * LONG_CHARS
    tokens, unknown = count_both(["?", long, "a"], words)
    assert tokens == [1, 2 * LONG_CHARS, 1]
    assert unknown[0] == 1 and unknown[1] > 100 and unknown[2] == 0


def test_embed_plan_and_inspect_text_say_the_same(tiny_bert, tmp_path, home):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS))
    model = veclab.load(str(tiny_bert))
    plan = plan_texts(model, TEXTS)
    report = model.embed(TEXTS).report
    assert report.partly_unknown > 0
    found = (report.partly_unknown, report.tokens_unknown)
    assert (plan.partly_unknown, plan.tokens_unknown) == found
    assert f"{found[0]:,} texts hold {found[1]:,} tokens that the model does not know" in str(plan)
    again = plan_texts(model, TEXTS)  # from the cache
    assert (again.partly_unknown, again.tokens_unknown) == found
    command = ["inspect-text", str(path), "-m", str(tiny_bert)]
    said = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
    habits = json.loads(said.stdout)
    assert (habits["partly_unknown"], habits["tokens_unknown"]) == found
    shown = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert f"{found[1]:,} tokens that the model does not know" in shown
