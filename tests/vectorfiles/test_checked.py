"""Bad bytes in files of vectors: every fault is one line, and no vector is ever a shifted one."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veclab import InputError, Report, Space, Vectors, read
from veclab.errors import VeclabError
from veclab.space import Recipe
from veclab.vectorfiles.schema import RECIPE_KEY, REPORT_KEY, SPACE_KEY
from veclab.vectorfiles.source import open_vectors
from veclab.vectorfiles.summary import summarize

SPACE = Space("fake", "model", 3, weights="aa")
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
# One folder serves all examples of a test.
many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def ours(**changes) -> pa.Table:
    """A table as veclab writes it, but for some columns or metadata."""
    columns = {
        "id": pa.array(["a", "b", "c"]),
        "text": pa.array(["one", "two", "three"]),
        "embedding": pa.array(ROWS, pa.list_(pa.float32(), 3)),
        "tokens": pa.array([1, 1, 1], pa.int32()),
        "truncated": pa.array([False, False, True]),
    }
    metadata = {
        SPACE_KEY: SPACE.to_json(),
        **{k: changes.pop(k) for k in list(changes) if "." in k},
    }
    return pa.table(columns | changes).replace_schema_metadata(metadata)


def look_everywhere(path):
    """Read a file in every way there is; the errors' messages."""
    said = []
    for look in (
        read,
        summarize,
        lambda file: [list(open_vectors(file).blocks()), *open_vectors(file).all_texts()],
        lambda file: open_vectors(file).names([0]),
    ):
        try:
            look(path)
        except VeclabError as error:
            said.append(str(error))
    for message in said:
        assert "\n" not in message
        assert path.name in message
    return said


LISTS = {
    "shifted": pa.array(
        [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], pa.list_(pa.float32())
    ),
    "a vector is null": pa.array([ROWS[0], None, ROWS[2]], pa.list_(pa.float32(), 3)),
    "shorter than the Space": pa.array([row[:2] for row in ROWS], pa.list_(pa.float32(), 2)),
    "strings": pa.array([["1", "2", "3"]] * 3),
    "no lists": pa.array([1.0, 2.0, 3.0]),
    "lists of lists": pa.array([[[1.0]], [[2.0]], [[3.0]]]),
    "truth": pa.array([[True, False, True]] * 3),
    "empty lists": pa.array([[], [], []], pa.list_(pa.float32())),
    "structs": pa.array([{"x": 1.0}] * 3),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_column_of_vectors_is_what_it_should_be_or_refused(tmp_path, kind):
    path = tmp_path / "v.parquet"
    pq.write_table(ours(embedding=LISTS[kind]), path)
    for strict in (read, summarize):
        with pytest.raises(InputError, match=r"v\.parquet"):
            strict(path)
    look_everywhere(path)


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.int8())], ids=str
)
def test_numbers_of_other_types_are_read(tmp_path, kind):
    pq.write_table(ours(embedding=pa.array(ROWS).cast(kind)), tmp_path / "v.parquet")
    np.testing.assert_array_equal(read(tmp_path / "v.parquet").array, np.float32(ROWS))


OTHER = {
    "id": (pa.array([1, 2, 3]), pa.array(["a", None, "c"]), pa.array([["a"], ["b"], ["c"]])),
    "text": (pa.array([1, 2, 3]), pa.array([b"\xff", b"\xfe", b"a"])),
    "tokens": (pa.array(["1", "2", "3"]), pa.array([1.5, 2.5, 3.5])),
    "truncated": (pa.array(["no"] * 3), pa.array([0, 1, 0])),
}


@pytest.mark.parametrize(("name", "column"), [(n, c) for n, cs in OTHER.items() for c in cs])
def test_other_columns_of_other_types_are_refused(tmp_path, name, column):
    pq.write_table(ours(**{name: column}), tmp_path / "v.parquet")
    with pytest.raises(InputError, match=r"v\.parquet"):
        read(tmp_path / "v.parquet")
    look_everywhere(tmp_path / "v.parquet")


def test_a_text_that_is_no_utf_8_is_refused(tmp_path):
    broken = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(np.int32([0, 1, 2, 3])), pa.py_buffer(b"a\xffb")]
    )
    pq.write_table(ours(text=broken), tmp_path / "v.parquet")
    with pytest.raises(InputError, match=r"v\.parquet"):
        read(tmp_path / "v.parquet")


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = ours()
    double = table.append_column("embedding", table["embedding"])
    pq.write_table(double, tmp_path / "v.parquet")
    assert len(look_everywhere(tmp_path / "v.parquet")) == 4


