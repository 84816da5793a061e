"""Labels: each place says what its own texts have that others have not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from tests.maps.made_vectors import TOPICS
from veclab.maps.labels import label_map
from veclab.maps.regions import _CELLS, _smooth, find_regions
from veclab.maps.words import count_by_group, count_words, distinctive, split_words


@pytest.fixture
def islands():
    """Five tight clumps of 100 points each."""
    rng = np.random.default_rng(0)
    topic = np.repeat(np.arange(5), 100)
    centers = 10 * np.stack([np.cos(topic * 1.26), np.sin(topic * 1.26)], axis=1)
    return topic, (centers + 0.5 * rng.normal(size=(500, 2))).astype(np.float32)


def test_each_island_is_labeled_by_its_own_word(islands):
    topic, xy = islands
    found = label_map(xy, [f"the text tells of {TOPICS[t]}s" for t in topic])
    coarse = [label for label in found.labels if label.zoom == 1]
    assert {label.text for label in coarse} == {f"{word}s" for word in TOPICS}
    for label in coarse:
        distance = np.linalg.norm(xy - (label.x, label.y), axis=1)
        assert TOPICS[topic[distance.argmin()]] in label.text
    for t, name in zip(topic, found.regions, strict=True):
        assert name is None or TOPICS[t] in name
    assert sum(name is not None for name in found.regions) > 450


def test_a_dense_place_has_labels_of_its_own_when_magnified(islands):
    topic, xy = islands
    # One island holds two smaller ones that only a closer look tells apart.
    half = np.flatnonzero(topic == 0)[:50]
    xy[half] = xy[half] * 0.2 + (9, 1.5)
    texts = [f"about {TOPICS[t]}" for t in topic]
    for i in half:
        texts[i] += " openings"
    found = label_map(xy, texts)
    assert any("openings" in label.text for label in found.labels if label.zoom > 1)


def test_regions_hold_all_points_in_view_and_peaks_lie_in_them(islands):
    _, xy = islands
    found = find_regions(xy, 1)
    assert (found.of >= 0).mean() > 0.98
    assert found.sizes.sum() == (found.of >= 0).sum()
    for number, peak in enumerate(found.peaks):
        mine = xy[found.of == number]
        assert (peak >= mine.min(axis=0) - 1).all() and (peak <= mine.max(axis=0) + 1).all()


@pytest.mark.parametrize("n", [0, 1, 2, 10])
def test_few_points_and_points_in_one_place(n):
    assert len(label_map(np.zeros((n, 2), np.float32), ["some words"] * n).regions) == n


def test_without_texts_regions_have_numbers(islands):
    _, xy = islands
    found = label_map(xy, None)
    assert found.labels == []
    assert "region 1" in found.regions


def test_two_regions_of_one_name_are_told_apart(islands):
    topic, xy = islands
    found = label_map(xy, [("about bread" if t < 2 else f"about {TOPICS[t]}") for t in topic])
    assert {"bread", "bread (2)"} <= set(found.regions)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Event-based I/O, don't", {"event-based", "don't"}),
        ("x86 and 64 bits", {"x86", "and", "bits"}),
        ("日本語", {"日本", "本語"}),
        ("Да, è così", {"да", "così"}),
        ("", set()),
    ],
)
def test_words(text, words):
    assert split_words(text) == words


def test_a_word_that_all_texts_have_often_does_not_lead():
    words, count = ["for", "agents", "mcp"], np.array([700.0, 300.0, 120.0])
    expected = np.array([0.3, 0.03, 0.01])
    # By the divergence alone "for" would be the second of them.
    assert distinctive(words, count, 1000, expected) == ["agents", "mcp", "for"]


@given(st.lists(st.lists(st.sampled_from(["map", "sea", "air", "ice", "oak"]))), st.data())
def test_words_of_groups_are_counted_as_by_hand(texts, data):
    group = data.draw(st.lists(st.integers(-1, 2), min_size=len(texts), max_size=len(texts)))
    found = count_words([" ".join(words) for words in texts])
    counts = count_by_group(found, np.array(group, np.int32), 3)
    every = np.arange(len(found.words))
    for number in range(3):
        inside = [set(words) for words, own in zip(texts, group, strict=True) if own == number]
        by_hand = [sum(word in words for words in inside) for word in found.words]
        assert counts.of_words(number, every).tolist() == by_hand
        words, count = counts.of(number)
        assert dict(zip(words.tolist(), count.tolist(), strict=True)) == {
            i: n for i, n in enumerate(by_hand) if n
        }
    assert found.counts.tolist() == [sum(w in words for words in texts) for w in found.words]


def test_density_is_smoothed_as_scipy_does_it():
    counts = np.random.default_rng(0).poisson(0.3, (70, 70)).astype(np.float32)
    assert_allclose(_smooth(counts), gaussian_filter(counts, _CELLS, mode="constant"), atol=1e-6)
