"""Whatever a file of answers holds: no crash, and no vector that is none."""

import base64
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from veclab.models.openai.batch.job_folder import Input
from veclab.models.openai.batch.results import read_answers

ASKED = {
    "one": [Input("one", 0, b"a" * 16, 3, "17")],
    "two": [Input("two", i, bytes([i]) * 16, 3, str(i)) for i in range(2)],
}
VECTOR = base64.b64encode(np.array([1, 2, 3], "<f4").tobytes()).decode()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(VECTOR),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
entry = st.fixed_dictionaries(
    {"index": st.integers(-1, 2) | anything, "embedding": st.just(VECTOR) | anything}
)
body = st.fixed_dictionaries({"data": st.lists(entry, max_size=3) | anything}) | anything
response = st.fixed_dictionaries({"status_code": st.just(200) | anything, "body": body}) | anything
line = (
    st.fixed_dictionaries(
        {"custom_id": st.sampled_from(["one", "two", "x"]), "response": response, "error": anything}
    )
    | anything
)


@given(
    st.lists(line.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=9), max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_anything_at_all(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "answers.jsonl"
    path.write_bytes(b"\n".join(lines))
    notes: list[str] = []
    names = []
    for answer in read_answers(path, ASKED, 3, notes):
        names.append(answer.request)
        failed = [failure.digest for failure in answer.failures]
        good = [one.digest for one in answer.good]
        assert sorted(failed + good) == sorted(one.digest for one in ASKED[answer.request])
        if good:
            assert answer.vectors.shape == (len(good), 3)
            assert answer.vectors.dtype == np.float32
            assert np.isfinite(answer.vectors).all()
            assert answer.vectors.any(axis=1).all()
    assert len(names) == len(set(names))


def test_a_sound_answer_is_read(tmp_path):
    path = tmp_path / "answers.jsonl"
    data = [{"index": i, "embedding": VECTOR} for i in range(2)]
    line = {
        "custom_id": "two",
        "response": {"status_code": 200, "body": {"data": data, "usage": {"total_tokens": 6}}},
    }
    path.write_text(json.dumps(line))
    notes: list[str] = []
    (answer,) = read_answers(path, ASKED, 3, notes)
    np.testing.assert_array_equal(answer.vectors, [[1, 2, 3], [1, 2, 3]])
    assert (answer.good, answer.failures, answer.tokens) == (ASKED["two"], [], 6)
    assert notes == []
