"""What a page holds is what was given: read back as docs/map-format.md says."""

import base64
import gzip
import html.parser
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.maps.sample import AWKWARD, sample_page
from veclab.maps import pack
from veclab.maps.shorthand import Shorthand, learn


class Reader(html.parser.HTMLParser):
    """The elements of a page, as an HTML parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: dict[str, str] = {}
        self.tags: list[str] = []
        self._id: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._id = dict(attributes).get("id", "main") if tag == "script" else None

    def handle_data(self, data):
        if self._id is not None:
            self.scripts[self._id] = self.scripts.get(self._id, "") + data

    def handle_endtag(self, tag):
        self._id = None

    def head(self):
        return json.loads(self.scripts["head"])

    def blob(self, name: str) -> bytes:
        data, part = b"", 0
        while (found := self.scripts.get(f"v:{name}:{part}")) is not None:
            data += base64.b64decode(found, validate=True)
            part += 1
        assert part, name
        return gzip.decompress(data)

    def strings(self, name: str) -> list[str | None]:
        chunks = range(len(self.head()["chunks"]))
        words = self.blob("words").split(b"\n")
        assert self.head()["words"] == len(words)
        return [s for chunk in chunks for s in strings_of(self.blob(f"{name}-{chunk}"), words)]

    def numbers(self, name: str, kind: str) -> np.ndarray:
        return from_planes(self.blob(name), kind)


def longhand(data: bytes, words: list[bytes]) -> bytes:
    """Words in place of their codes."""
    leads = [0xC0, 0xC1, *range(0xF5, 0xFD)]

    def word(code):
        first, *rest = code[0]
        if first == 0xFD:
            return words[2540 + rest[0] * 254 + rest[1]]
        return words[leads.index(first) * 254 + rest[0]]

    return re.sub(rb"[\xc0\xc1\xf5-\xfc].|\xfd..", word, data, flags=re.DOTALL)


def strings_of(data: bytes, words: list[bytes]) -> list[str | None]:
    """Each ended by 0xFF; 0xFE stands for a missing one."""
    found: list[str | None] = []
    data = longhand(data, words)
    for part in re.findall(rb"\xfe|[^\xfe\xff]*\xff", data):
        found.append(None if part == b"\xfe" else part[:-1].decode())
    return found


def from_planes(data: bytes, kind: str) -> np.ndarray:
    """Numbers whose first bytes come first, then all second ones, and so on."""
    width = np.dtype(kind).itemsize
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.copy().view(kind).reshape(-1)


@pytest.fixture(scope="module")
def page():
    return sample_page(2500)


@pytest.fixture(scope="module")
def read(page):
    return Reader("".join(page.write()))


@pytest.fixture(scope="module")
def order(read):
    return read.numbers("row", "<u4")


def test_every_row_is_there_once(read, order):
    assert sorted(order) == list(range(2500))


def test_coordinates_are_exact_to_a_part_in_four_billion(page, read, order):
    frame = read.head()["maps"][0]["frame"]
    for axis, name in enumerate("xy"):
        steps = read.numbers(f"a-{name}", "<u4").astype(np.float64)
        at = frame[name] + frame["size"] * steps / (2**32 - 1)
        exact = page.layers[0].xy[order, axis].astype(np.float64)
        assert np.abs(at - exact).max() <= frame["size"] / 2**32


def test_strings_come_back_whole_and_long_ones_are_counted(page, read, order):
    assert read.strings("id") == [page.ids[i] for i in order]
    expected = [page.texts[i][: pack.MOST_CHARACTERS] for i in order]
    assert read.strings("text") == expected
    assert read.head()["shortened"] == 1
    assert len(read.head()["chunks"]) >= 3


@given(
    st.lists(st.none() | st.text() | st.text("abc "), max_size=30),
    st.integers(1, 7),
    st.lists(st.from_regex("[abc]{3,5}", fullmatch=True), unique=True),
)
def test_any_strings_come_back_as_utf8(strings, size, words):
    chunks = list(range(0, len(strings), size))
    shorthand = Shorthand([word.encode() for word in words])
    found = []
    for name, data in pack.string_blobs("s", strings, chunks, shorthand):
        assert name == f"s-{len(found) // size}"
        found += strings_of(gzip.decompress(data), list(shorthand.words))
    # A lone surrogate is not a character: it comes out as a question mark.
    assert found == [s if s is None else s.encode("utf-8", "replace").decode() for s in strings]


def test_words_are_those_that_save_most_and_the_texts_get_smaller():
    texts = ["the searcher searches", "the searcher sleeps", None, "the searcher", "searcher ab"]
    assert learn([texts, ["the ab ab", "ab"]]).words == [b"searcher", b"the"]
    assert learn([]).words == []
    many = [f"{i:x}".translate(str.maketrans("0123456789", "ghijklmnop")) * 3 for i in range(9000)]
    shorthand = learn([[" ".join(many[i : i + 9]) for i in range(9000)]])
    assert len(shorthand.words) == 8000  # of which some have codes of three bytes
    text = " ".join(many).encode()
    assert len(shorthand.write(text)) < 0.6 * len(text)
    assert longhand(shorthand.write(text), list(shorthand.words)) == text


@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 2), min_size=1, max_size=40),
)
def test_any_coordinates_come_back_and_each_row_once(points):
    xy = np.array(points, dtype=np.float32)
    fixed, frame = pack.fixed_point(xy)
    corner = np.array([frame["x"], frame["y"]])
    back = corner + frame["size"] * (fixed / (2**32 - 1))
    assert np.abs(back - xy).max() <= frame["size"] / 2**32 + 1e-9 * float(np.abs(xy).max())
    assert sorted(pack.hilbert_order(fixed)) == list(range(len(xy)))


def test_neighbors_and_similarities_come_back(page, read, order):
    head, layer = read.head(), page.layers[0]
    near = head["maps"][0]["neighbors"]
    k, span = near["k"], near["high"] - near["low"]
    starts = [*head["chunks"], head["n"]]
    for chunk in range(len(starts) - 1):
        rows = np.arange(starts[chunk], starts[chunk + 1])
        data = np.frombuffer(read.blob(f"near-a-{chunk}"), np.uint8)
        size = len(rows) * k
        planes = data[: 4 * size].reshape(4, size).astype(np.int64)
        zigzag = (planes * 256 ** np.arange(4)[:, None]).sum(axis=0)
        step = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2).reshape(-1, k)
        assert (order[rows[:, None] + step] == layer.positions[order[rows]]).all()
        less = data[4 * size :].reshape(k, -1).T.astype(int)
        level = less[:, :1] - np.pad(np.cumsum(less[:, 1:], axis=1), ((0, 0), (1, 0)))
        scores = near["low"] + span * level / 255
        assert np.abs(scores - layer.scores[order[rows]]).max() <= span / 510 + 1e-6


def test_columns_come_back(page, read, order):
    head = read.head()
    for said, column in zip(head["columns"], page.columns, strict=True):
        assert said["name"] == column.name
        if said["kind"] == "category":
            codes = np.frombuffer(
                read.blob(said["key"]), np.uint8 if len(said["levels"]) <= 255 else "<u2"
            )
            assert (codes == column.values[order]).all()
            assert said["counts"] == sorted(said["counts"], reverse=True)
            assert sum(said["counts"]) + said["missing"] == head["n"]
        elif said["kind"] == "number":
            kind = f"<f{said['width']}"
            share = said["format"] == "share"
            data = read.blob(said["key"])
            values = np.frombuffer(data, kind) if share else from_planes(data, kind)
            np.testing.assert_array_equal(values, column.values[order])
        else:
            assert read.strings(said["key"]) == [column.strings[i] for i in order]
    assert head["color"] == "c0"


def test_no_text_is_markup_and_no_script_is_over_4_mb(read):
    assert "img" not in read.tags and "b" not in read.tags
    assert read.tags.count("title") == 1
    assert all(text in read.strings("text") for text in AWKWARD if len(text) < 1000)
    assert max(map(len, read.scripts.values())) < 4_000_000


def test_of_a_text_of_a_megabyte_the_beginning_is_there_and_it_is_counted():
    page = sample_page(60)
    page = replace(page, texts=["ab " * 400_000, "ü" * 1_000_000, *page.texts[2:]])
    read = Reader("".join(page.write()))
    assert read.head()["shortened"] == 3  # the sample has one of its own
    texts = read.strings("text")
    assert "ü" * pack.MOST_CHARACTERS in texts and ("ab " * 10_000)[: pack.MOST_CHARACTERS] in texts


def test_a_large_blob_is_cut_into_parts(monkeypatch):
    monkeypatch.setattr("veclab.maps.page._PART", 400)
    read = Reader("".join(sample_page(2000).write()))
    assert "v:a-x:3" in read.scripts
    assert sorted(read.numbers("row", "<u4")) == list(range(2000))


def test_the_page_may_fetch_nothing(page):
    text = "".join(page.write())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "http" not in policy and "unsafe-eval" not in policy
    assert "connect-src" not in policy and "'unsafe-inline'" not in policy.split("style-src")[0]


def test_the_same_map_gives_the_same_file(page):
    assert "".join(page.write()) == "".join(sample_page(2500).write())


def test_two_maps_and_overlaid_rows():
    read = Reader("".join(sample_page(300, second=True, overlay=20).write()))
    head = read.head()
    assert [m["key"] for m in head["maps"]] == ["a", "b"]
    assert len(read.blob("b-x")) == 1200
    marked = next(c for c in head["columns"] if c["key"] == head["overlay"]["column"])
    assert marked["levels"][head["overlay"]["level"]] == "queries.parquet"
    assert head["overlay"]["n"] == 20


@pytest.mark.parametrize("n", [1, 2])
def test_hardly_any_points(n):
    read = Reader("".join(sample_page(n, k=1).write()))
    assert read.head()["n"] == n


def test_hilbert_neighbors_in_order_are_neighbors_on_the_map():
    side = 64
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    order = pack.hilbert_order((grid << 26).astype(np.uint32))
    steps = np.abs(np.diff(grid[order].astype(int), axis=0)).sum(axis=1)
    assert (steps == 1).all()
