"""CSV as spreadsheets of all languages write it: the delimiter is found, said, and can be given."""

import csv

import pytest

from veclab import InputError
from veclab.corpus import open_source
from veclab.similarities.pairs import read_pairs

ROWS = [
    ["id", "text"],
    ["a", "Guten Morgen"],
    ["b", "commas, in, the text; and semicolons"],
    ["c", 'he said "hi"\nand left | again'],
]


def texts(path, **options):
    source = open_source(path, **options)
    return [t for block in source.blocks() for t in block.texts], source.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_said(tmp_path, delimiter, encoding):
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows(ROWS)
    found, notes = texts(path)
    assert found == [row[1] for row in ROWS[1:]]
    assert any("--delimiter" in note for note in notes) == (delimiter != ",")


def test_excels_own_line_says_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"sep=|\r\nid|text\r\n1|Guten Morgen; gute Nacht\r\n2|Gute Nacht, Welt\r\n")
    assert texts(path)[0] == ["Guten Morgen; gute Nacht", "Gute Nacht, Welt"]
    path.write_bytes(b"sep=;\r\nid;text\r\n1;Guten Morgen\r\n2;Gute;Nacht\r\n")
    with pytest.raises(InputError, match="line 4: 3 fields"):  # counted as an editor counts
        open_source(path)


def test_texts_full_of_other_delimiters_change_nothing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text\n"one; two"\n"three | four"\nfive;six\n')
    assert texts(path) == (["one; two", "three | four", "five;six"], ())


def test_a_user_may_say_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b,c\n1;x,y\n")
    assert texts(path, column="b,c", id_column="a", delimiter=";")[0] == ["x,y"]
    assert texts(path, column="c", id_column="a;b", delimiter=",")[0] == ["y"]
    path.write_text("a\ttext\n1\tx\n")
    for tab in ("tab", "\\t", "\t"):
        assert texts(path, id_column="a", delimiter=tab)[0] == ["x"]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_what_cannot_be_one_is_refused(tmp_path, delimiter):
    (tmp_path / "a.csv").write_text("text\nx\n")
    with pytest.raises(InputError, match="is not one character"):
        open_source(tmp_path / "a.csv", delimiter=delimiter)


def test_other_formats_have_none(tmp_path):
    (tmp_path / "a.tsv").write_text("text\nx\n")
    with pytest.raises(InputError, match=r"only \.csv has a delimiter"):
        open_source(tmp_path / "a.tsv", delimiter=";")


def test_a_record_that_goes_on_after_the_sample(tmp_path):
    """A quoted cell of more lines than are looked at."""
    path = tmp_path / "a.csv"
    path.write_text('id;text\n1;"' + "line, of many\n" * 500 + '"\n2;x\n')
    assert len(texts(path)[0]) == 2


def test_pairs_are_read_so_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("eins;zwei;punkte\nGuten Tag, Welt;Hallo, Welt;4\nHund;Haus;0\n")
    pairs = read_pairs(path)
    assert list(pairs.first) == ["Guten Tag, Welt", "Hund"]
