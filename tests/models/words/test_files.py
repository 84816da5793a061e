"""Files of word vectors in every format, written here byte by byte, and damaged."""

import gzip
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veclab import ModelUnavailable
from veclab.models.words import files as wordfile
from veclab.models.words.files import read_words

WORDS = ["the", "Müller", "new_york", ",", "3.14"]
ARRAY = np.arange(15, dtype=np.float32).reshape(5, 3) / 7 - 1


def text(header=True, end="\n"):
    lines = [" ".join([w, *(repr(float(x)) for x in row)]) for w, row in zip(WORDS, ARRAY)]  # noqa: B905
    return end.join([*(["5 3"] if header else []), *lines, ""]).encode()


def binary(feed=b""):
    rows = (w.encode() + b" " + row.tobytes() + feed for w, row in zip(WORDS, ARRAY))  # noqa: B905
    return b"5 3\n" + b"".join(rows)


FORMATS = {
    "word2vec text": text(),
    "word2vec text with a space at the end of lines": text(end=" \n"),
    "word2vec text with Windows line ends": text(end="\r\n"),
    "GloVe text": text(header=False),
    "word2vec binary": binary(),
    "word2vec binary with line feeds": binary(b"\n"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("content", FORMATS.values(), ids=FORMATS)
def test_every_format_gives_the_same_words_and_numbers(tmp_path, content, packed):
    file = tmp_path / "vectors"  # the name says nothing
    file.write_bytes(gzip.compress(content) if packed else content)
    words, array, notes = read_words(file)
    assert words == WORDS
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, ARRAY, rtol=1e-6)
    assert notes == []


def test_chunks_make_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(wordfile, "_LINES", 2)
    file = tmp_path / "v.txt"
    file.write_bytes(text())
    words, array, _ = read_words(file)
    assert words == WORDS
    np.testing.assert_allclose(array, ARRAY, rtol=1e-6)


def test_a_word_may_hold_spaces_as_in_the_large_glove(tmp_path):
    file = tmp_path / "v.txt"
    file.write_text("the 1 2 3\n. . . 4 5 6\n")
    assert read_words(file)[0] == ["the", ". . ."]


def test_gensim_reads_the_same(tmp_path):
    models = pytest.importorskip("gensim.models")
    for name, content, is_binary in (("v.txt", text(), False), ("v.bin", binary(), True)):
        (tmp_path / name).write_bytes(content)
        theirs = models.KeyedVectors.load_word2vec_format(tmp_path / name, binary=is_binary)
        words, array, _ = read_words(tmp_path / name)
        assert words == theirs.index_to_key
        np.testing.assert_allclose(array, theirs.vectors, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a file of word vectors"),
        (b"just some prose, no numbers\n", "not a file of word vectors"),
        (b"0 3\n", "holds no word vectors"),
        (text().replace(b"5 3\n", b"6 3\n"), "promises 6 words, 5 are there"),
        (binary()[:-3], "breaks off after 4"),
        (text().replace(b"M\xc3\xbcller -0", b"M\xc3\xbcller x0"), "line 3"),
        (b"the 1 2 3\nof 1 2\n", "line 2"),
        (b"the 1 2 3\nof 1 2 3 4 5\nto 1 x 3\n", "line 3"),
        (gzip.compress(text())[:-20], "cannot be read"),
        (struct.pack("<ii", 793712314, 12) + b"\x00" * 40, "subwords.*[.]vec"),
        (pickle.dumps({"vectors": [1, 2]}), "pickle.*save_word2vec_format"),
        (b"PK\x03\x04rest", "ZIP archive; unpack it"),
    ],
)
def test_what_is_damaged_or_unsafe_is_refused_with_the_reason(tmp_path, content, complaint):
    file = tmp_path / "v.bin"
    file.write_bytes(content)
    with pytest.raises(ModelUnavailable, match=complaint):
        read_words(file)


def test_a_pickle_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "v.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelUnavailable):
        read_words(tmp_path / "v.bin")
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelUnavailable, match="there is no file"):
        read_words(tmp_path / "none.vec")


def test_words_that_are_not_utf_8_are_told(tmp_path):
    (tmp_path / "v.bin").write_bytes(binary().replace("ü".encode(), b"\xfc\xfc"))
    words, _, notes = read_words(tmp_path / "v.bin")
    assert words[1] == "M\ufffd\ufffdller"
    assert "1 words are not whole UTF-8" in notes[0]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "first",
    [
        b"1000000000000 300",
        b"5 99999999999999",
        b"9" * 5000 + b" 3",
        b"5 " + b"9" * 18,
        b"400000 3000",
        b"3 100000",
    ],
)
def test_absurd_promises_of_the_first_line_are_refused(tmp_path, first, packed):
    """Before memory is set aside for them."""
    file = tmp_path / "v.bin"
    content = first + b"\n" + text().split(b"\n", 1)[1]
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ModelUnavailable) as refused:
        read_words(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("head", [b"", b"the 1 2 3\n", b"2 3\nthe 1 2 3\n"])
def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path, head):
    """A gigabyte of spaces, of a megabyte of gzip."""
    file = tmp_path / "v.vec.gz"
    with gzip.open(file, "wb", compresslevel=1) as out:
        out.write(head + b"of 1 2 3")
        for _ in range(256):
            out.write(b" " * (1 << 22))
    tracemalloc.start()
    with pytest.raises(ModelUnavailable):
        read_words(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 25


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), packed=st.booleans(), kind=st.sampled_from([text, binary]))
def test_bytes_changed_at_random_end_in_one_line_or_are_read(tmp_path, data, packed, kind):
    raw = bytearray(gzip.compress(kind(), mtime=0) if packed else kind())
    changes = st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), min_size=1)
    for place, value in data.draw(changes):
        raw[place] = value
    (tmp_path / "v.bin").write_bytes(raw)
    try:
        words, array, _ = read_words(tmp_path / "v.bin")
    except ModelUnavailable as refused:
        assert "\n" not in str(refused)
    else:
        assert len(words) == len(array)
