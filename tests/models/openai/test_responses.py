"""Nothing an endpoint says is taken for a vector that is not one."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from veclab.models.openai.responses import Fault, read_answer


def item(index, numbers):
    raw = np.asarray(numbers, "<f4").tobytes()
    return {"index": index, "embedding": base64.b64encode(raw).decode()}


def body(*data, **more):
    return json.dumps({"data": list(data), **more}).encode()


GOOD = [item(0, [1, 2]), item(1, [3, 4])]


@pytest.mark.parametrize(
    "data", [GOOD, [{"index": i, "embedding": r} for i, r in enumerate([[1, 2], [3, 4]])]]
)
def test_vectors_come_in_base64_or_as_numbers(data):
    vectors, tokens = read_answer(body(*data, usage={"total_tokens": 7}), 2, 2)
    np.testing.assert_array_equal(vectors, [[1, 2], [3, 4]])
    assert vectors.dtype == np.float32
    assert tokens == 7


def test_a_server_may_leave_out_what_is_not_needed():
    vectors, tokens = read_answer(body({"embedding": [1.0, 2.0]}), 1, None)
    assert vectors.shape == (1, 2)
    assert tokens is None


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "empty answer"),
        (b"<html>", "web page"),
        (body(*GOOD)[:-20], "cut short or not JSON"),
        (b"[]", "no list `data`"),
        (b'{"data": null}', "no list `data`"),
        (b'{"data": [1, 2]}', "no list `data`"),
        (b'{"error": {"message": "x"}}', "an error instead of vectors.*x"),
        (body(GOOD[0]), "1 vectors came for 2 texts"),
        (body(*GOOD, item(2, [5, 6])), "3 vectors came for 2 texts"),
        (body(GOOD[0], GOOD[0]), "indices are not those of 2 texts"),
        (body(item(1, [1, 2]), item(2, [3, 4])), "indices are not those of 2 texts"),
        (body(item(2, [1, 2]), {"embedding": [3, 4]}), "indices are not those of 2 texts"),
        (body(item("0", [1, 2]), item("1", [3, 4])), "not a whole number"),
        (body(item(False, [1, 2]), item(True, [3, 4])), "not a whole number"),
        (body(item(0, [1, 2, 3]), item(1, [1, 2, 3])), "3 dimensions came instead of 2"),
        (body(item(0, [1, 2]), item(1, [1, 2, 3])), r"\[2, 3\] dimensions"),
        (body(item(0, []), item(1, [])), "0 dimensions"),
        (body(GOOD[0], item(1, [np.nan, 1])), "1 vector.s. of NaN or zeros"),
        (body(GOOD[0], item(1, [np.inf, 1])), "1 vector.s. of NaN or zeros"),
        (body(GOOD[0], item(1, [0, 0])), "1 vector.s. of NaN or zeros"),
        (body(GOOD[0], {"index": 1, "embedding": "%%"}), "neither base64 nor"),
        (body(GOOD[0], {"index": 1, "embedding": "AAA="}), "neither base64 nor"),
        (body(GOOD[0], {"index": 1, "embedding": [10**400, 1]}), "neither base64 nor"),
        (body(GOOD[0], {"index": 1, "embedding": None}), "neither base64 nor"),
        (body(GOOD[0], {"index": 1, "embedding": [[1], [2]]}), "a list of vectors.*--pooling mean"),
        (body(GOOD[0], {"index": 1, "embedding": [[[1], [2]]]}), "neither base64 nor"),
        (body(GOOD[0], {"index": 1, "embedding": ["a", "b"]}), "neither base64 nor"),
    ],
)
def test_whatever_else_comes_is_a_fault_that_says_what(raw, complaint):
    with pytest.raises(Fault, match=complaint):
        read_answer(raw, 2, 2)


@pytest.mark.parametrize(
    ("indices", "lacking"),
    [
        ([2, 0, 1], None),  # a server that answers as its workers finish
        ([2, 1, 0], None),
        ([0, 1, 2], 0),  # Gemini leaves out a 0
        ([2, 0, 1], 1),
        ([1, 2, 0], 2),
    ],
)
def test_vectors_are_put_in_the_order_that_their_indices_tell(indices, lacking):
    items = [item(index, [index + 1, 0.5]) for index in indices]
    if lacking is not None:
        del items[lacking]["index"]
    vectors, _ = read_answer(body(*items), 3, 2)
    np.testing.assert_array_equal(vectors, [[1, 0.5], [2, 0.5], [3, 0.5]])


def test_with_two_indices_lacking_nobody_knows_the_order():
    items = [item(2, [3, 0.5]), {"embedding": [1, 0.5]}, {"embedding": [2, 0.5]}]
    with pytest.raises(Fault, match="not those of 3 texts"):
        read_answer(body(*items), 3, 2)


def test_bad_rows_of_an_answer_in_another_order_are_those_of_the_texts():
    with pytest.raises(Fault) as raised:
        read_answer(body(item(1, [1, 1]), item(2, [1, 2]), item(0, [0, 0])), 3, 2)
    assert raised.value.rows == (0,)


def test_bad_rows_are_told():
    with pytest.raises(Fault) as raised:
        read_answer(body(item(0, [0, 0]), item(1, [1, 1]), item(2, [np.nan, 1])), 3, 2)
    assert raised.value.rows == (0, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "index", "embedding", "usage", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values | st.fixed_dictionaries({"data": st.lists(json_values, max_size=3)}))
def test_any_json_at_all_is_an_answer_or_a_fault(value):
    try:
        vectors, _ = read_answer(json.dumps(value).encode(), 1, None)
    except Fault:
        return
    assert vectors.ndim == 2
    assert np.isfinite(vectors).all()


@given(st.binary(max_size=60))
def test_any_bytes_at_all_are_an_answer_or_a_fault(raw):
    with pytest.raises(Fault):
        read_answer(raw, 1, 2)