class TestFacts:
    """Space, Recipe and Report as a file says them."""

    RECIPE = Recipe(SPACE, role="query", prepare=("strip",), max_tokens=9)

    @pytest.mark.parametrize(
        "text",
        [
            "[]",
            "1",
            "null",
            "",
            "{",
            "[" * 100_000,
            '{"dimensions": ' + "9" * 5000 + "}",
            b"\xff\xfe",
        ],
    )
    @pytest.mark.parametrize("kind", [Space, Recipe, Report])
    def test_that_are_something_else_are_refused(self, kind, text):
        with pytest.raises(InputError, match="not a"):
            kind.from_json(text)

    @many
    @given(name=st.sampled_from(list(SPACE.to_dict())), value=JSON)
    def test_of_a_space_have_their_types(self, name, value):
        self.either_as_before_or_refused(Space, SPACE.to_dict() | {name: value})

    @many
    @given(name=st.sampled_from(list(RECIPE.to_dict())), value=JSON)
    def test_of_a_recipe_have_their_types(self, name, value):
        whole = json.loads(self.RECIPE.to_json())
        self.either_as_before_or_refused(Recipe, whole | {name: value})

    @many
    @given(name=st.sampled_from(list(Report().to_dict())), value=JSON)
    def test_of_a_report_have_their_types(self, name, value):
        self.either_as_before_or_refused(Report, Report().to_dict() | {name: value})

    def either_as_before_or_refused(self, kind, facts):
        try:
            found = kind.from_json(json.dumps(facts))
        except InputError:
            return
        str(found)
        repr(found)
        if kind is Report:
            found.lines()
            assert kind.from_dict(found.to_dict()) == found
        else:
            assert kind.from_json(found.to_json()).id == found.id

    @many
    @given(key=st.sampled_from([SPACE_KEY, RECIPE_KEY, REPORT_KEY]), value=JSON)
    def test_in_a_file_name_it(self, tmp_path, key, value):
        pq.write_table(ours(**{key.decode(): json.dumps(value)}), tmp_path / "v.parquet")
        look_everywhere(tmp_path / "v.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
@settings(many, max_examples=200)
@given(data=st.data())
def test_bytes_changed_at_random_end_in_one_line_or_are_read(tmp_path, suffix, data):
    vectors = Vectors(np.float32(ROWS), SPACE, ids=["a", "b", "c"], texts=["one", "two", "three"])
    path = vectors.save(tmp_path / f"v{suffix}")
    raw = bytearray(path.read_bytes())
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), min_size=1)
    ):
        raw[place] = value
    path.write_bytes(raw)
    look_everywhere(path)


def npz(path, **members: bytes):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def npy(array) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def header(shape: str, kind: str = "<f4") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        header("(1000000000000, 384)"),
        header("(9999999999999999999999, 384)"),
        header("(-1, 384)"),
        header("(3, 3)", "|O") + b"\x80\x04.",
        header("'abc'"),
        header("(" * 90 + ")" * 90),
        b"\x93NUMPY\x09\x09",
        b"",
        npy(np.array(["a", "b"])),
        npy(np.zeros((3, 0), np.float32)),
        npy(np.zeros((2, 2, 2), np.float32)),
        npy(np.zeros(3, [("x", "<f4")])),
    ],
)
def test_absurd_arrays_are_refused(tmp_path, content):
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"v\.npy"):
        list(open_vectors(tmp_path / "v.npy").blocks())
    path = npz(tmp_path / "v.npz", embedding=content)
    with pytest.raises(InputError, match=r"v\.npz"):
        list(open_vectors(path).blocks())


@pytest.mark.parametrize(
    "changes",
    [
        {"embedding": np.zeros((3, 4), np.float32)},
        {"embedding": np.array([["a"] * 3] * 3)},
        {"id": np.array([1, 2, 3])},
        {"id": np.array(["a", "b"])},
        {"space": np.array("[]")},
        {"space": np.array([1, 2])},
        {"text_ends": np.array([3, 1, 9])},
        {"text_ends": np.array([3, 6, 900])},
        {"text_ends": np.array([-3, 6, 11])},
        {"text_utf8": np.frombuffer(b"\xff" * 11, np.uint8)},
        {"tokens": np.array(["1", "2", "3"])},
        {"truncated": np.array([1.0, 2.0, 3.0])},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_parts_of_our_npz_are_what_they_should_be(tmp_path, changes):
    vectors = Vectors(
        np.float32(ROWS),
        SPACE,
        ids=["a", "b", "c"],
        texts=["one", "two", "three"],
        tokens=np.int32([1, 1, 1]),
        truncated=np.array([False] * 3),
    )
    path = vectors.save(tmp_path / "v.npz")
    with np.load(path) as file:
        parts = dict(file) | changes
    np.savez(path, **parts)
    with pytest.raises(InputError, match=r"v\.npz"):
        read(path)


def test_a_pickle_beside_the_vectors_is_left_alone(tmp_path):
    """What is not asked for is not read, so it cannot hinder."""
    labels = np.array([{"any": "object"}] * 3, dtype=object)
    np.savez(tmp_path / "v.npz", emb=np.float32(ROWS), labels=labels)
    (block,) = open_vectors(tmp_path / "v.npz").blocks()
    np.testing.assert_array_equal(block.array, np.float32(ROWS))
    with pytest.raises(InputError, match=r"v\.npz"):
        open_vectors(tmp_path / "v.npz", column="labels")
