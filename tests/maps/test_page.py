"""What a page holds is what was given: read back as docs/map-format.md says."""

import base64
import gzip
import html.parser
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.maps.sample import AWKWARD, sample_page
from veclab.maps import pack


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
        texts = []
        for chunk in range(len(self.head()["chunks"])):
            data = self.blob(f"{name}-{chunk}")
            (r,) = np.frombuffer(data, "<u4", 1)
            at = 4 + 4 * int(r)
            for length in np.frombuffer(data, "<u4", r, 4):
                missing = length == 0xFFFFFFFF
                texts.append(None if missing else data[at : at + int(length)].decode())
                at += 0 if missing else int(length)
        return texts


@pytest.fixture(scope="module")
def page():
    return sample_page(2500)


@pytest.fixture(scope="module")
def read(page):
    return Reader("".join(page.write()))


@pytest.fixture(scope="module")
def order(read):
    return np.frombuffer(read.blob("row"), "<u4")


def test_every_row_is_there_once(read, order):
    assert sorted(order) == list(range(2500))


def test_coordinates_are_exact_to_a_part_in_four_billion(page, read, order):
    frame = read.head()["maps"][0]["frame"]
    for axis, name in enumerate("xy"):
        high = np.frombuffer(read.blob(f"a-{name}h"), "<u2").astype(np.float64)
        low = np.frombuffer(read.blob(f"a-{name}l"), "<u2")
        at = frame[name] + frame["size"] * (high * 65536 + low) / (2**32 - 1)
        exact = page.layers[0].xy[order, axis].astype(np.float64)
        assert np.abs(at - exact).max() <= frame["size"] / 2**32


def test_strings_come_back_whole_and_long_ones_are_counted(page, read, order):
    assert read.strings("id") == [page.ids[i] for i in order]
    expected = [page.texts[i][: pack.MOST_CHARACTERS] for i in order]
    assert read.strings("text") == expected
    assert read.head()["shortened"] == 1
    assert len(read.head()["chunks"]) >= 3


@given(st.lists(st.none() | st.text(), max_size=30), st.integers(1, 7))
def test_any_strings_come_back_as_utf8(strings, size):
    chunks = list(range(0, len(strings), size))
    found = []
    for name, data in pack.string_blobs("s", strings, chunks):
        data = gzip.decompress(data)
        assert name == f"s-{len(found) // size}"
        r, *lengths = np.frombuffer(data[: 4 + 4 * int(np.frombuffer(data, "<u4", 1)[0])], "<u4")
        at = 4 + 4 * int(r)
        for length in lengths:
            size_here = 0 if length == 0xFFFFFFFF else int(length)
            found.append(None if length == 0xFFFFFFFF else data[at : at + size_here].decode())
            at += size_here
    # A lone surrogate is not a character: it comes out as a question mark.
    assert found == [s if s is None else s.encode("utf-8", "replace").decode() for s in strings]


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
        scores = near["low"] + span * data[4 * size :].reshape(-1, k) / 255
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
            values = np.frombuffer(read.blob(said["key"]), f"<f{said['width']}")
            np.testing.assert_array_equal(values, column.values[order])
        else:
            assert read.strings(said["key"]) == [column.strings[i] for i in order]
    assert head["color"] == "c0"


def test_no_text_is_markup_and_no_script_is_over_4_mb(read):
    assert "img" not in read.tags and "b" not in read.tags
    assert read.tags.count("title") == 1
    assert all(text in read.strings("text") for text in AWKWARD if len(text) < 1000)
    assert max(map(len, read.scripts.values())) < 4_000_000


def test_a_large_blob_is_cut_into_parts(monkeypatch):
    monkeypatch.setattr("veclab.maps.page._PART", 400)
    read = Reader("".join(sample_page(2000).write()))
    assert "v:a-xl:3" in read.scripts
    assert sorted(np.frombuffer(read.blob("row"), "<u4")) == list(range(2000))


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
    assert len(read.blob("b-xh")) == 600
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
