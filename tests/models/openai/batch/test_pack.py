"""Packing: every input once, in order, and no file or request over a limit."""

import hashlib
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veclab import InputError
from veclab.models.openai.batch.job_folder import JobFolder, Manifest
from veclab.models.openai.batch.pack import BATCH_INPUTS, Asked, Packing, pack, unpack

BODY = {"model": "m", "encoding_format": "base64"}


def asked(number, tokens=3, text=None, alone=False):
    text = f"text {number}" if text is None else text
    digest = hashlib.blake2b(str(number).encode(), digest_size=16).digest()
    return Asked(text, digest, tokens, tokens, f"id{number}", alone)


@pytest.fixture
def folder(tmp_path):
    manifest = Manifest("0" * 32, time.time(), {})
    with JobFolder.create(tmp_path / "job", manifest) as made:
        yield made


def requests(folder, part):
    return [json.loads(line) for line in folder.file("requests", part.name).open()]


@given(
    counts=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30), st.booleans()), max_size=60),
    request_inputs=st.integers(1, 7),
    request_tokens=st.integers(40, 90),
    batch_requests=st.integers(1, 9),
    batch_inputs=st.integers(7, 20),
    batch_bytes=st.integers(600, 2000),
    batch_tokens=st.integers(60, 200),
)
@settings(max_examples=60, deadline=None)
def test_every_input_is_packed_once_in_order_and_no_limit_is_passed(
    tmp_path_factory, counts, **limits
):
    packing = Packing(**limits)
    inputs = [asked(i, tokens, "x" * size, alone) for i, (tokens, size, alone) in enumerate(counts)]
    path = tmp_path_factory.mktemp("pack") / "job"
    with JobFolder.create(path, Manifest("0" * 32, 0.0, {})) as folder:
        parts = pack(folder, inputs, BODY, packing, first=1)
        got = [pair for part in parts for pair in unpack(folder, part)]
        assert [(one.digest, one.tokens, one.id) for one, _ in got] == [
            (one.digest, one.tokens, one.id) for one in inputs
        ]
        assert [value for _, value in got] == [one.value for one in inputs]
        company = {one.digest: one.alone for one in inputs}
        for part in parts:
            lines = requests(folder, part)
            data = folder.file("requests", part.name).read_bytes()
            assert part.sha256 == hashlib.sha256(data).hexdigest()
            assert part.bytes == len(data) <= packing.batch_bytes
            assert part.requests == len(lines) <= packing.batch_requests
            assert part.inputs == sum(len(line["body"]["input"]) for line in lines)
            assert part.inputs <= packing.batch_inputs
            assert part.tokens <= packing.batch_tokens
            assert len({line["custom_id"] for line in lines}) == len(lines)
            for line in lines:
                members = [
                    one for one, _ in unpack(folder, part) if one.request == line["custom_id"]
                ]
                assert [one.index for one in members] == list(range(len(members)))
                assert len(members) <= packing.request_inputs
                assert sum(one.tokens for one in members) <= packing.request_tokens
                if any(company[one.digest] for one in members):
                    assert len(members) == 1


@pytest.mark.parametrize(
    ("request_inputs", "inputs", "lines"),
    [(1, 50_000, 50_000), (1000, 50_000, 50), (2048, 49_152, 24)],
)
def test_fifty_thousand_inputs_are_a_batch_however_they_are_packed(
    folder, request_inputs, inputs, lines
):
    texts = (asked(i, tokens=1) for i in range(BATCH_INPUTS + 1))
    parts = pack(folder, texts, BODY, Packing(request_inputs=request_inputs), first=1)
    assert [part.inputs for part in parts] == [inputs, BATCH_INPUTS + 1 - inputs]
    assert parts[0].requests == lines


def test_a_request_is_what_the_batch_api_asks_for(folder):
    (part,) = pack(folder, [asked(0), asked(1)], BODY, Packing(request_inputs=2), first=7)
    assert part.name == "0007"
    assert requests(folder, part) == [
        {
            "custom_id": "0007-00001",
            "method": "POST",
            "url": "/v1/embeddings",
            "body": {**BODY, "input": ["text 0", "text 1"]},
        }
    ]


def test_nothing_asked_is_no_file(folder):
    assert pack(folder, [], BODY, Packing(), first=1) == []


def test_a_text_that_fits_into_no_file_is_named(folder):
    with pytest.raises(InputError, match=r"text id0 has .* 500 tokens.*--queue-tokens"):
        pack(folder, [asked(0, tokens=500)], BODY, Packing(batch_tokens=100), first=1)
    assert not list(folder.path.glob("*.jsonl*"))


def test_a_request_cannot_hold_more_than_openai_takes():
    with pytest.raises(InputError, match="1 to 2,048"):
        Packing(request_inputs=2049)


def test_a_text_of_its_own_costs_150_bytes_and_no_batch(folder):
    texts = [asked(i, text="x" * 64) for i in range(50)]
    body = {"model": "text-embedding-3-small", "encoding_format": "base64"}
    (part,) = pack(folder, texts, body, Packing(), first=1)
    assert part.bytes / 50 - 64 <= 160
