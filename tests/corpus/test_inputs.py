"""Inputs as people have them: JSON arrays, spreadsheets, Arrow, patterns, addresses, pipes."""

import gc
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import veclab.corpus.json_values
from veclab import InputError
from veclab.cli.options import FORMATS
from veclab.corpus import open_source
from veclab.corpus.find import _kind

RECORDS = [{"id": "a", "text": "one", "n": 1}, {"id": "b", "text": 'two "2"\nlines', "n": None}]


def read(path, **options):
    source = open_source(path, **options)
    blocks = list(source.blocks(2))
    ids = [name for block in blocks for name in block.ids]
    return ids, [text for block in blocks for text in block.texts], source


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        open_source(path, **options)
    return str(caught.value)


class TestJson:
    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_an_array(self, tmp_path, indent, encoding):
        (tmp_path / "a.json").write_text(json.dumps(RECORDS, indent=indent), encoding=encoding)
        ids, texts, source = read(tmp_path / "a.json")
        assert (ids, texts) == (["a", "b"], ["one", 'two "2"\nlines'])
        assert source.schema.names == ["n"]

    def test_an_array_of_strings_is_one_of_texts(self, tmp_path):
        (tmp_path / "a.json").write_text('["one", "two"]')
        assert read(tmp_path / "a.json")[:2] == (["1", "2"], ["one", "two"])

    def test_objects_one_after_the_other(self, tmp_path):
        text = "\n".join(json.dumps(record, indent=1) for record in RECORDS)
        (tmp_path / "a.json").write_text(text)
        assert read(tmp_path / "a.json")[1] == ["one", 'two "2"\nlines']

    def test_a_record_longer_than_what_is_read_at_once(self, tmp_path):
        long = "x" * 500_000 + " é"
        (tmp_path / "a.json").write_text(json.dumps([{"text": long}, {"text": "short"}]))
        assert read(tmp_path / "a.json")[1] == [long, "short"]

    def test_halves_of_surrogate_pairs(self, tmp_path):
        (tmp_path / "a.json").write_text('[{"text": "x", "own": "y \\ud83d"}]')
        _, _, source = read(tmp_path / "a.json")
        assert next(iter(source.blocks())).columns["own"].to_pylist() == ["y \ufffd"]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('[\n{"text": "a"},\n{"text": b}\n]', "line 3: not valid JSON"),
            ('[\n{"text": "a"}\n{"text": "b"}]', "line 3: not valid JSON: '{' where a comma"),
            ('[\n{"text": "a"},\n', "line 3: not valid JSON"),
            ('[{"text": "a"}', "the end of the file where a comma"),
            ('[{"text": "a"}]\n{"text": "b"}', "line 2: '{' follows the array"),
            ('[{"text": "a"}, 3]', "line 1: holds an integer"),
            ('{"rows": [{"text": "a"}], "n": 1}', r"in 'rows'.*jq -c '\.rows\[\]'"),
            ('{"text": {"0": "a"}, "n": {"0": 1}}', "orient='records'"),
            ("[" + '{"a": ' * 100_000, "cannot be read as JSON|not valid JSON"),
        ],
    )
    def test_what_is_refused_names_the_line(self, tmp_path, text, reason):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(InputError, match=reason):
            open_source(tmp_path / "a.json")

    def test_a_string_without_end_does_not_fill_the_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(veclab.corpus.json_values, "MAX_RECORD", 100_000)
        (tmp_path / "a.json").write_text('[{"text": "' + "x" * 1_000_000)
        assert "is a quote never closed" in refusal(tmp_path / "a.json")

    def test_what_is_no_json_is_refused_before_all_of_it_is_read(self, tmp_path):
        class Pieces:
            read = 0

            def pieces(self):
                while True:
                    self.read += 1
                    yield "x" * 65_536

            def where(self, line):
                return f"line {line}"

        endless = Pieces()
        with pytest.raises(InputError, match="line 1: not valid JSON"):
            list(veclab.corpus.json_values.json_records(endless))
        assert endless.read < 4


