"""Reading a corpus: what each format gives, what is refused and how the refusal helps."""

import csv
import gc
import gzip
import io
import json
import math
import os
import subprocess
import sys
import tempfile
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import veclab.corpus
import veclab.corpus.scan
from veclab.corpus import open_source
from veclab.corpus.columns import MAX_DEPTH, MAX_FIELDS
from veclab.errors import InputError


def read(source, **cut):
    """Everything in a source: ids, texts, and its own columns as one table."""
    blocks = list(source.blocks(**cut))
    tables = [block.columns for block in blocks if block.columns is not None]
    ids = [name for block in blocks for name in block.ids]
    texts = [text for block in blocks for text in block.texts]
    assert len(ids) == len(texts) == source.rows
    return ids, texts, pa.concat_tables(tables) if tables else None


@pytest.fixture
def write(tmp_path):
    def write(name, data):
        path = tmp_path / name
        data = data.encode() if isinstance(data, str) else data
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


def jsonl(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        open_source(path, **options)
    return str(caught.value)


# -- What each format gives ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_text_lines_are_numbered_as_an_editor_numbers_them(write, suffix):
    path = write("a.txt" + suffix, "\ufeffone\r\n\ntwo\u2028still two\x0b\x0c\x85\n last \rline")
    source = open_source(path)
    ids, texts, own = read(source)
    assert ids == ["1", "2", "3", "4"]
    assert texts == ["one", "", "two\u2028still two\x0b\x0c\x85", " last \rline"]
    assert own is None and source.schema == pa.schema([])
    assert (source.text_columns, source.id_column, source.notes) == (("text",), None, ())


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "A.JSONL"])
def test_json_lines(write, name):
    path = write(
        name,
        "\ufeff" + jsonl({"id": 7, "text": "one", "n": 1}) + "\n  \n" + '{"text":null,"id":"b"}',
    )
    ids, texts, own = read(open_source(path))
    assert (ids, texts) == (["7", "b"], ["one", None])
    assert own.to_pydict() == {"n": [1, None]} and own.schema.field("n").type == pa.int64()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_csv_values_stay_strings_and_quotes_hold_newlines(write, suffix):
    path = write("a.csv" + suffix, '\ufeffid,text,n\r\n007,"a ""b""\r\nc, d",1.0\r\n\r\n8,e,\r\n')
    ids, texts, own = read(open_source(path))
    assert (ids, texts) == (["007", "8"], ['a "b"\r\nc, d', "e"])
    assert own.to_pydict() == {"n": ["1.0", ""]}


def test_tsv_knows_no_quotes(write):
    ids, texts, own = read(open_source(write("a.tsv.gz", 'text\tn\n"a\t"x\nb""\t\r\n')))
    assert (ids, texts) == (["1", "2"], ['"a', 'b""'])
    assert own.to_pydict() == {"n": ['"x', ""]}


@pytest.mark.parametrize("name, data", [("a.csv", "x,y\nu,v\n"), ("a.tsv", "x\ty\nu\tv\n")])
def test_without_a_header_columns_are_numbered(write, name, data):
    source = open_source(write(name, data), header=False, column="2", id_column="1")
    assert read(source)[:2] == (["x", "u"], ["y", "v"])


