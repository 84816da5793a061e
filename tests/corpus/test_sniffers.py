"""The files on which veclab is compared with other readers of CSV: it reads every one."""

from pathlib import Path

import pytest

from benchmarks.sniffers import CASES, READERS, by_veclab, outcome

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", CASES)
def test_read_as_it_was_written(tmp_path, name):
    data, texts = CASES[name]
    (tmp_path / name).write_bytes(data)
    assert outcome(by_veclab, tmp_path / name, texts) == "right"


def test_the_outcome_that_is_kept_is_of_these_files():
    kept = (ROOT / "benchmarks" / "results" / "sniffers.md").read_text()
    rows = [line.split(" | ") for line in kept.splitlines() if line.startswith("| `")]
    assert [row[0].split("`")[1] for row in rows] == list(CASES)
    assert all(len(row) == 1 + len(READERS) and row[1] == "right" for row in rows)


@pytest.mark.parametrize("name", ["DuckDB", "Polars"])
def test_the_others_do_what_the_outcome_says(tmp_path, name):
    pytest.importorskip(name.lower(), reason="is compared with")
    kept = (ROOT / "benchmarks" / "results" / "sniffers.md").read_text()
    column = list(READERS).index(name) + 1
    for case in ("comma.csv", "utf16.csv"):
        data, texts = CASES[case]
        (tmp_path / case).write_bytes(data)
        row = next(line for line in kept.splitlines() if line.startswith(f"| `{case}`"))
        said = row.strip("| ").split(" | ")[column]
        assert outcome(READERS[name], tmp_path / case, texts) == said
