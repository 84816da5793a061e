"""CSV and TSV as people have it: which readers get the texts right without being told how.

    python benchmarks/sniffers.py benchmarks/results/sniffers.md

Each file is read by veclab, DuckDB (`read_csv`), Polars (`read_csv`, which takes the delimiter as
given: a tab for .tsv) and pandas (`sep=None`, which asks Python's `csv.Sniffer`); right is the
column `text` with exactly these texts. An error is better than wrong texts, and the table tells
them apart. Needs veclab[dev].
"""

import csv
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PROSE = ["Guten Morgen, Welt", "semi; colon", 'he said "hi"', "two\nlines", "a | b", "tab\there"]


def rows(delimiter: str, texts: list[str] = PROSE, end: str = "\r\n") -> str:
    """Return a table as Python's csv writes it: quoted where needed, quotes doubled."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    writer.writerows([["id", "text"], *([f"k{n}", text] for n, text in enumerate(texts))])
    return out.getvalue()


PLAIN = ['she "quoted" it', '"Hello" is a word', "plain, with; all |", "C:\\temp"]
MANY = [f"text {n}, with a comma" for n in range(300)]
UNQUOTED = "\n".join(["id\ttext", *(f"k{n}\t{text}" for n, text in enumerate(PLAIN))])
OPEN = 'id\ttext\n1\t"The quote is open\n2\tand here no quote\n'
ESCAPED = 'id,text\nk0,"he said \\"hi\\", twice"\nk1,"no, never"\n'

# Name of the file -> its bytes, and the texts that are in it.
CASES: dict[str, tuple[bytes, list[str]]] = {
    "comma.csv": (rows(",").encode(), PROSE),
    "semicolon.csv": (rows(";").encode(), PROSE),
    "tab.csv": (rows("\t").encode(), PROSE),
    "bar.csv": (rows("|").encode(), PROSE),
    "mark.csv": (rows(",").encode("utf-8-sig"), PROSE),
    "semicolon_mark.csv": (rows(";").encode("utf-8-sig"), PROSE),
    "utf16.csv": (rows(";").encode("utf-16"), PROSE),
    "utf16_unmarked.csv": (rows(",").encode("utf-16-le"), PROSE),
    "excel_sep.csv": (("sep=;\r\n" + rows(";")).encode(), PROSE),
    "one_column.csv": (b"text\nHello, world\nsemi; colon\n", []),
    "one_column_prose.csv": (
        b"text\none; two\nthree; four\nfive\n",
        ["one; two", "three; four", "five"],
    ),
    "backslash.csv": (ESCAPED.encode(), ['he said "hi", twice', "no, never"]),
    "late_quote.csv": (rows(";", [*MANY, *PROSE]).encode(), [*MANY, *PROSE]),
    "long_cell.csv": (rows(";", ["x\n" * 500, "y, z"]).encode(), ["x\n" * 500, "y, z"]),
    "one_broken_row.csv": (b"id;text\n1;one\n2;two;too many\n3;three\n4;four, or so\n", []),
    "unnamed_columns.csv": (b"id,text,,\n1,one,,\n2,two,,\n", ["one", "two"]),
    "decimal_comma.csv": (b"id;text;price\n1;one;1,5\n2;two;2,5\n", ["one", "two"]),
    "numbers_as_texts.csv": (b"id,text\n1,007\n2,1e3\n3,true\n", ["007", "1e3", "true"]),
    "missing_like_words.csv": (b"id,text\n1,NA\n2,null\n3,None\n", ["NA", "null", "None"]),
    "pandas.tsv": (rows("\t", end="\n").encode(), PROSE),
    "pandas_late.tsv": (rows("\t", [*MANY, *PROSE], "\n").encode(), [*MANY, *PROSE]),
    "unquoted.tsv": (UNQUOTED.encode(), PLAIN),
    "open_quote.tsv": (OPEN.encode(), ['"The quote is open', "and here no quote"]),
    "excel_unicode.tsv": (rows("\t").encode("utf-16"), PROSE),
}


def by_veclab(path: Path) -> list[str]:
    from veclab.corpus import open_source

    source = open_source(path, column="text")
    return [text or "" for block in source.blocks() for text in block.texts]


def by_duckdb(path: Path) -> list[str]:
    import duckdb

    found = duckdb.sql(f"SELECT text FROM read_csv('{path}')").fetchall()
    return [str(value) for (value,) in found]


def by_polars(path: Path) -> list[str]:
    import polars

    table = polars.read_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return [str(value) for value in table["text"].to_list()]


def by_pandas(path: Path) -> list[str]:
    import pandas

    return [str(v) for v in pandas.read_csv(path, sep=None, engine="python")["text"].tolist()]


READERS: dict[str, Callable[[Path], list[str]]] = {
    "veclab": by_veclab,
    "DuckDB": by_duckdb,
    "Polars": by_polars,
    "pandas": by_pandas,
}


def outcome(read: Callable[[Path], list[str]], path: Path, texts: list[str]) -> str:
    """Return right, error or wrong; a file that is broken (no texts) must be an error."""
    try:
        found = read(path)
    except Exception:
        return "right" if not texts else "error"
    return "right" if found == texts and texts else "wrong"


def table(readers: dict[str, Callable[[Path], list[str]]]) -> str:
    """Read all files with all readers; return the outcome as Markdown."""
    lines = [f"| file | {' | '.join(readers)} |", f"| --- |{' --- |' * len(readers)}"]
    counts = dict.fromkeys(readers, 0)
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, texts) in CASES.items():
            path = Path(folder) / name
            path.write_bytes(data)
            found = {reader: outcome(read, path, texts) for reader, read in readers.items()}
            for reader, one in found.items():
                counts[reader] += one == "right"
            broken = "" if texts else " (broken: an error is right)"
            lines.append(f"| `{name}`{broken} | {' | '.join(found.values())} |")
    lines.append(f"| right of {len(CASES)} | {' | '.join(str(n) for n in counts.values())} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import importlib.metadata

    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    versions = ", ".join(
        f"{n} {importlib.metadata.version(n)}" for n in ("duckdb", "polars", "pandas")
    )
    text = f"Made by `python benchmarks/sniffers.py`: {versions}.\n\n{table(READERS)}"
    Path(sys.argv[1]).write_text(text)
    print(text)