def test_a_blank_line_is_a_record_where_records_have_one_field(write):
    assert read(open_source(write("a.csv", "text\na\n\nb\n")))[1] == ["a", "", "b"]
    assert read(open_source(write("a.tsv", "text\ta\nx\ty\n\n")))[1] == ["x"]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.uint8(), pa.string())],
    ids=str,
)
def test_parquet_passes_own_columns_through(tmp_path, kind):
    own = pa.table(
        {
            "n": pa.array([1, None, 3], pa.uint16()),
            "n.x": pa.array([[{"a": 1}], [], None], pa.list_(pa.struct([("a", pa.int8())]))),
            "day": pa.array([0, 1, 2], pa.date32()),
        },
        schema=pa.schema(
            [
                pa.field("n", pa.uint16(), metadata={b"unit": b"m"}),
                ("n.x", pa.list_(pa.field("element", pa.struct([("a", pa.int8())])))),
                pa.field("day", pa.date32(), nullable=False),
            ]
        ),
    )
    text = pa.array(["one", None, "one"], kind)
    table = own.append_column("text", text).append_column("id", pa.array([5, 6, 7], pa.int8()))
    pq.write_table(table.replace_schema_metadata({b"mine": b"1"}), tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    ids, texts, got = read(source, size=2)
    assert (ids, texts) == (["5", "6", "7"], ["one", None, "one"])
    assert got.equals(own) and got.schema.equals(own.schema)
    assert source.schema.metadata is None
    assert source.schema.field("n").metadata[b"unit"] == b"m"


def test_a_folder_gives_a_text_a_file(tmp_path):
    for name in ["b.md", "a/z.TXT", "a/b.txt", "skip.pdf"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\xef\xbb\xbftext of\n" + name.encode())
    source = open_source(tmp_path)
    assert read(source) == (
        ["a/b.txt", "a/z.TXT", "b.md"],
        ["text of\na/b.txt", "text of\na/z.TXT", "text of\nb.md"],
        None,
    )
    assert source.notes == (
        "files not read, being neither .txt nor .md nor .markdown nor .rst nor .adoc nor .org "
        "nor .tex: 1",
    )


def test_standard_input_is_read_twice_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for data, format, texts in [
        (b"one\ntwo\n", None, ["one", "two"]),
        (jsonl({"text": "one"}).encode(), "jsonl", ["one"]),
        (gzip.compress(b"text\none\n"), ".csv.gz", ["one"]),
    ]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        source = open_source("-", format=format)
        assert source.name == "-" and len(list(tmp_path.iterdir())) == 1
        assert read(source)[1] == read(source)[1] == texts
        del source
        gc.collect()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"one\ntwo"))
    writer.start()
    assert read(open_source(tmp_path / "pipe", format="txt"))[1] == ["one", "two"]
    writer.join()


def test_format_overrides_the_suffix(write):
    data = jsonl({"text": "one"})
    assert read(open_source(write("a.log", data), format="jsonl"))[1] == ["one"]
    assert read(open_source(write("a.jsonl", data), format="txt"))[1] == [data.rstrip()]
    assert read(open_source(write("a.gz", data), format=".NDJSON"))[1] == ["one"]
    path = write("gzip data without the suffix.txt", gzip.compress(b"one"))
    assert read(open_source(path))[1] == ["one"]


# -- Which column is what -----------------------------------------------------------------------


def test_the_text_column_is_text_or_the_only_strings(write):
    path = write("a.jsonl", jsonl({"id": "a", "n": 1, "body": "one"}, {"id": "b", "body": "two"}))
    source = open_source(path)
    assert source.text_columns == ("body",) and source.schema.names == ["n"]

    both = write("b.jsonl", jsonl({"body": "one", "title": "two"}))
    assert "--column NAME: 'body', 'title'" in refusal(both)
    assert open_source(both, column="title").text_columns == ("title",)
    assert "did you mean 'title'" in refusal(both, column="titel")

    late = write("c.jsonl", jsonl({"body": "one"}, {"body": "two", "title": "late"}))
    assert "--column NAME" in refusal(late)  # seen at once
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(veclab.corpus, "SCAN_ROWS", 1)  # seen only later
        assert "--column NAME" in refusal(late)
        assert open_source(late, column="title").text_columns == ("title",)


def test_the_id_column_is_id_or_underscore_id_or_record_numbers(write):
    both = write("a.jsonl", jsonl({"_id": "x", "id": "y", "text": "t"}))
    assert read(open_source(both))[0] == ["y"]
    assert read(open_source(both, drop=["id"]))[0] == ["x"]
    assert read(open_source(both, drop=["id", "_id"]))[0] == ["1"]
    assert read(open_source(both, drop=["id"], id_column="#"))[0] == ["1"]
    assert "--drop id" in refusal(both, id_column="_id")
    assert "did you mean '_id'" in refusal(both, id_column="_ids")
    assert "both the text and the id" in refusal(both, column="id", id_column="id")


@pytest.mark.parametrize("bad, kind", [(1.5, "a float"), (None, "null"), (True, "a boolean")])
def test_ids_are_strings_or_integers(write, bad, kind):
    path = write("a.jsonl", "\n" + jsonl({"id": 1, "text": "a"}, {"id": bad, "text": "b"}))
    assert f"a.jsonl, line 3: column 'id' holds {kind}, not an id" in refusal(path)


