"""Token counts, against figures that OpenAI published."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.models.openai.token_counts import EstimatingCounter, ExactCounter

exact = ExactCounter("cl100k_base")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        # From OpenAI's cookbook, "How to count tokens with tiktoken", column cl100k_base.
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 9),
        ("", 0),
    ],
)
def test_counts_are_those_published(text, tokens):
    assert exact.count([text]) == [tokens]


def test_what_looks_like_a_special_token_is_text():
    assert exact.count(["<|endoftext|>"])[0] > 1


texts = st.text(max_size=200) | st.text("a \n\U0001f600é漢", max_size=200)


@given(texts, st.integers(1, 40))
def test_a_cut_text_is_a_beginning_within_the_limit(text, limit):
    for counter in (exact, EstimatingCounter()):
        part = counter.cut(text, limit)
        assert text.startswith(part)
        assert counter.count([part])[0] <= limit
        if counter.count([text])[0] <= limit:
            assert part == text


@given(st.text("abc def", min_size=50, max_size=300), st.integers(3, 20))
def test_a_cut_leaves_nothing_out_that_would_fit(text, limit):
    part = exact.cut(text, limit)
    assert part == text or exact.count([part])[0] >= limit - 1


@given(st.text("abcdefghij ,.", max_size=300))
def test_the_estimate_is_on_the_safe_side_for_plain_text(text):
    words = " ".join(text.split())
    assert EstimatingCounter().count([words])[0] * 2 >= exact.count([words])[0]