class TestSpreadsheets:
    @pytest.fixture
    def book(self, tmp_path):
        openpyxl = pytest.importorskip("openpyxl", reason="writes the test's spreadsheets")
        pytest.importorskip("python_calamine", reason="needs veclab[excel]")
        import datetime

        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "Mails"
        rows = [
            ["id", "subject", "when", None, None],
            [7, "one", datetime.datetime(2024, 1, 2, 3, 4), True, None],
            [],
            [8, 300, None, None, 1.5],
        ]
        for row in rows:
            sheet.append(row)
        book.create_sheet("Other").append(["text"])
        book["Other"].append(["elsewhere"])
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    def test_the_first_sheet_is_read_and_said(self, book):
        ids, texts, source = read(book, column="subject")
        assert (ids, texts) == (["7", "8"], ["one", "300"])
        assert source.schema.names == ["when", "4", "5"]
        assert next(iter(source.blocks())).columns.to_pylist() == [
            {"when": "2024-01-02T03:04:00", "4": True, "5": None},
            {"when": None, "4": None, "5": 1.5},
        ]
        assert any("'Mails' of 2" in note for note in source.notes)

    def test_another_sheet(self, book):
        _, texts, source = read(book, sheet="Other")
        assert texts == ["elsewhere"] and not source.notes
        assert "no sheet 'Nothing'" in refusal(book, sheet="Nothing")

    def test_errors_name_the_row_as_the_program_shows_it(self, book):
        assert "row 2: column 'when'" not in (message := refusal(book, column="4"))
        assert "row 2: column '4' holds a boolean" in message

    def test_what_is_none(self, tmp_path):
        pytest.importorskip("python_calamine", reason="needs veclab[excel]")
        (tmp_path / "a.xlsx").write_text("text\none\n")
        assert "no spreadsheet" in refusal(tmp_path / "a.xlsx")