@pytest.mark.parametrize(
    "bad, kind",
    [(1, "an integer"), (True, "a boolean"), ([], "a list"), ({}, "an object"), (0.5, "a float")],
)
def test_texts_are_strings_or_null(write, bad, kind):
    path = write("a.jsonl", jsonl({"text": None}, {"text": "a"}, {"text": bad}))
    assert f"a.jsonl, line 3: column 'text' holds {kind}, not a text" in refusal(path)


def test_parquet_values_are_checked_too(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "id": ["x", None]}), path)
    assert "a.parquet, row 2: column 'id' holds null" in refusal(path)
    pq.write_table(pa.table({"text": pa.array([0, 1], pa.date32())}), path)
    assert "a.parquet, row 1: column 'text' holds a date" in refusal(path)


def test_columns_named_like_the_output(write, tmp_path):
    path = write("a.jsonl", jsonl({"text": "a", "embedding": [1.5]}))
    assert "--drop embedding" in refusal(path)
    assert open_source(path, drop=["embedding"]).schema.names == []
    assert "did you mean 'embedding'" in refusal(path, drop=["embeding"])
    assert "'text' is both" in refusal(path, column="text", drop=["text"])

    table = pa.table({"id": ["x"], "text": ["a"], "embedding": [[0.5]], "tokens": [3], "n": [1]})
    ours = tmp_path / "ours.parquet"
    pq.write_table(table.replace_schema_metadata({b"veclab.space": b"{}"}), ours)
    source = open_source(ours)
    assert source.schema.names == ["n"]
    assert source.notes == ("left out what an earlier veclab run added: embedding, tokens",)
    theirs = tmp_path / "theirs.parquet"
    pq.write_table(table, theirs)
    assert "--drop embedding" in refusal(theirs)


# -- Ids that occur twice -----------------------------------------------------------------------


def test_duplicate_ids_are_named_with_their_lines(write):
    path = write("a.jsonl", jsonl(*({"id": i, "text": "t"} for i in ["a", 1, "b", "1", "a", "a"])))
    message = refusal(path)
    assert "'a' (lines 1 and 5)" in message and "'1' (lines 2 and 4)" in message
    assert "--id-column '#' --drop id" in message and "'b'" not in message
    assert read(open_source(path, id_column="#", drop=["id"]))[0] == list("123456")


def test_no_more_than_five_duplicates_are_named(write):
    rows = "".join(f"id{n % 50}\ttext\n" for n in range(100))
    message = refusal(write("a.tsv", "id\ttext\n" + rows))
    assert message.count("(lines") == 5 and "and more" in message


def test_ids_of_equal_digest_are_no_duplicates(write, monkeypatch):
    monkeypatch.setattr(veclab.corpus.scan, "digests", lambda ids: b"\0" * 8 * len(ids))
    monkeypatch.setattr(veclab.corpus.scan, "SCAN_ROWS", 2)
    rows = [{"id": i, "text": "t"} for i in "abcde"]
    assert open_source(write("a.jsonl", jsonl(*rows))).rows == 5
    assert "'b' (lines 2 and 6)" in refusal(write("b.jsonl", jsonl(*rows, rows[1])))


# -- The types of own columns in JSON -----------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1, 2**63])
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=6,
)


def gives_back(value, got):
    """Whether an Arrow column gave the JSON value back; a missing key is null."""
    if isinstance(value, dict):
        return got.keys() >= value.keys() and all(gives_back(value.get(k), got[k]) for k in got)
    if isinstance(value, list):
        return len(value) == len(got) and all(map(gives_back, value, got))
    return value == got and isinstance(value, bool) == isinstance(got, bool)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional={"x": JSON, "y": JSON}), min_size=1, max_size=6))
