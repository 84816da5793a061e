"""Pictures: what they show is what the numbers say, and the files are what they claim to be."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import veclab
from veclab.analogies.analogy import Vocabulary
from veclab.errors import InputError, SpaceMismatch
from veclab.models.words.model import WordVectors
from veclab.space import Space
from veclab.vectors import Vectors

pytest.importorskip("matplotlib")
from matplotlib.text import Text

from veclab import pictures

SPACE = Space("local", "test", 4)


def vectors(array, texts=None, **more):
    array = np.asarray(array, dtype=np.float32)
    array /= np.linalg.norm(array, axis=1, keepdims=True)
    ids = [f"id{i}" for i in range(len(array))]
    return Vectors(array, SPACE, ids, texts, **more)


def words_in(picture):
    """Everything that is written in a picture."""
    return [text.get_text() for text in picture.findobj(Text) if text.get_text()]


@pytest.fixture
def four():
    """Two pairs of texts that are alike, apart from each other in the order of rows."""
    return vectors(
        [[1, 0.1, 0, 0], [0, 0, 1, 0.1], [1, 0, 0, 0], [0, 0, 1, 0]],
        ["cat", "stocks", "kitten", "shares"],
    )


@pytest.fixture
def many():
    return vectors(np.random.default_rng(0).normal(size=(300, 4)))


class TestHeatmap:
    def test_puts_like_beside_like(self, four):
        axes = pictures.heatmap(four).axes[0]
        order = [label.get_text().split()[0] for label in axes.get_yticklabels()]
        assert abs(order.index("cat") - order.index("kitten")) == 1
        assert abs(order.index("stocks") - order.index("shares")) == 1

    def test_cells_are_the_cosines(self, four):
        image = pictures.heatmap(four, order=False).axes[0].images[0].get_array()
        np.testing.assert_allclose(image, veclab.similarity(four, four))

    def test_two_sets_are_named_on_both_axes(self, four):
        words = words_in(pictures.heatmap(four[:2], four[2:]))
        assert {"cat", "stocks", "kitten", "shares"} <= set(words)

    def test_more_texts_than_can_be_named_says_so(self, many):
        assert any("300 x 300 texts; names" in word for word in words_in(pictures.heatmap(many)))

    def test_too_many_are_refused(self):
        many = vectors(np.ones((2001, 4)))
        with pytest.raises(InputError, match="sample"):
            pictures.heatmap(many)

    def test_none_are_refused(self, four):
        with pytest.raises(InputError, match="at least one"):
            pictures.heatmap(four[:0])

    def test_two_spaces_are_refused(self, four):
        other = Vectors(four.array, Space("local", "other", 4), four.ids)
        with pytest.raises(SpaceMismatch):
            pictures.heatmap(four, other)

    @pytest.mark.parametrize("n", [1, 2])
    def test_one_and_two_texts_are_drawn(self, four, n):
        assert len(pictures.heatmap(four[:n]).axes[0].get_yticks()) == n


class TestLengths:
    def test_says_what_is_over_the_limit(self):
        words = " ".join(words_in(pictures.lengths([10, 20, 30, 300], limit=256)))
        assert "1 of 4 texts (25.0%)" in words
        assert "44 tokens not read" in words

    def test_the_longest_texts_are_in_the_last_bar(self):
        picture = pictures.lengths([*range(1, 200), 100_000])
        assert sum(bar.get_height() for bar in picture.axes[0].patches) == 200
        assert any("the last bar holds" in word for word in words_in(picture))

    def test_of_vectors_that_know_their_tokens(self, four):
        known = Vectors(four.array, SPACE, four.ids, tokens=np.array([1, 2, 3, 4], np.int32))
        assert any("median 2" in word for word in words_in(pictures.lengths(known)))
        with pytest.raises(InputError, match="count_tokens"):
            pictures.lengths(four)

    def test_equal_lengths(self):
        assert pictures.lengths([7, 7, 7], limit=7)


class TestSimilarities:
    def test_neighbors_and_random_pairs_have_their_means(self, many):
        words = " ".join(words_in(pictures.similarities(many)))
        found = veclab.nearest(many, many, k=2).scores[:, 1].mean()
        assert f"nearest neighbors, mean {found:.2f}" in words

    def test_a_copy_counts_as_a_neighbor(self):
        twice = vectors(np.tile(np.eye(4), (2, 1)))
        assert "nearest neighbors, mean 1.00" in " ".join(words_in(pictures.similarities(twice)))

    def test_two_vectors_are_too_few(self, four):
        with pytest.raises(InputError, match="at least 3"):
            pictures.similarities(four[:2])


class TestSpectrum:
    def test_a_plane_needs_two_components(self):
        angles = np.linspace(0, 6, 50)
        flat = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1)
        words = words_in(pictures.spectrum(vectors(flat)))
        assert "90% in 2" in words
        assert any("2 of 4" in word for word in words)

    def test_equal_vectors_have_none(self):
        with pytest.raises(InputError, match="same way"):
            pictures.spectrum(vectors(np.ones((5, 4))))


@pytest.fixture
def royal():
    """Words whose analogy is exact: king - man + woman is queen."""
    names = ["man", "woman", "king", "queen", "apple"]
    array = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, 0, 0]], dtype=np.float32)
    array /= np.sqrt(3)  # as the parallelogram is; not unit, which only the cosines would need
    return Vocabulary(WordVectors("tiny", names, array), Space("local", "tiny", 3))


class TestAnalogy:
    def test_an_exact_one_misses_by_nothing(self, royal):
        picture = pictures.analogy(royal, ["king", "woman"], ["man"], k=1)
        caption = " ".join(" ".join(words_in(picture)).split())
        assert "king − man + woman ≈ queen" in caption
        assert "queen lies 0.00 from the target" in caption

    def test_needs_three_corners(self, royal):
        with pytest.raises(InputError, match="two words to add"):
            pictures.analogy(royal, ["king"], ["man"])

    def test_words_on_one_line_are_refused(self, royal):
        with pytest.raises(InputError, match="one line"):
            pictures.analogy(royal, ["king", "king"], ["man"])


class TestScatter:
    def test_groups_beyond_the_seventh_are_gray_and_counted(self):
        x = np.arange(20.0)
        picture = pictures.scatter(x, x, groups=[f"g{i // 2}" for i in range(20)])
        assert "3 others (6)" in words_in(picture)

    def test_labels_without_room_are_counted(self):
        labels = [(0.5, 0.5, f"label {i}") for i in range(60)]
        picture = pictures.scatter([0, 1], [0, 1], labels=labels, note="PCA")
        written = [word for word in words_in(picture) if word.startswith("label")]
        assert 0 < len(written) < 60
        caption = " ".join(" ".join(words_in(picture)).split())
        assert f"PCA; {60 - len(written)} of 60 labels found no room" in caption

    def test_one_huge_value_does_not_make_all_others_alike(self):
        values = np.arange(200.0)
        values[7] = 1e6
        shown, bar = pictures.scatter(np.arange(200), np.arange(200), values=values).axes
        low, high = shown.collections[-1].get_clim()
        assert -1 < low < 5 and 190 < high < 200
        assert bar._colorbar.extend == "both"

    def test_values_that_are_no_numbers_are_gray(self):
        assert pictures.scatter([0, 1, 2], [0, 1, 2], values=[1.0, np.nan, np.inf])

    def test_one_point(self):
        assert pictures.scatter([1], [1])

    @pytest.mark.parametrize(
        ("x", "y", "more"),
        [
            ([], [], {}),
            ([1, 2], [1], {}),
            ([np.nan], [1], {}),
            ([1], [1], {"groups": ["a", "b"]}),
            ([1], [1], {"groups": ["a"], "values": [1]}),
        ],
    )
    def test_bad_input(self, x, y, more):
        with pytest.raises(InputError):
            pictures.scatter(x, y, **more)


class TestReadability:
    """On a telephone, 380 pixels wide, letters are of 7 pixels and more."""

    def drawn(self, many):
        rng = np.random.default_rng(0)
        named = vectors(rng.normal(size=(40, 4)), [f"text of some length, {i}" for i in range(40)])
        xy = rng.normal(size=(300, 2))
        return {
            "heat map of 8": pictures.heatmap(named[:8]),
            "heat map of 40": pictures.heatmap(named),
            "heat map of 300": pictures.heatmap(many),
            "heat map, 6 by 8": pictures.heatmap(named[:6], named[6:14]),
            "lengths": pictures.lengths(np.arange(1, 500), 256, title="Lengths"),
            "similarities": pictures.similarities(many),
            "spectrum": pictures.spectrum(many),
            "map": pictures.scatter(*xy.T, labels=[(0, 0, "label")], groups=["a", "b"] * 150),
            "values": pictures.scatter(*xy.T, values=xy[:, 0], value_name="height", note="t-SNE"),
        }

    def test_letters_are_large_enough(self, many):
        for name, picture in self.drawn(many).items():
            pixels = 380 / picture.get_figwidth() / 72
            sizes = {t.get_text(): t.get_fontsize() for t in picture.findobj(Text) if t.get_text()}
            smallest = min(sizes, key=sizes.get)
            assert sizes[smallest] * pixels > 7, (name, smallest, sizes[smallest] * pixels)


class TestFiles:
    @pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
    def test_the_same_picture_is_the_same_file(self, four, tmp_path, ending):
        paths = [pictures.heatmap(four).write(tmp_path / f"{n}.{ending}") for n in "ab"]
        assert paths[0].read_bytes() == paths[1].read_bytes()

    def test_texts_of_an_svg_are_texts_and_never_markup(self, tmp_path):
        evil = "<script>alert(1)</script> $x$ & \x00 \u202e"
        path = pictures.heatmap(vectors(np.eye(4)[:2], [evil, "b"])).write(tmp_path / "a.svg")
        root = ET.parse(path).getroot()
        written = " ".join(" ".join(element.itertext()) for element in root.iter())
        assert "alert(1)" in written
        assert "$x$" in written
        assert not [e for e in root.iter() if e.tag.endswith("script")]

    def test_missing_glyphs_are_told_once(self, tmp_path):
        odd = vectors(np.eye(4)[:2], ["\U00013000\U00013001", "b"])
        with pytest.warns(UserWarning, match="2 character") as caught:
            pictures.heatmap(odd).write(tmp_path / "a.png")
        assert len(caught) == 1

    def test_a_notebook_shows_it(self, four):
        assert pictures.heatmap(four)._repr_mimebundle_()["image/png"].startswith(b"\x89PNG")

    def test_the_users_own_style_stays(self, four):
        import matplotlib

        matplotlib.rcParams["font.size"] = before = 7
        pictures.heatmap(four)._repr_mimebundle_()
        assert matplotlib.rcParams["font.size"] == before


def test_importing_the_room_does_not_import_matplotlib():
    code = "import sys, veclab; veclab.pictures.heatmap; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