class TestArrow:
    TABLE = pa.Table.from_pylist(RECORDS)

    @pytest.mark.parametrize("suffix", ["arrow", "feather", "ipc"])
    def test_files_and_streams(self, tmp_path, suffix):
        path = tmp_path / f"a.{suffix}"
        if suffix == "feather":
            pyarrow.feather.write_feather(self.TABLE, path, compression="lz4")
        else:
            made = pa.ipc.new_file if suffix == "ipc" else pa.ipc.new_stream
            with made(path, self.TABLE.schema) as writer:
                writer.write_table(self.TABLE, max_chunksize=1)
        ids, texts, source = read(path)
        assert (ids, texts) == (["a", "b"], ["one", 'two "2"\nlines'])
        assert source.schema.field("n").type == pa.int64()

    def test_damage(self, tmp_path):
        with pa.ipc.new_file(tmp_path / "a.arrow", self.TABLE.schema) as writer:
            writer.write_table(self.TABLE)
        data = (tmp_path / "a.arrow").read_bytes()
        (tmp_path / "a.arrow").write_bytes(data[: len(data) // 2])
        assert "damaged, cut short or not Arrow" in refusal(tmp_path / "a.arrow")


class TestSeveral:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "a.csv").write_text("key,text\nx,one\ny,two\n")
        (tmp_path / "b.csv").write_text("key;text;more\nz;three;m\n")
        return tmp_path

    def test_a_pattern(self, folder):
        ids, texts, source = read(str(folder / "*.csv"))
        assert texts == ["one", "two", "three"]
        assert ids == [f"{folder}/a.csv:1", f"{folder}/a.csv:2", f"{folder}/b.csv:1"]
        assert source.name == "2 inputs" and source.schema.names == ["key", "more"]
        columns = pa.concat_tables(block.columns for block in source.blocks())
        assert columns["more"].to_pylist() == [None, None, "m"]
        assert any("b.csv has semicolons" in note for note in source.notes)
        assert read(str(folder / "*.csv"), id_column="key")[0] == ["x", "y", "z"]

    def test_a_list_of_formats(self, folder):
        (folder / "c.jsonl").write_text('{"key": "w", "text": "four"}\n')
        paths = [folder / "a.csv", folder / "c.jsonl"]
        assert read(paths, id_column="key")[:2] == (["x", "y", "w"], ["one", "two", "four"])

    def test_complaints_name_file_and_line(self, folder):
        paths = [folder / "a.csv", folder / "c.csv"]
        paths[1].write_text("key,text\ny,again\n")
        message = refusal(paths, id_column="key")
        assert f"'y' ({folder}/a.csv, line 3 and {folder}/c.csv, line 2)" in message
        paths[1].write_text("key,text\nv\n")
        assert f"{folder}/c.csv, line 2: 1 fields" in refusal(paths)
        paths[1].write_text("key,body\nv,w\n")
        assert f"{folder}/c.csv has no column 'text'" in refusal(paths)

    def test_columns_of_two_kinds(self, folder):
        table = pa.table({"text": ["t"], "key": [1]})
        pq.write_table(table, folder / "c.parquet")
        message = refusal([folder / "a.csv", folder / "c.parquet"])
        assert "column 'key' holds int64" in message and "--drop key" in message
        assert read([folder / "a.csv", folder / "c.parquet"], drop=["key"])[1][-1] == "t"

    def test_what_is_refused(self, folder):
        assert "no file matches" in refusal(str(folder / "*.nothing"))
        assert "is named twice" in refusal([folder / "a.csv", folder / "a.csv"])
        (folder / "texts").mkdir()
        (folder / "texts" / "a.txt").write_text("x")
        assert "is a folder" in refusal([folder / "a.csv", folder / "texts"])
        assert "no input" in refusal([])

    def test_a_file_whose_name_looks_like_a_pattern(self, tmp_path):
        (tmp_path / "a[1].txt").write_text("one\n")
        assert read(str(tmp_path / "a[1].txt"))[1] == ["one"]


def test_single_text_files(tmp_path):
    for name in ("a.md", "b.rst", "c.log"):
        (tmp_path / name).write_bytes("\ufeffA title\n\nA text, é.\n".encode("utf-16-le"))
    for name, options in (("a.md", {}), ("b.rst", {}), ("c.log", {"format": "file"})):
        ids, texts, _ = read(tmp_path / name, **options)
        assert (ids, texts) == ([name], ["A title\n\nA text, é.\n"])
    assert "--format NAME" in refusal(tmp_path / "c.log")
    (tmp_path / "d.pdf").write_bytes(b"%PDF")
    assert "veclab index" in refusal(tmp_path / "d.pdf")


def test_every_format_of_the_command_line_is_known():
    for name in FORMATS:
        assert _kind("x", "", name)


class TestPipes:
    @pytest.mark.parametrize(
        ("data", "options", "kind", "texts"),
        [
            (b"one, two\nthree\n", {}, None, ["one, two", "three"]),
            (b"{curly} words\n", {}, None, ["{curly} words"]),
            (b"[1] a footnote\n", {}, None, ["[1] a footnote"]),
            (b"id;text\n1;one\n", {}, "CSV", ["one"]),
            (b"subject,body\na,b\n", {"column": "body"}, "CSV", ["b"]),
            (b"subject,body\na,b\n", {}, None, ["subject,body", "a,b"]),
            (b'{"text": "one"}\n{"text": "two"}\n', {}, "JSON Lines", ["one", "two"]),
            (b'[{"text": "one"}]', {}, "JSON", ["one"]),
            (b'{\n"text": "one"}', {}, "JSON", ["one"]),
            (b"id;text\n1;one\n", {"format": "txt"}, None, ["id;text", "1;one"]),
            (b"id;text\n1;caf\xe9\n", {"encoding": "cp1252"}, "CSV", ["café"]),
            ("id;text\n1;café\n".encode("utf-16"), {}, "CSV", ["café"]),
        ],
    )
    def test_standard_input_is_sniffed(self, monkeypatch, data, options, kind, texts):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        _, found, source = read("-", **options)
        assert found == texts
        said = [note.split(" (")[0] for note in source.notes if "is read as" in note]
        assert said == ([] if kind is None else [f"standard input is read as {kind}"])

    def test_parquet(self, monkeypatch):
        data = io.BytesIO()
        pq.write_table(TestArrow.TABLE, data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.getvalue())))
        assert read("-")[0] == ["a", "b"]

    def test_the_copy_stays_as_long_as_the_source(self, monkeypatch, tmp_path):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a;text\n1;one\n")))
        source = open_source("-", delimiter=";", format="csv")
        gc.collect()
        assert [b.texts for b in source.blocks()] == [["one"]]
        del source
        gc.collect()
        assert not list(tmp_path.iterdir())

    @pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
    def test_process_substitution(self, environment, tmp_path):
        code = (
            "import sys; from veclab import open_source; s = open_source(sys.argv[1]);"
            "print([b.texts for b in s.blocks()], s.notes)"
        )
        words = f"exec {sys.executable} -c '{code}' <(printf 'id,text\\n1,one\\n')"
        root = str(Path(__file__).parents[2])
        done = subprocess.run(
            ["bash", "-c", words],
            capture_output=True,
            text=True,
            env=environment | {"PYTHONPATH": root},
        )
        assert "[['one']]" in done.stdout and "is read as CSV" in done.stdout, done.stderr