def test_own_columns_give_back_what_was_read_however_the_file_is_cut(records):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = os.path.join(folder, "a.jsonl")  # noqa: PTH118
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(jsonl(*({"text": "t", **record} for record in records)))
        source = open_source(path)
        patch.setattr(veclab.corpus, "SCAN_ROWS", 1)
        again = open_source(path)
        assert (again.schema, again.notes) == (source.schema, source.notes)

        own = read(source, size=2)[2]
        assert (own is None) == (not any(records))
        for name in source.schema.names:
            as_json = any(note.startswith(f"column {name!r}") for note in source.notes)
            for record, got in zip(records, own[name].to_pylist(), strict=True):
                value = json.loads(got) if as_json and got is not None else got
                assert gives_back(record.get(name), value)
        if own is not None:
            pq.write_table(own, os.path.join(folder, "a.parquet"))  # noqa: PTH118
            back = pq.read_table(os.path.join(folder, "a.parquet"))  # noqa: PTH118
            assert back.to_pylist() == own.to_pylist()


def nested(depth, value):
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "values, reason",
    [
        ([1, "a"], "holds a string and an integer in different records"),
        ([1.5, True], "holds a boolean and a float in different records"),
        ([2**63], "holds integers beyond 64 bits"),
        ([2**53 + 1, 0.5], "holds integers beyond 53 bits"),
        ([{}], "holds objects without keys"),
        ([{f"k{n}": n} for n in range(MAX_FIELDS + 1)], "more than 256 different keys"),
        ([nested(MAX_DEPTH + 1, 1)], "is nested deeper than 12 levels"),
        ([nested(MAX_DEPTH, {})], "is nested deeper than 12 levels"),
    ],
)
def test_what_no_column_can_hold_is_kept_as_json(write, values, reason):
    source = open_source(write("a.jsonl", jsonl(*({"text": "t", "x": v} for v in values))))
    assert source.schema == pa.schema([("x", pa.string())])
    assert len(source.notes) == 1 and reason in source.notes[0]
    assert [json.loads(x) for x in read(source)[2]["x"].to_pylist()] == values


def test_numbers_that_json_does_not_have(write):
    source = open_source(write("a.jsonl", '{"text":"t","x":NaN}\n{"text":"t","x":-Infinity}\n'))
    first, second = read(source)[2]["x"].to_pylist()
    assert math.isnan(first) and second == -math.inf


def test_half_surrogate_pairs(write):
    record = '{"id":"i\\ud800","text":"\\udC00 \\ud83d\\ude00","x":{"\\ud800":["\\ude00"]}}\n'
    source = open_source(write("a.jsonl", record + '{"id":"\\ud83d\\ude00","text":"t"}\n'))
    ids, texts, own = read(source)
    assert texts == ["\udc00 😀", "t"]  # for the text preparation to report
    assert ids == ["i\ufffd", "😀"]
    assert own.to_pydict() == {"x": [{"\ufffd": ["\ufffd"]}, None]}
    assert source.notes == ("halves of surrogate pairs became U+FFFD in 'id', 'x'",)
    assert "'\\ud800' holds half" in refusal(write("b.jsonl", '{"text":"t","\\ud800":1}'))


# -- What is refused, and where -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv.gz", "a.parquet"])
def test_nothing_in_the_file(write, name):
    assert "holds no texts" in refusal(write(name, ""))


def test_nothing_but_a_header_or_blank_lines(write, tmp_path):
    assert "holds no texts" in refusal(write("a.csv", "id,text\n"))
    assert "holds no texts" in refusal(write("a.jsonl", "\n \n"))
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert "holds no texts" in refusal(tmp_path / "a.parquet")
    (tmp_path / "empty").mkdir()
    assert "holds no text files (.txt, .md, " in refusal(tmp_path / "empty")


def test_paths_that_lead_nowhere(write, tmp_path):
    write("corpus.jsonl", "{}")
    assert "did you mean corpus.jsonl" in refusal(tmp_path / "corpus.json")
    assert "does not exist" in refusal(tmp_path / "no" / "such.txt")
    assert ".json, .jsonl, " in (message := refusal(write("a.log", "x"))) and "--format" in message
    assert "not known" in refusal(write("a.parquet.gz", "x"))
    assert "not known" in refusal(write("a.txt", "x"), format="folder")
    assert "--format is for a single file" in refusal(tmp_path, format="txt")
    assert "header row" in refusal(write("b.txt", "x"), header=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_one_may_not_read(write):
    path = write("a.txt", "x")
    path.chmod(0)
    assert "cannot be read: Permission denied" in refusal(path)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv.gz"])
def test_bytes_that_are_not_utf8(write, name):
    message = refusal(write(name, b'{"text": "x"}\n' * 3 + b"abc\xe9t\xe9\n"))
    assert f"{name}, line 4: byte 4 of the line is not UTF-8" in message
    assert "--encoding cp1252" in message


def test_a_file_of_a_folder_that_is_not_utf8(write, tmp_path):
    write("a.txt", b"ok\nno\xff")
    assert "a.txt, line 2: byte 3 of the line" in refusal(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_read(write, encoding):
    text = "text, \N{PILE OF POO}\nlines, \xe9\n" * 10_000
    _, texts, _ = read(open_source(write("a.txt.gz", text.encode(encoding))))
    assert texts == text.splitlines()
    broken = write("b.txt", (text + "x").encode("utf-16-le") + b"\x00\xd8")
    assert "b.txt, line 20001: not valid utf-16-le" in refusal(broken)


def test_another_encoding_is_named(write):
    path = write("a.csv", "text\ncaf\xe9\n\x80\n".encode("cp1252", "replace"))
    assert read(open_source(path, encoding="cp1252"))[1][0] == "caf\xe9"
    assert "'latin-25' is not known" in refusal(path, encoding="latin-25")
    assert "'base64' is not known" in refusal(path, encoding="base64")
    broken = write("b.txt", b"ok\n\x81\xff\n")
    assert "b.txt, line 2: not valid shift_jis" in refusal(broken, encoding="shift_jis")


@pytest.mark.parametrize(
    "line, message",
    [
        ('{"text": "b"', "not valid JSON: Expecting ',' delimiter at character 13"),
        ("[1]", "holds a list, not an object"),
        ("null", "holds null, not an object"),
        ("{} {}", "not valid JSON: Extra data at character 4"),
        ('{"text": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        ('{"text": ' + "[" * 100_000 + "}", "cannot be read as JSON"),
    ],
)
def test_lines_that_are_no_json_objects(write, line, message):
    path = write("a.jsonl", '{"text": "a"}\n\n' + line + '\n{"text": "c"}\n')
    assert f"a.jsonl, line 3: {message}" in refusal(path)


def test_keys_without_end(write):
    path = write("a.jsonl", jsonl({"text": "a"}, {"text": "a", **{str(n): 1 for n in range(1000)}}))
    assert "line 2: more than 1000 different keys" in refusal(path)


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("a.csv", 'id,text\n1,"a\nb"\n2\n', "line 4: 1 fields, but the first line has 2"),
        ("a.tsv", "id\ttext\n1\ta\tb\n", "line 2: 3 fields, but the first line has 2"),
        ("a.csv", 'id,text\n1,a\n2,"b\n', "line 3: not valid CSV"),
        ("a.csv", 'id,text\n1,"a"b\n', "line 2: not valid CSV"),
        ("a.csv", "id,text\r1,a\r", "line 1: not valid CSV"),
        ("a.csv", "text,n,text\n1,2,3\n", "line 1: the header names a column twice: 'text'"),
    ],
)
def test_broken_tables(write, name, data, message):
    assert f"{name}, {message}" in refusal(write(name, data))


def test_damaged_gzip(write, tmp_path):
    whole = gzip.compress(b"".join(b"line %d\n" % (n * n) for n in range(5000)))
    for damaged in [whole[:-4], whole[:2000], whole + b"junk", whole[:500] + b"~~" + whole[502:]]:
        (tmp_path / "a.txt.gz").write_bytes(damaged)
        assert "a.txt.gz is damaged or cut short" in refusal(tmp_path / "a.txt.gz")
    (tmp_path / "a.txt.gz").write_bytes(b"plain text")
    assert "a.txt.gz is not gzip data" in refusal(tmp_path / "a.txt.gz")


def test_damaged_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(n) * 9 for n in range(9000)]}), path)
    whole = path.read_bytes()
    for damaged in [whole[:-9], b"PAR1 text", whole[:100] + b"\xff" * 900 + whole[1000:]]:
        path.write_bytes(damaged)
        assert "a.parquet is damaged, cut short or not Parquet" in refusal(path)