FILES = {
    "/a.csv": b"id,text\n1,one\n",
    "/export": b"id;text\n1;two\n",
    "/datasets/o/n/resolve/main/data/a.jsonl": b'{"text": "three"}\n',
    "/datasets/o/n/resolve/v1/data/a.jsonl": b'{"text": "four"}\n',
    "/datasets/o/n/resolve/main/data/b.jsonl": b'{"text": "five"}\n',
}


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        self.server.asked.append((path, self.headers.get("Authorization")))
        if path.startswith("/api/datasets/o/n/tree/main"):
            page = "2" if "cursor" in query else "1"
            files = {"1": ["README.md", "data/a.jsonl"], "2": ["data/b.jsonl"]}[page]
            link = f'<http://{self.headers["Host"]}{path}?cursor=x>; rel="next"'
            body = json.dumps([{"type": "file", "path": name} for name in files]).encode()
            self.answer(body, {"Link": link} if page == "1" else {})
        elif path == "/cut.csv":
            self.answer(b"id,text\n", {"Content-Length": "100"})
        elif path in FILES:
            self.answer(FILES[path])
        else:
            self.send_error(404)

    def answer(self, body, headers=None):
        self.send_response(200)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    yield server
    server.shutdown()
    server.server_close()


class TestAddresses:
    def test_a_file(self, server):
        ids, texts, source = read(f"{server.url}/a.csv?signature=secret")
        assert (ids, texts) == (["1"], ["one"])
        assert source.name == f"{server.url}/a.csv"

    def test_a_name_without_suffix_is_sniffed(self, server):
        _, texts, source = read(f"{server.url}/export")
        assert texts == ["two"] and any("is read as CSV" in note for note in source.notes)

    def test_what_goes_wrong_is_one_line(self, server):
        assert "404" in refusal(f"{server.url}/nothing.csv?key=secret")
        assert "secret" not in refusal(f"{server.url}/nothing.csv?key=secret")
        assert "8 of 100 bytes arrived" in refusal(f"{server.url}/cut.csv")
        server.shutdown()
        server.server_close()
        assert "cannot be reached" in refusal(f"{server.url}/a.csv")
        assert "download it" in refusal("s3://bucket/a.csv")

    def test_hugging_face(self, server, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert read("hf://datasets/o/n/data/a.jsonl")[1] == ["three"]
        assert read("hf://datasets/o/n@v1/data/a.jsonl")[1] == ["four"]
        ids, texts, _ = read("hf://datasets/o/n/data/*.jsonl")
        assert texts == ["three", "five"] and ids[0] == "hf://datasets/o/n/data/a.jsonl:1"
        assert {key for _, key in server.asked} == {"Bearer hf_secret"}
        assert "no file of the data set" in refusal("hf://datasets/o/n/*.csv")
        assert "hf://datasets/OWNER/NAME/PATH" in refusal("hf://datasets/o/n")

    def test_the_key_of_the_hub_goes_nowhere_else(self, server, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        read(f"{server.url}/a.csv")
        assert server.asked == [("/a.csv", None)]

    def test_offline_means_offline(self, server, monkeypatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert "HF_HUB_OFFLINE is set" in refusal("hf://datasets/o/n/data/a.jsonl")
        assert not server.asked


def _table(path, texts):
    table = pa.table({"text": texts})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        pa.feather.write_feather(table, path, compression="uncompressed", chunksize=1)
    elif path.suffix == ".xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for text in ["text", *texts]:
            book.active.append([text])
        book.save(path)
    elif path.suffix == ".md":
        path.write_text(texts[0])
    elif path.suffix == "":
        path.mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (path / f"{number}.txt").write_text(text)
    else:
        lines = {
            ".txt": texts,
            ".csv": ["text", *texts],
            ".tsv": ["text", *texts],
            ".jsonl": [json.dumps({"text": text}) for text in texts],
            ".json": [json.dumps([{"text": text} for text in texts])],
        }[path.suffix]
        path.write_text("\n".join(lines))


@pytest.mark.parametrize("how", ["other", "more", "fewer", "torn", "gone"])
@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "a.csv",
        "a.tsv",
        "a.jsonl",
        "a.json",
        "a.parquet",
        "a.arrow",
        "a.xlsx",
        "a.md",
        "folder",
    ],
)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, name, how):
    path = tmp_path / name
    _table(path, [f"one {n}" for n in range(50)])
    source = open_source(path)
    blocks = source.blocks(1)
    assert next(blocks).texts == ["one 0"]
    file = path / "7.txt" if path.is_dir() else path
    if how == "gone":
        file.unlink()
    elif how == "torn":
        os.truncate(file, file.stat().st_size // 2)
    else:
        _table(path, [f"two {n}" for n in range({"other": 50, "more": 60, "fewer": 40}[how])])
    with pytest.raises(InputError, match=r"has changed since it was checked|cannot be read"):
        list(blocks)