def test_a_file_that_changes_after_the_check(write):
    source = open_source(write("a.txt", "one\n"))
    write("a.txt", "one\ntwo\n")
    with pytest.raises(InputError, match="has changed"):
        next(source.blocks())


# -- Blocks -------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    # A zero byte at the start of a file is taken for UTF-16.
    st.lists(st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8")), min_size=1),
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from(["txt", "csv", "parquet"]),
)
def test_blocks_are_cut_at_either_limit_and_lose_nothing(texts, size, max_chars, format):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"a.{format}")  # noqa: PTH118
        if format == "parquet":
            pq.write_table(pa.table({"text": texts}), path)
        else:
            with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
                if format == "txt":
                    file.write("".join(text + "\r\n" for text in texts))
                else:
                    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["text"], *zip(texts)])
        blocks = list(open_source(path).blocks(size, max_chars))
    assert [text for block in blocks for text in block.texts] == texts
    assert [name for block in blocks for name in block.ids] == [
        str(n) for n in range(1, len(texts) + 1)
    ]
    assert all(len(block.ids) <= size for block in blocks)
    assert all(sum(map(len, block.texts[:-1])) < max_chars for block in blocks)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_csv_gives_back_whatever_was_written(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.csv")  # noqa: PTH118
        with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "x"), *rows])
        _, texts, own = read(open_source(path))
    assert list(zip(texts, own["x"].to_pylist(), strict=True)) == rows


def test_blocks_of_no_size_are_refused(write):
    with pytest.raises(InputError, match="size of 1 or more"):
        next(open_source(write("a.txt", "x")).blocks(size=0))


def test_one_text_of_ten_megabytes(write):
    text = "ten megabytes " * 750_000
    for path in [
        write("a.txt", text),
        write("a.csv", f'text\n"{text}"\n'),
        write("a.jsonl.gz", jsonl({"text": text})),
    ]:
        assert read(open_source(path))[1] == [text]


def test_the_scan_tells_how_far_it_is(write):
    told = []
    source = open_source(write("a.txt", "line\n" * 20_000), on_scan=told.append)
    assert told == sorted(told) and len(told) > 1 and told[-1] == source.rows == 20_000


READ_AND_WEIGH = """
import sys
from veclab.corpus import open_source

def peak_megabytes():
    with open("/proc/self/status") as status:
        return int(next(l for l in status if l.startswith("VmHWM")).split()[1]) / 1024

small, big = sys.argv[1:]
list(open_source(small).blocks())
before = peak_megabytes()
rows = sum(len(block.ids) for block in open_source(big).blocks(max_chars=1_000_000))
flat = peak_megabytes() - before
kept = list(open_source(big).blocks())
print(rows, flat, peak_megabytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("kind", ["jsonl.gz", "parquet"])
def test_memory_stays_flat(tmp_path, kind):
    small, big, rows = tmp_path / f"small.{kind}", tmp_path / f"big.{kind}", 150_000
    text = "a hundred and fifty megabytes of text, read twice " * 20
    for path, number in [(small, 20_000), (big, rows)]:
        if kind == "parquet":
            table = pa.table({"id": range(number), "text": [f"{n} {text}" for n in range(number)]})
            pq.write_table(table, path, row_group_size=number, use_dictionary=False)
        else:
            with gzip.open(path, "wt", compresslevel=1) as file:
                file.writelines(f'{{"id": {n}, "text": "{n} {text}"}}\n' for n in range(number))
    child = subprocess.run(
        [sys.executable, "-c", READ_AND_WEIGH, small, big], capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    seen, flat, kept = map(float, child.stdout.split())
    assert seen == rows
    assert kept > 130  # the measure does see a corpus that is held
    assert flat < 60


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.tsv", "a.txt.gz", "folder"])
def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch, name):
    for module in ("file", "formats"):
        monkeypatch.setattr(f"veclab.corpus.{module}.MAX_LINE", 1000)
    path = tmp_path / name
    content = b"x" * 1001
    if name == "folder":
        path.mkdir()
        (path / "a.txt").write_bytes(content)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(InputError, match=r"longer than|larger than"):
        open_source(path)
